"""Which logical nodes a local run has, and how many CPUs each may use: a number, or a file of theirs. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.app import App
from runtime.errors import UsageError
from runtime.network import HOME, name_fault

DEFAULT_COUNT = 3
MOST = 64
_NUMBER = re.compile(r"[-+]?[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalNode:
    """One logical node of this machine."""

    name: str
    cpus: float | None = None
    """CPUs its tasks may use; None for all."""


def local_nodes(asked: str | None, app: App | None) -> tuple[LocalNode, ...]:
    """`home` and the others: as asked, else those the application names, else three."""
    if asked is not None and not _NUMBER.fullmatch(asked):
        return read_file(Path(asked))
    if asked is None and app is not None:
        named = list(app.node_map) or _numbered(DEFAULT_COUNT)
        hosts = [source.host for source in app.sources]
        return _with_home([LocalNode(name=name) for name in dict.fromkeys([*named, *hosts])])
    count = DEFAULT_COUNT if asked is None else int(asked)
    if not 1 <= count <= MOST:
        raise UsageError(f"--nodes {count}: a local run has between 1 and {MOST} nodes beside home")
    return _with_home([LocalNode(name=name) for name in _numbered(count)])


def _numbered(count: int) -> list[str]:
    return [f"node{index}" for index in range(1, count + 1)]


def read_file(path: Path) -> tuple[LocalNode, ...]:
    """A YAML file with a list of names, or an object of names and their `cpus`."""
    import yaml  # read where a file is given: the command starts without it

    from runtime.app_yaml import doubles

    try:
        text = path.read_text(encoding="utf-8")
        content, root = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise UsageError(f"the nodes file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"the nodes file {path} is not YAML: {' '.join(str(error).split())}") from error
    if root is not None and (twice := next(doubles(root), None)):
        line, first, key = twice
        raise UsageError(f"{path}:{line}: {key} stands here already, in line {first}; keep one of them")
    return _with_home(_read(content, path))


def _read(content: object, path: Path) -> list[LocalNode]:
    if isinstance(content, Mapping) and set(content) == {"nodes"}:
        content = content["nodes"]
    if isinstance(content, list):
        entries: list[tuple[object, object]] = [(name, None) for name in content]
    else:
        entries = list(content.items()) if isinstance(content, Mapping) else []
    if not entries:
        raise UsageError(f"{path}: write node names, each with its CPUs or nothing, such as `node1: {{cpus: 0.5}}`")
    nodes = [_node(name, given, path) for name, given in entries]
    for index, node in enumerate(nodes):
        if any(node.name == other.name for other in nodes[:index]):
            raise UsageError(f"{path}: {node.name} is there twice; keep one of them")
    return nodes


def _node(name: object, given: object, path: Path) -> LocalNode:
    if not isinstance(name, str):
        raise UsageError(f"{path}: the node name {name!r} is no text; put it in quotes")
    if fault := name_fault(name):
        raise UsageError(f"{path}: {fault}")
    if given is None:
        return LocalNode(name=name)
    if not isinstance(given, Mapping) or set(given) - {"cpus"}:
        raise UsageError(f"{path}: node {name} has {given!r}; the one setting it may have is cpus")
    cpus = given.get("cpus")
    if cpus is None:
        return LocalNode(name=name)
    if isinstance(cpus, bool) or not isinstance(cpus, int | float) or not cpus > 0:
        raise UsageError(f"{path}: node {name} has {cpus!r} cpus; it must be a number above zero, such as 0.5")
    return LocalNode(name=name, cpus=float(cpus))


def _with_home(nodes: list[LocalNode]) -> tuple[LocalNode, ...]:
    if any(node.name == HOME for node in nodes):
        return tuple(sorted(nodes, key=lambda node: node.name != HOME))
    return (LocalNode(name=HOME), *nodes)


def check_fits(app: App, nodes: Collection[str]) -> None:
    """Raise one clear sentence when the application cannot run on these nodes, whatever the mapper says."""
    for task in app.graph.tasks.values():
        if task.pin is not None and task.pin not in nodes:
            raise UsageError(f"task {task.name} is pinned to {task.pin}, but the nodes here are {', '.join(nodes)}")
    for source in app.sources:
        if source.host not in nodes:
            raise UsageError(f"task {source.name} runs on {source.host}, but the nodes here are {', '.join(nodes)}")
    wanted = [name for name in app.node_map if name != HOME]
    if app.node_map and not set(wanted) & set(nodes):
        raise UsageError(
            f"node_map lets tasks run on {', '.join(wanted)}, but the nodes here are {', '.join(nodes)}; "
            "leave --nodes away, or name one of them in a nodes file"
        )
