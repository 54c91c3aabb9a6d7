"""Faults of storage: a full egress, a full ingress, the server's limit on its disk."""

from __future__ import annotations

import asyncio
import contextlib

from deploy.verify_plan import Fault
from deploy.verify_trial import NotDoneError, Trial
from runtime import subjects
from runtime.bus import Bus
from runtime.bus_errors import BusFault, StreamFull
from runtime.streams import StreamSpec

FILLER = StreamSpec(name="verify-filler", subjects=("verify.filler",))
FILLER_BYTES = (1 << 20, 1 << 10)
"""First what is quick, then what fills the rest."""
MOST_INPUTS = 200_000
"""A limit that so many inputs do not reach was set too high for this."""
REFUSALS = 200
FULL = 0.98
"""Of its limit: the next result is often too large for the rest."""
ROOMY = 0.6
LOOK_S = 0.2


async def ingress_full(trial: Trial, fault: Fault) -> None:
    """Faster than they are taken."""
    refused = trial.feeder.refused
    await trial.feeder.burst(REFUSALS, MOST_INPUTS)
    if trial.feeder.refused == refused:
        raise NotDoneError("the ingress took all there was")


async def egress_full(trial: Trial, fault: Fault) -> None:
    """The reader is away until results are refused, then for a while, and comes back."""
    limit_bytes = FULL * trial.app.limits.egress_bytes
    end = trial.feeder.sent_count + MOST_INPUTS
    trial.recorder.pause()
    try:
        while await _egress_bytes(trial) < limit_bytes:
            if trial.feeder.sent_count > end:
                raise NotDoneError("the egress did not fill up")
            await trial.feeder.burst(REFUSALS, MOST_INPUTS)
        await asyncio.sleep(fault.lasts_s)
    finally:
        trial.recorder.resume()


async def until_roomy(trial: Trial) -> None:
    """Wait until results that were read have left the egress: a full one takes a while, and would hide what follows."""
    while await _egress_bytes(trial) > ROOMY * trial.app.limits.egress_bytes:  # noqa: ASYNC110 - there is no event
        await asyncio.sleep(LOOK_S)


async def _egress_bytes(trial: Trial) -> int:
    with contextlib.suppress(BusFault):
        state = await trial.local.bus.stream_state(subjects.egress_stream(trial.app.name))
        return 0 if state is None else state.bytes
    return 0


async def disk_full(trial: Trial, fault: Fault) -> None:
    """Somebody else's stream takes what storage the server has, and is deleted after a while."""
    if trial.max_store_bytes is None:
        raise NotDoneError("the server has no limit on its storage")
    bus = trial.local.bus
    await bus.ensure_stream(FILLER)
    try:
        for size_bytes in FILLER_BYTES:
            await _fill(bus, size_bytes, 2 * trial.max_store_bytes)
        await asyncio.sleep(fault.lasts_s)
    finally:
        for _ in range(20):
            with contextlib.suppress(BusFault):
                if not await bus.delete_stream(FILLER.name):
                    break


async def _fill(bus: Bus, size_bytes: int, most_bytes: int) -> None:
    """Until the server refuses."""
    for _ in range(most_bytes // size_bytes):
        try:
            await bus.store(FILLER.subjects[0], bytes(size_bytes))
        except StreamFull:
            return
    raise NotDoneError("the server took all there was")
