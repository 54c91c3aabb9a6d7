"""`jupiter map` and `jupiter explain`: mappings looked at, tried out, drawn. Nothing that runs is changed by them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from deploy.options import DEFAULT_SERVER, AppName, AsJson, Server, ask, print_json, print_table
from runtime.mapper_options import DEFAULT_MAPPER

if TYPE_CHECKING:
    from deploy.mapping import Known
    from mapper.result import MappingResult, Objective
    from runtime.bus import Bus

group = typer.Typer()
PANEL = "Mapping"

MapperName = Annotated[
    str | None, typer.Option(metavar="NAME", help="Which mapper. Default: the application's, or auto.")
]
ObjectiveName = Annotated[str | None, typer.Option(metavar="period|makespan", help="What to be good at.")]
Svg = Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw the graph and the schedule.")]


@group.command("map", rich_help_panel=PANEL)
def map_(
    name: Annotated[str | None, typer.Argument(metavar="[APP]", help="A running application.")] = None,
    problem: Annotated[
        Path | None, typer.Option("--problem", metavar="FILE", help="A problem as JSON, without anything running.")
    ] = None,
    mapper: MapperName = None,
    objective: ObjectiveName = None,
    seed: Annotated[int | None, typer.Option(help="Of mappers that draw at random.")] = None,
    moves: Annotated[int | None, typer.Option(min=0, help="How much the searching mappers may try.")] = None,
    limit: Annotated[
        float | None,
        typer.Option("--limit", metavar="SECONDS", min=0.0, help="... and for how long; then it says `truncated`."),
    ] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            "--what-if",
            metavar="CHANGE",
            help="Under other circumstances: 'link node1>node2 bandwidth=5Mbit/s', 'node node3 gone', "
            "'node node1 slower=2', 'task split@node1 seconds=20ms'. May be given several times.",
        ),
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write the problem, as --problem reads it.")
    ] = None,
    svg: Svg = None,
    server: Server = DEFAULT_SERVER,
    as_json: AsJson = False,
) -> None:
    """Map an application, or a problem from a file, and show it: nothing that runs is changed.

    With APP the problem is what profiles say now, and the mapping in force stands beside the one that comes out.
    """
    from deploy import mapping as view
    from runtime.errors import UsageError

    if (name is None) == (problem is None):
        raise UsageError("map either an application that runs (jupiter map APP) or a problem (--problem FILE)")
    about = None if name is None else _known(server, name)
    changes = what_if or []
    if about is not None:
        form = about.form(changes)
    else:
        form = view.read(cast(Path, problem))
        form = view.changed(form, changes) if changes else form
    result = _solve(form, about, mapper, objective, seed=seed, moves=moves, limit_s=limit)
    if about is not None:
        result = view.foretold(about, result, changes)
    if export is not None:
        view.export(form, export)
    if svg is not None:
        _draw(svg, view.drawing(result.problem, result.schedule, _title(result), hides_home=about is not None))
    if as_json:
        print_json(_json(about, result, changes))
        typer.echo(result.why, err=True)
    else:
        _print(about, result, changes)


def _known(server: str, name: str) -> Known:
    from deploy import mapping as view
    from deploy.submit import find_app

    async def work(bus: Bus, _: asyncio.Event) -> Known:
        return await view.known(bus, await find_app(bus, name))

    return cast("Known", ask(server, work))


def _solve(
    form: dict[str, Any], about: Known | None, mapper: str | None, objective: str | None, **given: Any
) -> MappingResult:
    import time
    from dataclasses import replace

    from mapper import registry
    from mapper.problem import Problem
    from runtime.mapper_options import MapperOptions

    options = MapperOptions() if about is None else about.app.mapper_options
    options = replace(options, **{key: value for key, value in given.items() if value is not None})
    chosen = mapper or (DEFAULT_MAPPER if about is None else about.app.mapper)
    wanted = objective or ("period" if about is None else about.objective)
    problem = Problem.from_form(form)
    return registry.solve(
        problem,
        chosen,
        cast("Objective", wanted),
        options=options,
        is_order_kept=about is None,
        clock=time.monotonic,
    )


def _json(about: Known | None, result: MappingResult, what_if: list[str]) -> dict[str, Any]:
    from deploy import mapping as view

    if about is None:
        return result.to_json()
    found = {**view.without_home(result), "what_if": what_if, "uncertain": about.uncertain}
    if about.mapping is not None:
        found["in_force"] = {"epoch": about.epoch, **view.in_force(about, what_if)}
    return found


def _title(result: MappingResult) -> str:
    from runtime.units import seconds

    return f"{result.algorithm}: makespan {seconds(result.makespan_s)}, period {seconds(result.period_s)}"


def _print(about: Known | None, result: MappingResult, what_if: list[str]) -> None:
    from deploy import mapping as view
    from mapper import costs
    from runtime.units import seconds

    found = result.to_json() if about is None else view.without_home(result)
    now = {} if about is None else view.in_force(about, what_if)
    columns = ("TASK", *(("IN FORCE",) if now else ()), "WHAT IF" if now and what_if else "NODE", "START", "FINISH")
    rows = [
        (
            task,
            *((now["mapping"].get(task, "-"),) if now else ()),
            place["node"],
            seconds(place["start_s"]),
            seconds(place["finish_s"]),
        )
        for task, place in found["schedule"].items()
    ]
    for sentence in what_if:
        typer.echo(f"what if: {sentence}")
    print_table(_title(result), columns, rows)
    bottleneck = result.period.bottleneck if about is None else costs.plain(result.period.bottleneck)
    typer.echo(f"{result.why}; bottleneck: {bottleneck}")
    if "impossible" in now:
        typer.echo(f"in force, by {now['algorithm']}: impossible then: {now['impossible']}")
    elif now:
        said = f"makespan {seconds(now['makespan_s'])}, period {seconds(now['period_s'])}"
        typer.echo(f"in force, by {now['algorithm']}: {said}; bottleneck: {now['bottleneck']}")
    if about is not None:
        _print_uncertain(about.uncertain)


def _print_uncertain(uncertain: dict[str, str]) -> None:
    for source in sorted(set(uncertain.values())):
        names = [name for name, found in uncertain.items() if found == source]
        rest = f" and {len(names) - 8} more" if len(names) > 8 else ""
        typer.echo(f"{source}: {', '.join(names[:8])}{rest}")


def _draw(path: Path, picture: Any) -> None:
    from deploy import svg
    from runtime.errors import UsageError

    try:
        path.write_text(svg.draw(picture), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


@group.command(rich_help_panel=PANEL)
def explain(
    name: AppName,
    objective: ObjectiveName = None,
    svg: Svg = None,
    server: Server = DEFAULT_SERVER,
    as_json: AsJson = False,
) -> None:
    """Why each task is where it is: what the mapping in force would be worth with that one task elsewhere.

    By the application's objective: the period (items come so far apart) or the makespan (what one item alone takes).
    """
    from deploy import mapping as view

    about = _known(server, name)
    found = view.explanation(about, objective)
    if svg is not None:
        title = f"{name}, epoch {about.epoch}: {found['algorithm']}"
        schedule = view.schedule_in_force(about)
        _draw(svg, view.drawing(about.problem, schedule, title, hides_home=True))
    if as_json:
        print_json(found)
    else:
        _print_explanation(found)


def _print_explanation(found: dict[str, Any]) -> None:
    from runtime.units import seconds

    objective = found["objective"]
    nodes = list(dict.fromkeys(node for task in found["tasks"].values() for node in task["candidates"]))
    nodes.sort(key=lambda node: (node != "home", node))
    title = (
        f"{found['app']}, epoch {found['epoch']}, by {found['algorithm']}: period {seconds(found['period_s'])}, "
        f"makespan {seconds(found['makespan_s'])}\n"
        f"the {objective} with the task there, and only it moved"
    )
    rows = []
    for task, reason in found["tasks"].items():
        cells = [_cell(reason["candidates"].get(node, {}), f"{objective}_s", node == reason["node"]) for node in nodes]
        second, costs_s = reason["second_best"], reason["second_best_costs_s"]
        sign = "+" if costs_s is not None and costs_s >= 0 else "-"
        best = "-" if second is None else f"{second} {sign}{seconds(abs(costs_s))}"
        rows.append((task, reason["node"], *cells, best))
    print_table(title, ("TASK", "RUNS ON", *nodes, "SECOND BEST"), rows)
    parts = ", ".join(f"{part['what']} {seconds(part['seconds'])}" for part in found["bottleneck_parts"])
    typer.echo(f"bottleneck: {found['bottleneck']}" + (f": {parts}" if parts else ""))
    if found["why"]:
        typer.echo(found["why"])
    _print_uncertain(found["uncertain"])


def _cell(candidate: dict[str, Any], shown: str, is_here: bool) -> str:
    from runtime.units import seconds

    if "impossible" in candidate or not candidate:
        return "cannot"
    return f"{seconds(candidate[shown])}{' *' if is_here else ''}"
