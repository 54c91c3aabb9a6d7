"""NATS away for longer than any lease: nobody is thought dead, and everything goes on as it was."""

from __future__ import annotations

import asyncio

from circe.pulse import LEASE_S
from mapper.table import NODE_LEASE_S
from runtime import subjects
from runtime.records import EdgeRecord
from tests.integration.cluster import REPOSITORY, cluster

EXAMPLE = REPOSITORY / "app_specific_files" / "example"
ITEMS = 500


async def test_an_outage_longer_than_the_leases_moves_nothing() -> None:
    async with cluster(mapper=True) as running:
        app = await running.submit(EXAMPLE)
        before = await running.wait_for_edges(app)
        epoch = (await running.bus.snapshot(subjects.CONTROL_STREAM, subjects.mapping(app.name)))[0].sequence
        await running.send(app, [f"{n} is a line".encode() for n in range(ITEMS)], "before")
        await running.server.kill()
        await asyncio.sleep(max(LEASE_S, NODE_LEASE_S) + 1.5)
        await running.server.restart()
        await running.send(app, [f"{n} is a line".encode() for n in range(ITEMS)], "after")
        await running.ended(app)
        results = await running.bus.stream_state(subjects.egress_stream(app.name))
        assert results is not None and results.last_sequence == 2 * ITEMS
        after: EdgeRecord = await running.wait_for_edges(app)
        assert (after.revision, after.workers, after.heads) == (before.revision, before.workers, before.heads)
        mappings = await running.bus.snapshot(subjects.CONTROL_STREAM, subjects.mapping(app.name))
        assert [each.sequence for each in mappings] == [epoch]
        assert not running.deaths
