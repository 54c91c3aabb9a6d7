"""An application as its author wrote it: parsed, not yet known to be right. The checks read it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx

from runtime import app_schema, wave
from runtime.app_schema import parse
from runtime.app_yaml import Findings, Keys
from runtime.mapper_options import MapperOptions, WaveWeights
from runtime.network import HOME

APPLICATION: Keys = ("application",)
TASKS: Keys = (*APPLICATION, "tasks")
HOME_CHILDREN: Keys = (*TASKS, "home", "children")
_EARLIER = {
    "inputs_to_wait_for": "join: all, any, each, or a number of parents",
    "output_policy": "route: all, round_robin or by_key",
}
"""Keys of Jupiter's earlier form, and what says the same today."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One DAG task as written, and where."""

    at: Keys
    keys: app_schema.TaskKeys
    resources: app_schema.ResourceKeys
    gather: app_schema.GatherKeys | None = None

    @property
    def name(self) -> str:
        return self.keys.name

    @property
    def is_queued(self) -> bool:
        """Whether it reads a queue of its own; a gather does in any case."""
        return self.keys.edge == "queued" or self.keys.gather is not None

    @property
    def queue_key(self) -> str:
        """The key that asks for the queue."""
        return "edge" if self.keys.gather is None else "gather"

    @property
    def children_at(self) -> Keys:
        return (*self.at, "children")


@dataclass(frozen=True, slots=True)
class DeclaredSource:
    """One non-DAG task as written, and where."""

    at: Keys
    keys: app_schema.SourceKeys

    @property
    def name(self) -> str:
        return self.keys.name

    @property
    def children_at(self) -> Keys:
        return (*self.at, "children")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything the file says."""

    folder: Path
    name: str
    root: app_schema.RootKeys
    jupiter: app_schema.JupiterKeys
    mapper_options: MapperOptions
    application: app_schema.ApplicationKeys
    limits: app_schema.LimitKeys
    home: app_schema.HomeKeys
    tasks: tuple[Declared, ...]
    sources: tuple[DeclaredSource, ...]

    @property
    def by_name(self) -> dict[str, Declared]:
        """DAG tasks; of two with one name the first."""
        found: dict[str, Declared] = {}
        for task in self.tasks:
            found.setdefault(task.name, task)
        return found

    @property
    def entries(self) -> tuple[str, ...]:
        """What `home` feeds, as far as it exists, each once."""
        known = self.by_name
        return tuple(dict.fromkeys(child for child in self.home.children if child in known))

    def children(self, task: Declared) -> tuple[str, ...]:
        """The children of a task, as far as they exist, each once and without `home`."""
        known = self.by_name
        return tuple(dict.fromkeys(child for child in task.keys.children if child in known))

    def parents(self, graph: nx.DiGraph, name: str) -> list[str]:
        """The parents of a task in the drawn graph; `home` is one for an entry task."""
        return [HOME] * (name in self.entries) + list(graph.predecessors(name))


def draft(folder: Path, findings: Findings) -> Draft | None:
    """Parse the sections; None when there is no application or no list of tasks to speak of."""
    value = findings.document.value
    root = parse(app_schema.RootKeys, value, (), findings, slips=False)
    if root is None:
        return None
    if root.application is None:
        findings.fault((), "the key 'application' is missing; add it, with the tasks below it")
        return None
    jupiter = parse(app_schema.JupiterKeys, root.jupiter_config, ("jupiter_config",), findings, slips=False)
    application = parse(app_schema.ApplicationKeys, root.application, APPLICATION, findings, slips=False)
    if application is None:
        return None
    if application.tasks is None:
        message = "the key 'tasks' is missing; add it, with home and dag_tasks below it"
        findings.fault(APPLICATION, message)
        return None
    limits = parse(app_schema.LimitKeys, application.limits, (*APPLICATION, "limits"), findings)
    tasks = parse(app_schema.TasksKeys, application.tasks, TASKS, findings)
    home = parse(app_schema.HomeKeys, tasks.home if tasks else None, (*TASKS, "home"), findings)
    if tasks is None:
        return None
    return Draft(
        folder=folder,
        name=Path(os.path.abspath(folder)).name if application.name is None else application.name,
        root=root,
        jupiter=jupiter or app_schema.JupiterKeys(),
        mapper_options=_mapper_options(jupiter or app_schema.JupiterKeys(), findings),
        application=application,
        limits=limits or app_schema.LimitKeys(),
        home=home or app_schema.HomeKeys(),
        tasks=_dag_tasks(tasks.dag_tasks, findings),
        sources=_sources(tasks.nondag_tasks, findings),
    )


def _mapper_options(jupiter: app_schema.JupiterKeys, findings: Findings) -> MapperOptions:
    at: Keys = ("jupiter_config", "mapper_options")
    keys = parse(app_schema.MapperOptionKeys, jupiter.mapper_options, at, findings)
    if keys is None:
        return MapperOptions()
    if keys.distributed and jupiter.task_mapper not in wave.NAMES:
        can = f"agents place tasks by {' or '.join(sorted(wave.NAMES))} only; name it as task_mapper"
        findings.fault((*at, "distributed"), f"{can}, not {jupiter.task_mapper}")
    weights = parse(app_schema.WaveKeys, keys.wave, (*at, "wave"), findings)
    chosen = keys.model_dump(exclude_none=True, exclude={"wave"})
    return MapperOptions(**chosen, wave=WaveWeights(**(weights.model_dump(exclude_none=True) if weights else {})))


def _dag_tasks(written: list[Any], findings: Findings) -> tuple[Declared, ...]:
    found = []
    for index, raw in enumerate(written):
        at = (*TASKS, "dag_tasks", index)
        keys = parse(app_schema.TaskKeys, raw, at, findings)
        if keys is None:
            continue
        for key, today in _EARLIER.items():
            if key in raw:
                findings.warn((*at, key), f"'{key}' is of an earlier form and does nothing; write {today}")
        resources = parse(app_schema.ResourceKeys, keys.resources, (*at, "resources"), findings)
        gather = None
        if keys.gather is not None:
            gather = parse(app_schema.GatherKeys, keys.gather, (*at, "gather"), findings)
        found.append(Declared(at, keys, resources or app_schema.ResourceKeys(), gather))
    return tuple(found)


def _sources(written: list[Any], findings: Findings) -> tuple[DeclaredSource, ...]:
    found = []
    for index, raw in enumerate(written):
        at = (*TASKS, "nondag_tasks", index)
        if keys := parse(app_schema.SourceKeys, raw, at, findings):
            found.append(DeclaredSource(at, keys))
    return tuple(found)
