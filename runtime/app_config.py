"""An application's folder, `app_config.yaml` and scripts, as a validated `App`; all its faults at once.

Read where people submit or validate applications. Workers get the result as a record: the parsers imported
here (pydantic, PyYAML, networkx) would cost each of them more than the rest of its start.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime import bundle
from runtime.app import App, Limits, SourceTask
from runtime.app_checks import check_graph
from runtime.app_draft import Declared, DeclaredSource, Draft, draft
from runtime.app_scripts import check_files, relative
from runtime.app_yaml import read
from runtime.errors import AppError, Fault
from runtime.graph import Gather, Resources, Task, TaskGraph

CONFIG = "app_config.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in a folder: an application, or the faults why it is none."""

    app: App | None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


def load_app(folder: Path) -> App:
    """The application in a folder; raises AppError with everything that is wrong."""
    report = examine(folder)
    if report.app is None:
        raise AppError(report.faults)
    return report.app


def check(folder: Path) -> list[Fault]:
    """Everything that is wrong in a folder; empty means that it can run."""
    return list(examine(folder).faults)


def examine(folder: Path) -> Report:
    """Read and check a folder. Nothing of the application is executed."""
    if not folder.is_dir():
        is_there = "is no folder" if folder.exists() else "does not exist"
        return Report(app=None, faults=(Fault(str(folder), f"the application's folder {is_there}"),))
    config = folder / CONFIG
    if not config.is_file():
        message = f"the file is missing; an application's folder holds its {CONFIG} and its scripts"
        return Report(app=None, faults=(Fault(str(config), message),))
    try:
        findings = read(config)
    except AppError as error:
        return Report(app=None, faults=error.faults)
    found = draft(folder, findings)
    if found is not None:
        check_graph(found, findings)
        check_files(found, findings)
    faults = (*findings.faults, *_unsendable(folder))
    app = None if found is None or faults else _app(found)
    return Report(app=app, faults=faults, warnings=findings.warnings)


def _unsendable(folder: Path) -> tuple[Fault, ...]:
    try:
        bundle.files(folder)
    except AppError as error:
        return error.faults
    return ()


def _app(found: Draft) -> App:
    tasks = {task.name: _task(task, found.folder) for task in found.tasks}
    limits = found.limits.model_dump(exclude_unset=True)
    return App(
        name=found.name,
        graph=TaskGraph(tasks, tuple(found.home.children)),
        codec=found.application.codec,
        input=found.application.input,
        objective=found.application.objective,
        mapper=found.jupiter.task_mapper,
        mapper_options=found.mapper_options,
        node_map=found.root.node_map,
        sources=tuple(_source(source, found.folder) for source in found.sources),
        limits=Limits(**{name: int(value) for name, value in limits.items()}),
        ports=tuple(found.application.port_mappings),
        namespace_prefix=found.jupiter.namespace_prefix,
    )


def _task(task: Declared, folder: Path) -> Task:
    keys, resources = task.keys, task.resources
    assert keys.base_script is not None
    memory_bytes = resources.memory_bytes
    return Task(
        name=keys.name,
        script=relative(folder, keys.base_script),
        children=tuple(keys.children),
        join=keys.join,
        route=keys.route,
        gather=None if task.gather is None else Gather(**task.gather.model_dump(exclude_none=True)),
        edge="queued" if task.is_queued else "direct",
        replicas=keys.replicas,
        pin=keys.pin,
        timeout_s=keys.timeout_s,
        retries=keys.retries,
        deterministic=keys.deterministic,
        sample_input=None if keys.sample_input is None else relative(folder, keys.sample_input),
        input_codec=keys.input_codec,
        image=keys.image,
        requirements=tuple(keys.requirements),
        resources=Resources(cores=resources.cores, memory_bytes=None if memory_bytes is None else int(memory_bytes)),
    )


def _source(source: DeclaredSource, folder: Path) -> SourceTask:
    keys = source.keys
    assert keys.base_script is not None and keys.k8s_host is not None
    return SourceTask(
        name=keys.name,
        script=relative(folder, keys.base_script),
        host=keys.k8s_host,
        children=tuple(keys.children),
    )
