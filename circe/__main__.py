"""`python -m circe worker|gateway|dispatcher …`: the components' processes, with light imports."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.bus import Bus, connect
from runtime.service import Service, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one component until it is told to stop; its exit code."""
    options = _parser().parse_args(arguments)

    async def component(service: Service) -> None:
        async with connect(options.server, name=f"{options.component} {options.incarnation}") as bus:
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

    await run_dispatcher(service, bus)


COMPONENTS = {"worker": _worker, "gateway": _gateway, "dispatcher": _dispatcher}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="circe", description=__doc__)
    components = parser.add_subparsers(dest="component", required=True)
    for name in COMPONENTS:
        component = components.add_parser(name)
        component.add_argument("--server", required=True)
        component.add_argument("--incarnation", required=True)
        component.add_argument("--node", default="home")
        if name == "worker":
            component.add_argument("--app", required=True)
            component.add_argument("--task", required=True)
            component.add_argument("--bundle", type=Path, required=True, help="the cache that holds the bundle")
            component.add_argument("--digest", required=True)
            component.add_argument("--epoch", type=int, default=0)
            component.add_argument("--slots", type=int, help="descriptor of memory shared with the parent")
    return parser


if __name__ == "__main__":
    sys.exit(main())
