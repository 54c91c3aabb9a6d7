"""`python -m circe worker|gateway|dispatcher …`: the components' processes, with light imports."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from runtime.arguments import Parser
from runtime.bus import Bus, connect
from runtime.credentials import given
from runtime.network import HOME
from runtime.service import EXIT_USAGE, Service, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one component until it is told to stop; its exit code."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)

    async def component(service: Service) -> None:
        name = f"{options.component} {options.incarnation}"
        async with connect(options.server, name=name, credentials=given()) as bus:
            await COMPONENTS[options.component](service, bus, options)

    return run(component, name=options.component)


async def _worker(service: Service, bus: Bus, options: argparse.Namespace) -> None:
    from circe.options import WorkerOptions
    from circe.printing import install
    from circe.working import run_worker

    # What user code prints must not mix with results that the command writes to its own output.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lines = None if options.slots is None else install(options.node)
    await run_worker(
        service,
        bus,
        WorkerOptions(
            server=options.server,
            app=options.app,
            task=options.task,
            node=options.node,
            incarnation=options.incarnation,
            cache=options.bundle,
            digest=options.digest,
            scratch=options.scratch or Path(tempfile.gettempdir()) / f"jupiter-{options.incarnation}",
            epoch=options.epoch,
            slots=options.slots,
        ),
        lines,
    )


async def _gateway(service: Service, bus: Bus, options: argparse.Namespace) -> None:
    from circe.gateway import run_gateway

    await run_gateway(service, bus, options.incarnation, options.node)


async def _dispatcher(service: Service, bus: Bus, options: argparse.Namespace) -> None:
    from circe.dispatcher import run_dispatcher

    await run_dispatcher(service, bus, options.incarnation)


COMPONENTS = {"worker": _worker, "gateway": _gateway, "dispatcher": _dispatcher}
DESCRIPTIONS = {
    "worker": "Run one task. Agents start these.",
    "gateway": "Feed inputs to the tasks, and acknowledge them when they have ended.",
    "dispatcher": "Turn applications and mappings into running workers.",
}


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    name, *given = arguments or [""]
    if name not in COMPONENTS:
        sys.stderr.write(f"circe: no component {name!r}; there are {', '.join(COMPONENTS)}\n")
        raise SystemExit(EXIT_USAGE)
    parser = Parser(name, DESCRIPTIONS[name])
    if name != "dispatcher":
        parser.add_argument("--node", default=HOME, help="where it runs")
    if name == "worker":
        parser.add_argument("--app", required=True)
        parser.add_argument("--task", required=True)
        parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the cache that holds the bundle")
        parser.add_argument("--digest", required=True)
        parser.add_argument("--scratch", type=Path, metavar="DIR", help="where large items may lie as files")
        parser.add_argument("--epoch", type=int, default=0)
        parser.add_argument("--slots", type=int, help="descriptor of memory shared with the parent")
    options = parser.parse_args(given)
    options.component = name
    return options


if __name__ == "__main__":
    sys.exit(main())
