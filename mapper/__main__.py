"""`python -m mapper --server URL`: the mapper's process."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mapper.service import run_mapper
from runtime.arguments import Parser
from runtime.bus import connect
from runtime.credentials import given
from runtime.service import Service, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Map until told to stop; the exit code."""
    parser = Parser("mapper", "Decide where tasks run, from what is measured.")
    parser.add_argument(
        "--expect-nodes", type=int, default=0, metavar="N", help="wait for this many nodes before the first mapping"
    )
    options = parser.parse_args(arguments)

    async def component(service: Service) -> None:
        async with connect(options.server, name=f"mapper {options.incarnation}", credentials=given()) as bus:
            await run_mapper(service, bus, options.incarnation, options.expect_nodes)

    return run(component, name="mapper")


if __name__ == "__main__":
    sys.exit(main())
