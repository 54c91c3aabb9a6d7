"""The agent: one process per node that measures the node and its links, profiles tasks, and runs workers.

It holds nothing that it cannot read again. When it is killed its children die with it; started again, it finds
on the bus what its node should run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agents.agent_records import AgentRecords
from agents.bundles import Bundles
from agents.cgroups import Cgroup
from agents.claim import claim
from agents.execution import ExecutionProfiler
from agents.executor import GRACE_S, Executor
from agents.link_profiler import LinkProfiler
from agents.placing import Measured, Placing
from agents.presence import Presence
from agents.profile_run import BUDGET_S, DEADLINE_S, ProfileRun
from agents.resources import Resources
from agents.scratch import for_workers
from runtime import bus, credentials
from runtime.bus import Bus
from runtime.errors import UsageError
from runtime.network import name_fault
from runtime.service import Service

logger = logging.getLogger(__name__)


def default_cache() -> Path:
    """Where unpacked applications are kept when nobody says otherwise."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "jupiter"


def _new_id() -> str:
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """What an agent is started with."""

    url: str
    node: str
    quota_cores: float | None = None
    """CPUs the node's tasks may use; None for all that the machine leaves them."""
    cache: Path = field(default_factory=default_cache)
    incarnation: str = field(default_factory=lambda: f"agent-{_new_id()}")
    runs_workers: bool = True
    """In a cluster the pods do."""
    grace_s: float = GRACE_S
    profile_budget_s: float = BUDGET_S
    profile_deadline_s: float = DEADLINE_S
    expected_nodes: int = 0
    """Home: how many nodes the first placement by the agents waits for."""
    new_id: Callable[[], str] = _new_id

    def __post_init__(self) -> None:
        if fault := name_fault(self.node):
            raise UsageError(fault)
        if self.quota_cores is not None and not self.quota_cores > 0:
            raise UsageError(f"{self.quota_cores:g} CPUs for node {self.node}: it must be above zero")


@dataclass(frozen=True, slots=True)
class _Parts:
    presence: Presence
    links: LinkProfiler
    profiler: ExecutionProfiler
    executor: Executor
    placing: Placing
    records: AgentRecords


async def run_agent(service: Service, options: AgentOptions) -> None:
    """Serve one node until stopped, then leave cleanly: leave taken, workers drained, cgroup removed."""
    async with contextlib.AsyncExitStack() as stack:
        cgroup = None
        if options.quota_cores is not None:
            cgroup = stack.enter_context(Cgroup(options.node, options.quota_cores))
        resources = Resources(options.quota_cores)
        connection = await stack.enter_async_context(_connection(options))
        await claim(connection, options.node, options.incarnation)
        scratch = stack.enter_context(for_workers(options.cache))
        parts = _assemble(options, connection, resources, cgroup, scratch)
        await parts.links.answer()
        await parts.placing.answer()
        await parts.records.recall(resources.cores)
        tasks = [
            service.start("presence", parts.presence.run()),
            service.start("links", parts.links.run()),
        ]
        try:
            async with parts.records.followed():
                tasks.append(service.start("work", _work(parts, options.runs_workers)))
                await service.stopping.wait()
        finally:
            # Before the bus and the cgroup go: the profiler's child is in it.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await parts.presence.leave()
        await parts.executor.drain()


def _connection(options: AgentOptions) -> contextlib.AbstractAsyncContextManager[Bus]:
    return bus.connect(options.url, name=f"agent {options.node}", credentials=credentials.given())


def _assemble(
    options: AgentOptions, connection: Bus, resources: Resources, cgroup: Cgroup | None, scratch: Path
) -> _Parts:
    bundles = Bundles(connection, options.cache)
    how = ProfileRun(
        node=options.node,
        scratch=options.cache / "scratch",
        cores=resources.cores,
        cgroup=cgroup,
        budget_s=options.profile_budget_s,
        deadline_s=options.profile_deadline_s,
    )
    links = LinkProfiler(connection, options.node, random.Random())
    profiler = ExecutionProfiler(connection, bundles, how)
    executor = Executor(
        connection,
        options.url,
        bundles,
        new_id=options.new_id,
        scratch=scratch,
        cgroup=cgroup,
        grace_s=options.grace_s,
    )
    presence = Presence(connection, resources, options.node, options.incarnation)
    placing = Placing(
        connection,
        options.node,
        options.incarnation,
        Measured(links=links, profiler=profiler, executor=executor, resources=resources),
        new_id=options.new_id,
        expected_nodes=options.expected_nodes,
    )
    records = AgentRecords(connection, options.node, links, profiler, executor, placing)
    return _Parts(presence, links, profiler, executor, placing, records)


async def _work(parts: _Parts, runs_workers: bool) -> None:
    """Profile and run workers, once everything that was on the bus has been heard."""
    await parts.records.caught_up()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(parts.profiler.run(), name="profiler")
        tasks.create_task(parts.placing.run(), name="placing")
        if runs_workers:
            tasks.create_task(parts.executor.run(), name="executor")
