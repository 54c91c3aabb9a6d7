"""`jupiter run` and `jupiter up`: a whole Jupiter on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.options import Folder

if TYPE_CHECKING:
    from deploy.progress import Progress
    from deploy.running import RunOptions
    from runtime.service import Service

group = typer.Typer()

Nodes = Annotated[
    str | None,
    typer.Option(
        metavar="N|FILE",
        help="How many logical nodes beside home, or a YAML file of node names and CPUs (`node1: {cpus: 0.5}`). "
        "Default: the application's node_map, else 3.",
    ),
]
Source = Annotated[
    str | None, typer.Option("--input", "-i", metavar="FILE|-", help="What to feed it; - is stdin. Ends with it.")
]
Results = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Where results go, a JSON line each. Default: stdout."),
]
Once = Annotated[
    bool, typer.Option("--once", help="One item (the first of --input, else the sample input), mapped for makespan.")
]
Mapper = Annotated[str | None, typer.Option(metavar="NAME", help="Who decides where tasks run.")]
Objective = Annotated[str | None, typer.Option(metavar="period|makespan", help="What the mapping is to be good at.")]
Given = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help='A ready-made mapping, {"task": "node"}: nothing is measured or decided.'),
]
Report = Annotated[Path | None, typer.Option(metavar="FILE", help="Write what the run was as JSON.")]
Printed = Annotated[bool, typer.Option("--json", help="Print the report as the last line on stdout.")]
Port = Annotated[int | None, typer.Option(help="Port of the NATS server. Default: one that is free.")]
Host = Annotated[str, typer.Option(help="Address that the NATS server listens on; whoever reaches it may do anything.")]
Keep = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Keep what the server stores, and its log, there, for a later run to go on with.",
    ),
]
Drain = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.0, help="How long Ctrl-C lets what is in flight finish.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what the components log.")]


@group.command()
def run(
    folder: Folder,
    nodes: Nodes = None,
    source: Source = None,
    output: Results = None,
    once: Once = False,
    mapper: Mapper = None,
    objective: Objective = None,
    mapping: Given = None,
    report: Report = None,
    as_json: Printed = False,
    port: Port = None,
    host: Host = "127.0.0.1",
    keep: Keep = None,
    drain: Drain = 10.0,
    verbose: Verbose = False,
) -> None:
    """Run an application on this machine: server, nodes, profiling, mapping, tasks, input to results.

    Results are written in the order of the inputs: {"id", "seq", "task", "value"}, seq counting inputs from 1.
    Without --input it runs until Ctrl-C and takes what `jupiter send` or any NATS client publishes. Items that
    fail for good (dead letters) are reported at the end; the exit code is 0 all the same. Ctrl-C finishes what is
    in flight (exit code 0; 1 when that took too long); a second one does not wait.
    """
    from deploy.running import RunOptions

    options = RunOptions(
        folder=folder,
        nodes=nodes,
        source=source,
        output=output,
        is_once=once,
        mapper=mapper,
        objective=objective,
        mapping=mapping,
        report=report,
        port=port,
        host=host,
        keep=keep,
        drain_s=drain,
    )
    _run(options, as_json=as_json, is_verbose=verbose)


def _run(options: RunOptions, *, as_json: bool, is_verbose: bool) -> None:
    from deploy.report import summary
    from deploy.running import plan_run, run_plan
    from deploy.session import shelled

    plan = plan_run(options)
    show = _showing(is_verbose)

    async def work(service: Service) -> dict[str, Any]:
        return await run_plan(service, plan, show)

    try:
        found = shelled(work)
    finally:
        show.close()
    if found is None:
        return
    for line in summary(found):
        show.say(line)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))


@group.command()
def up(
    nodes: Nodes = None,
    port: Port = None,
    host: Host = "127.0.0.1",
    keep: Keep = None,
    verbose: Verbose = False,
) -> None:
    """Start a Jupiter without an application on this machine, until Ctrl-C.

    Then: jupiter submit, send, tail, status … with --server, or JUPITER_SERVER set to the address it prints.
    """
    from deploy.local import LocalPlan
    from deploy.nodes import local_nodes
    from deploy.running import run_empty
    from deploy.session import shelled
    from runtime.server_checks import check_address

    check_address(host, port)
    plan = LocalPlan(nodes=local_nodes(nodes, None), port=port, host=host, store=keep)
    show = _showing(verbose)

    async def work(service: Service) -> None:
        await run_empty(service, plan, show)

    shelled(work)


def _showing(is_verbose: bool) -> Progress:
    from deploy.progress import progress
    from runtime.service import LOG_VARIABLE

    if is_verbose:
        os.environ.setdefault(LOG_VARIABLE, "info")  # of this process and, with the environment, of its children
    return progress()
