"""Mapping problems and mappings as commands need them: from the records of a running Jupiter, or from a file.

Everything is plain values here, for `--json`, tables and pictures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.svg import Bar, Drawing
from mapper import costs, registry
from mapper.costs import Stated
from mapper.explain import Candidate, Explanation, Reason, explain
from mapper.period import period
from mapper.problem import Problem
from mapper.records import WANTED, Records
from mapper.result import MappingResult, Objective, as_objective
from mapper.schedule import Schedule, evaluate
from mapper.topology import SINK, SOURCE
from mapper.what_if import changed as changed_form
from runtime.app import App
from runtime.bus import Bus
from runtime.errors import JupiterError, UsageError
from runtime.mapping import TaskMapping
from runtime.profiles import NODE_LEASE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One application as the mapper knows it at this moment."""

    app: App
    stated: Stated
    """What a mapper is given."""
    mapping: TaskMapping | None
    """In force."""
    epoch: int

    @property
    def problem(self) -> Problem:
        """At the pace of the mapping in force."""
        return self.stated.problem if self.mapping is None else self.at_pace_of(self.mapping.assignment)

    def form(self, what_if: Sequence[str] = ()) -> dict[str, Any]:
        """What a mapper is given, under other circumstances, with its marks."""
        form = self.stated.to_form()
        return changed(form, what_if) if what_if else form

    def at_pace_of(self, assignment: Mapping[str, str], what_if: Sequence[str] = ()) -> Problem:
        """What a mapping foretells rests on this; a mapping that is impossible has no pace."""
        stated = self.stated
        with contextlib.suppress(JupiterError):  # it is said where the mapping is judged
            stated = stated.settled(indices(stated.problem, assignment))
        return Problem.from_form(changed(stated.to_form(), what_if)) if what_if else stated.problem

    @property
    def objective(self) -> Objective:
        return "makespan" if self.app.objective == "makespan" else "period"

    @property
    def uncertain(self) -> dict[str, str]:
        return dict(self.stated.uncertain)


async def known(bus: Bus, app: App) -> Known:
    """What the records say now, exactly as the mapper would read them."""
    records, now_s = Records(), asyncio.get_running_loop().time()
    for stream, subject in WANTED:
        for record in await bus.snapshot(stream, subject):
            age_s = time.time() - record.timestamp_s
            if not (record.subject.startswith("jupiter.profile.node.") and age_s > NODE_LEASE_S):
                records.take(record, now_s, age_s)
    stated = costs.state(app, records.table, now_s, records.used_cores(app.name, now_s))
    return Known(app=app, stated=stated, mapping=records.mappings.get(app.name), epoch=records.epochs.get(app.name, 0))


def read(path: Path) -> dict[str, Any]:
    """The problem form in a file; UsageError when there is none."""
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the problem file {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the problem file {path} is not JSON: {error}") from error
    if not isinstance(form, dict):
        raise UsageError(f"the problem file {path} must hold a JSON object, not {type(form).__name__}")
    problem = form.get("problem", form)
    return problem if isinstance(problem, dict) else form


def export(form: Mapping[str, Any], path: Path) -> None:
    """Write a problem where `jupiter map --problem` reads it."""
    try:
        path.write_text(json.dumps(form, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def changed(form: Mapping[str, Any], sentences: Sequence[str]) -> dict[str, Any]:
    """The form under other circumstances."""
    # What is wrong with it by itself is said first; written again, nothing that may be left out is.
    whole = Problem.from_form(form).to_form()
    marks = {"uncertain": form["uncertain"]} if "uncertain" in form else {}
    return changed_form({**whole, **marks}, sentences)


def indices(problem: Problem, assignment: Mapping[str, str]) -> list[int]:
    """A mapping by indices; JupiterError when the problem knows a node or task of it no more."""
    found = []
    for number, task in enumerate(problem.tasks):
        node = assignment.get(task)
        if node is None and problem.allowed[number].sum() == 1:
            found.append(int(problem.allowed[number].argmax()))
        elif node in problem.nodes:
            found.append(problem.nodes.index(node))
        else:
            raise JupiterError(f"task {task} is mapped to {node}, which is not there any more")
    return found


def foretold(about: Known, found: MappingResult, what_if: Sequence[str] = ()) -> MappingResult:
    """What the mapper would foretell if it put this mapping: so it stands beside the one in force."""
    return registry.again(about.at_pace_of(found.assignment, what_if), found)


def in_force(about: Known, what_if: Sequence[str] = ()) -> dict[str, Any]:
    """The mapping in force, and what it would do, or why it is impossible; empty without one."""
    if about.mapping is None:
        return {}
    mapping, problem = about.mapping, about.at_pace_of(about.mapping.assignment, what_if)
    found: dict[str, Any] = {"algorithm": mapping.algorithm, "mapping": dict(mapping.assignment)}
    try:
        placed = indices(problem, mapping.assignment)
        schedule, steady = evaluate(problem, placed), period(problem, placed)
    except JupiterError as error:
        return {**found, "impossible": costs.plain(str(error).partition("\n")[0])}
    numbers = {"makespan_s": schedule.makespan_s, "period_s": steady.period_s}
    return {**found, **numbers, "bottleneck": costs.plain(steady.bottleneck)}


def without_home(result: MappingResult) -> dict[str, Any]:
    """`jupiter map --json` of an application: its own tasks only."""
    found = result.to_json()
    return {**found, "mapping": costs.without_home(found["mapping"]), "schedule": costs.without_home(found["schedule"])}


def explanation(about: Known, objective: str | None = None) -> dict[str, Any]:
    """Why the mapping in force is as it is, in plain values; JupiterError when there is nothing to explain."""
    if about.mapping is None:
        raise JupiterError(f"{about.app.name} has no mapping yet")
    problem, wanted = about.problem, as_objective(objective or about.objective)
    found = explain(problem, indices(problem, about.mapping.assignment), wanted)
    mapping = about.mapping
    return {
        "app": about.app.name,
        "epoch": about.epoch,
        "algorithm": mapping.algorithm,
        "why": mapping.why,
        "objective": wanted,
        "period_s": found.period.period_s,
        "makespan_s": found.schedule.makespan_s,
        "bottleneck": costs.plain(found.period.bottleneck),
        "bottleneck_parts": [
            {"what": costs.plain(what), "seconds": seconds} for what, seconds in found.bottleneck_parts
        ],
        "tasks": {each.task: _reason(each) for each in _of_the_app(found)},
        "uncertain": {name: source for name, source in about.uncertain.items() if _concerns(name, mapping.assignment)},
    }


def _of_the_app(found: Explanation) -> list[Reason]:
    return [each for each in found.reasons if each.task not in (SOURCE, SINK)]


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "node": reason.node,
        "second_best": None if reason.second is None else reason.second.node,
        "second_best_costs_s": reason.second_costs_s,
        "candidates": {each.node: _candidate(each) for each in reason.candidates},
    }


def _candidate(each: Candidate) -> dict[str, Any]:
    if each.why_not:
        return {"impossible": costs.plain(each.why_not)}
    return {name: getattr(each, name) for name in ("period_s", "makespan_s", "finish_s", "load_s")}


def _concerns(name: str, assignment: Mapping[str, str]) -> bool:
    """Whether a doubtful pair lies under the mapping: a task where it is, or a link between two of its nodes."""
    if "@" in name:
        task, _, node = name.rpartition("@")
        return assignment.get(task) == node
    used = {"home", *assignment.values()}
    return set(name.split(">")) <= used


def drawing(problem: Problem, schedule: Schedule, title: str, *, hides_home: bool) -> Drawing:
    """A picture of a schedule."""
    shown = [
        name
        for name in (problem.tasks[task] for task in problem.topological)
        if not (hides_home and name in (SOURCE, SINK))
    ]
    bars = [
        Bar(task=name, node=problem.nodes[node], start_s=start_s, finish_s=finish_s)
        for name, node, start_s, finish_s in zip(
            problem.tasks, schedule.assignment, schedule.start_s, schedule.finish_s, strict=True
        )
        if name in shown
    ]
    edges = [(problem.tasks[edge.source], problem.tasks[edge.target]) for edge in problem.edges]
    return Drawing(
        title=title,
        nodes=problem.nodes,
        tasks=shown,
        edges=[edge for edge in edges if set(edge) <= set(shown)],
        bars=bars,
    )


def schedule_in_force(about: Known) -> Schedule:
    """When everything of one input happens under the mapping in force."""
    if about.mapping is None:
        raise JupiterError(f"{about.app.name} has no mapping yet")
    return evaluate(about.problem, indices(about.problem, about.mapping.assignment))
