"""`jupiter verify`: faults under load, and what became of every input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.options import AsJson, Folder, print_json, print_table

if TYPE_CHECKING:
    from runtime.service import Service

group = typer.Typer()
PANEL = "Measure, decide, try"


@group.command(rich_help_panel=PANEL)
def verify(
    folder: Folder,
    seed: Annotated[int, typer.Option(help="Of the schedule of faults and of the load.")] = 0,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long faults happen.")] = 120.0,
    rounds: Annotated[int | None, typer.Option(metavar="N", min=1, help="So many faults at most.")] = None,
    items_per_s: Annotated[float, typer.Option(min=1.0, max=5000.0, help="The steady load.")] = 100.0,
    faults: Annotated[
        str | None,
        typer.Option(metavar="NAME,…", help="Which faults; `-NAME` leaves one out. Default: all. `list` shows them."),
    ] = None,
    nodes: Annotated[str | None, typer.Option(metavar="N|FILE", help="Logical nodes beside home. Default: 2.")] = None,
    queued: Annotated[
        str | None, typer.Option(metavar="TASK,…", help="Tasks to give a queue, as if they said `edge: queued`.")
    ] = None,
    failing: Annotated[
        str | None,
        typer.Option(
            metavar="TASK,…",
            help="Tasks whose code is to fail at one time and not at another: an item may "
            "end there as a dead letter instead, but only so.",
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--input", "-i", metavar="FILE", help="Payloads to send. Default: the entry tasks' samples."),
    ] = None,
    patience: Annotated[
        float, typer.Option(metavar="SECONDS", min=1.0, help="What takes longer to flow again after a fault is stuck.")
    ] = 120.0,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the components' log goes. Default: nowhere.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run an application on this machine under load, break things at random, and tell what became of every input.

    Needs an application whose outputs depend on the input alone; a gather takes one item at a time here. Exit code 1
    when an input was lost, doubled, invented, ended twice, changed or stuck, when something was left over, or when
    nothing flowed any more.
    """
    from deploy import verify_report
    from deploy.progress import progress
    from deploy.session import shelled
    from deploy.verify import verify as run
    from deploy.verify_plan import KINDS, chosen
    from deploy.verify_setup import VerifyOptions, plan_verify

    if faults == "list":
        print_table("", ("FAULT", "WHAT"), [(kind.name, kind.what) for kind in KINDS])
        return
    options = VerifyOptions(
        folder=folder,
        seed=seed,
        seconds=seconds,
        rounds=rounds,
        items_per_s=items_per_s,
        kinds=chosen(faults),
        nodes=nodes,
        queued=tuple((queued or "").replace(",", " ").split()),
        failing=tuple((failing or "").replace(",", " ").split()),
        source=source,
        log=log,
        patience_s=patience,
    )
    plan = plan_verify(options)
    show = progress()

    async def work(service: Service) -> dict[str, Any]:
        return await run(service, plan, show)

    try:
        found = shelled(work)
    finally:
        show.close()
    if found is None:
        raise typer.Exit(1)
    if as_json:
        print_json(found)
    else:
        print_table("", verify_report.COLUMNS, verify_report.rows(found))
    for line in verify_report.sentences(found):
        typer.echo(line, err=True)
    if not found["is_clean"]:
        raise typer.Exit(1)
