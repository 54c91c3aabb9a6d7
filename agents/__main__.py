"""`python -m agents`: one agent. Light imports, because in local mode one starts per logical node."""

from __future__ import annotations

import sys
from pathlib import Path

from agents.agent import AgentOptions, default_cache, run_agent
from runtime import service
from runtime.arguments import Parser
from runtime.errors import UsageError


def main(arguments: list[str] | None = None) -> int:
    """Run an agent until it is told to stop; returns the exit code."""
    parser = Parser("agent", "Measure one node and run its workers.")
    parser.add_argument("--node", required=True, help="the node's name")
    parser.add_argument("--cpus", type=float, metavar="N", help="CPUs the node's tasks may use (default: all)")
    parser.add_argument("--cache", type=Path, metavar="DIR", default=default_cache(), help="unpacked applications")
    parser.add_argument("--no-workers", action="store_true", help="measure only; something else runs the workers")
    expects = "home: wait for this many nodes before agents place tasks (mapper_options: distributed)"
    parser.add_argument("--expect-nodes", type=int, default=0, metavar="N", help=expects)
    given = parser.parse_args(arguments)
    try:
        options = AgentOptions(
            url=given.server,
            node=given.node,
            quota_cores=given.cpus,
            cache=given.cache,
            runs_workers=not given.no_workers,
            incarnation=given.incarnation,
            expected_nodes=given.expect_nodes,
        )
    except UsageError as error:
        parser.error(str(error))
    return service.run(lambda running: run_agent(running, options), name=f"agent {options.node}")


if __name__ == "__main__":
    sys.exit(main())
