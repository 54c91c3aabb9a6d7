"""An `app_config.yaml` as plain values that know their lines, and the faults found in it.

A fault's place reads `path/app_config.yaml:12 application.tasks.dag_tasks[1].children`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runtime.errors import AppError, Fault

Keys = tuple[str | int, ...]
"""A way into the document: keys of mappings, indexes of lists."""
MOST_DIGITS = 250
_STR = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without its base-60 numbers: the port mapping `2222:22` is text, not 133342."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call] # of PyYAML
        if kind is yaml.ScalarNode and ":" in value and tag.endswith((":int", ":float")):
            return _STR
        return tag

    def number(self, node: yaml.ScalarNode) -> int:
        """A whole number that can be printed, and be made a float."""
        message = f"a whole number has at most {MOST_DIGITS} digits; write a smaller one"
        try:
            if len(node.value) <= MOST_DIGITS:
                return int(self.construct_yaml_int(node))
        except ValueError as error:
            message = str(error)
        raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.number)


@dataclass(frozen=True, slots=True)
class Document:
    """A file's values, with its nodes for their lines."""

    path: str
    value: Mapping[str, Any]
    root: yaml.Node

    def line(self, keys: Keys) -> int:
        """The line of a key or list item; of the nearest thing around it where it is absent."""
        node, line = self.root, self.root.start_mark.line + 1
        for key in keys:
            found = _step(node, key)
            if found is None:
                break
            node, line = found
        return line

    def place(self, keys: Keys) -> str:
        """File, line and key path."""
        path = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
        return f"{self.path}:{self.line(keys)}" + (f" {path.removeprefix('.')}" if path else "")


@dataclass(slots=True)
class Findings:
    """Faults and warnings, gathered as the checks go and told in the order of the file."""

    document: Document
    incomplete: bool = False
    """A fault hides part of the graph, so what looks wrong around it may be right."""
    _faults: list[tuple[int, Fault]] = field(default_factory=list)
    _warnings: list[tuple[int, Fault]] = field(default_factory=list)

    def fault(self, keys: Keys, message: str, place: str | None = None) -> None:
        """Something that must be mended; `place` where that is another file than the configuration."""
        entry = self._entry(keys, message, place)
        if entry[1] not in [fault for _, fault in self._faults]:  # two tasks may share a script
            self._faults.append(entry)

    def warn(self, keys: Keys, message: str, place: str | None = None) -> None:
        """Something that may be meant."""
        self._warnings.append(self._entry(keys, message, place))

    def _entry(self, keys: Keys, message: str, place: str | None) -> tuple[int, Fault]:
        return self.document.line(keys), Fault(place or self.document.place(keys), message)

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(fault for _, fault in sorted(self._faults, key=lambda entry: entry[0]))

    @property
    def warnings(self) -> tuple[Fault, ...]:
        return tuple(fault for _, fault in sorted(self._warnings, key=lambda entry: entry[0]))


def read(path: Path) -> Findings:
    """Read a configuration file; raises AppError when it holds no readable mapping."""
    root, value, twice = _parse(path)
    if not isinstance(value, dict):
        message = f"the file holds a {type(value).__name__}; it must hold keys such as `application:`"
        raise _error(f"{path}:{root.start_mark.line + 1}", message)
    findings = Findings(Document(str(path), value, root))
    for line, first, key in twice:
        place = f"{path}:{line} {key}"
        findings.fault((), f"the key '{key}' stands here already, in line {first}; keep one of them", place)
    return findings


def _parse(path: Path) -> tuple[yaml.Node, Any, list[tuple[int, int, str]]]:
    root: yaml.Node | None
    try:
        loader = _Loader(path.read_bytes())
        root = loader.get_single_node()
        if root is not None:
            twice = list(doubles(root))  # before construction, which merges and keeps the last of each
            return root, loader.construct_document(root), twice
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise _error(place, f"this is not YAML: {said}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _error(str(path), f"this is not YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise _error(str(path), "the values are nested too deeply") from error
    except OSError as error:
        raise _error(str(path), f"the file cannot be read: {error.strerror}") from error
    raise _error(str(path), "the file is empty; it must hold at least `application:`")


def _error(place: str, message: str) -> AppError:
    return AppError([Fault(place, message)])


def _step(node: yaml.Node, key: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in reversed(node.value):  # the last one wins
            if isinstance(name, yaml.ScalarNode) and name.value == str(key):
                return value, name.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        item = node.value[key]
        return item, item.start_mark.line + 1
    return None


def doubles(root: yaml.Node) -> Iterator[tuple[int, int, str]]:
    """Keys that stand twice in one mapping, as (line, first line, key): PyYAML keeps the last in silence."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for name, value in node.value:
                waiting.append(value)
                if isinstance(name, yaml.ScalarNode) and name.tag != _MERGE:
                    line, key = name.start_mark.line + 1, (name.tag, name.value)
                    if key in lines:
                        yield line, lines[key], name.value
                    lines.setdefault(key, line)
