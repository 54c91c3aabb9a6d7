"""Commands about mappings: map a problem from a file, have a running application mapped again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from deploy.options import DEFAULT_SERVER, AppName, AsJson, Server, ask, print_json, print_table
from runtime.mapper_options import DEFAULT_MAPPER

if TYPE_CHECKING:
    from runtime.bus import Bus

group = typer.Typer()
PANEL = "Mapping"


@group.command("map", rich_help_panel=PANEL)
def map_problem(
    problem: Annotated[Path, typer.Option("--problem", metavar="FILE", help="The problem, as JSON.")],
    mapper: Annotated[str, typer.Option(metavar="NAME", help="Which mapper.")] = DEFAULT_MAPPER,
    objective: Annotated[str, typer.Option(metavar="period|makespan", help="What to be good at.")] = "period",
    seed: Annotated[int, typer.Option(help="Of mappers that draw at random.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Map a problem from a file, without anything running."""
    from deploy.report import seconds
    from mapper import registry
    from mapper.problem import Problem
    from runtime.mapper_options import MapperOptions

    stated = Problem.from_form(_read(problem))
    options = MapperOptions(seed=seed)
    asked_for = cast(Literal["period", "makespan"], objective)
    result = registry.solve(stated, mapper, asked_for, options=options)
    found = result.to_json()
    if as_json:
        print_json(found)
        typer.echo(result.why, err=True)
        return
    title = f"{found['mapper']}: makespan {seconds(found['makespan_s'])}, period {seconds(found['period_s'])}"
    rows = [
        (task, place["node"], seconds(place["start_s"]), seconds(place["finish_s"]))
        for task, place in found["schedule"].items()
    ]
    print_table(title, ("TASK", "NODE", "START", "FINISH"), rows)
    typer.echo(f"{result.why}; bottleneck: {result.period.bottleneck}")


def _read(path: Path) -> dict[str, Any]:
    from runtime.errors import UsageError

    try:
        form = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the problem file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"the problem file {path} is not JSON: {error}") from error
    if not isinstance(form, dict):
        raise UsageError(f"the problem file {path} must hold a JSON object, not {type(form).__name__}")
    return form


@group.command(rich_help_panel=PANEL)
def remap(
    name: AppName,
    server: Server = DEFAULT_SERVER,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for the new mapping.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Have the mapper decide again, from what is measured now; also ends a mapping that was given by hand."""
    from deploy.remapping import remap as again
    from deploy.status import mapping as look

    async def work(bus: Bus, _: asyncio.Event) -> dict[str, Any]:
        app = await again(bus, name, timeout)
        return await look(bus, app)

    found = ask(server, work) or {}
    if as_json:
        print_json(found)
    else:
        where = ", ".join(f"{task} on {node}" for task, node in found.get("mapping", {}).items())
        typer.echo(f"{name}, epoch {found['epoch']} by {found['algorithm']}: {where}")
