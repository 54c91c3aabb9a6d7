"""A problem changed by a sentence: `link node1>node2 bandwidth=5Mbit/s`, `node node3 gone`. Pure, on problem forms.

Sentences: `link A>B` (or `A<>B` for both directions) with `gone`, `bandwidth=` and `latency=`; `node N` with `gone`,
`cores=` and `slower=` (a factor); `task T` or `task T@N` with `seconds=` and `slower=`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mapper.topology import SINK, SOURCE
from runtime.errors import UsageError

Form = dict[str, Any]

BITS = {"bit": 1 / 8, "b": 1 / 8, "byte": 1.0, "B": 1.0, "": 1.0}
PREFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "Ki": 1024.0, "Mi": 1024.0**2, "Gi": 1024.0**3}
SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_NUMBER = r"(?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)"
_BANDWIDTH = re.compile(_NUMBER + r"(?P<prefix>[kKMG]i?)?(?P<unit>bit|b|byte|B)?(?:/s|ps)?")
_DURATION = re.compile(_NUMBER + r"(?P<unit>s|ms|us|µs)?")


def changed(form: Mapping[str, Any], sentences: Sequence[str]) -> Form:
    """The form after all changes, in their order; UsageError on one that makes no sense here."""
    found = copy.deepcopy(dict(form))
    for sentence in sentences:
        words = sentence.split()
        if len(words) < 3 or words[0] not in _KINDS:
            raise UsageError(f"what if {sentence!r}? write a sentence {EXAMPLES}")
        _KINDS[words[0]](found, words[1], words[2:], sentence)
    return found


EXAMPLES = "such as 'link node1>node2 bandwidth=5Mbit/s', 'node node3 gone' or 'task split@node1 seconds=20ms'"


def _link(form: Form, path: str, settings: Sequence[str], sentence: str) -> None:
    match = re.fullmatch(r"(?P<source>.+?)(?P<both><)?>(?P<target>.+)", path)
    if match is None:
        raise UsageError(f"what if {sentence!r}? a link is written as node1>node2")
    pairs = [(match["source"], match["target"])] + ([(match["target"], match["source"])] if match["both"] else [])
    for source, target in pairs:
        for node in (source, target):
            _known(node, form["nodes"], "node", sentence)
        row = form["links"].setdefault(source, {})
        for setting in settings:
            key, value = _setting(setting, sentence, ("gone", "bandwidth", "latency"))
            if key == "gone":
                row.pop(target, None)
            elif target not in row:
                raise UsageError(f"what if {sentence!r}? there is no link {source}>{target} to change")
            elif key == "bandwidth":
                row[target]["bandwidth_bytes_per_s"] = bytes_per_s(value, sentence)
            else:
                row[target]["latency_s"] = seconds(value, sentence)


def _node(form: Form, node: str, settings: Sequence[str], sentence: str) -> None:
    _known(node, form["nodes"], "node", sentence)
    for setting in settings:
        key, value = _setting(setting, sentence, ("gone", "cores", "slower"))
        if key == "gone":
            _without_node(form, node, sentence)
        elif key == "cores":
            form["cores"] = {**form.get("cores", {}), node: _number(value, sentence)}
        else:
            for row in form["exec_s"].values():
                if row.get(node) is not None:
                    row[node] *= _number(value, sentence)


def _without_node(form: Form, node: str, sentence: str) -> None:
    pinned = [task for task, where in form.get("pins", {}).items() if where == node]
    if not pinned:
        pinned = [task for task in (SOURCE, SINK) if node in form["exec_s"].get(task, {})]
    if pinned:
        home = {SOURCE, SINK} & set(pinned)
        why = "inputs enter and results return there" if home else f"{', '.join(pinned)} can only run there"
        raise UsageError(f"what if {sentence!r}? nothing can be mapped then: {why}")
    form["nodes"] = [name for name in form["nodes"] if name != node]
    for table in ("links", "cores", "load", "busy"):
        form.get(table, {}).pop(node, None)
    for row in (*form["exec_s"].values(), *form["links"].values()):
        row.pop(node, None)


def _task(form: Form, where: str, settings: Sequence[str], sentence: str) -> None:
    task, _, node = where.partition("@")
    _known(task, form["tasks"], "task", sentence)
    if node:
        _known(node, form["nodes"], "node", sentence)
    row = form["exec_s"].setdefault(task, {})
    for setting in settings:
        key, value = _setting(setting, sentence, ("seconds", "slower"))
        for name in [node] if node else [name for name in row if row[name] is not None]:
            if key == "seconds":
                row[name] = seconds(value, sentence)
            elif row.get(name) is None:
                raise UsageError(f"what if {sentence!r}? {name} cannot run {task}")
            else:
                row[name] *= _number(value, sentence)


_KINDS: dict[str, Callable[[Form, str, Sequence[str], str], None]] = {"link": _link, "node": _node, "task": _task}


def _known(name: str, names: Sequence[str], what: str, sentence: str) -> None:
    if name not in names:
        shown = ", ".join(name for name in names if name not in (SOURCE, SINK))
        raise UsageError(f"what if {sentence!r}? there is no {what} {name}; there are {shown}")


def _setting(setting: str, sentence: str, known: Sequence[str]) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if key not in known or bool(equals) == (key == "gone"):
        shown = ", ".join(each if each == "gone" else f"{each}=…" for each in known)
        raise UsageError(f"what if {sentence!r}? {setting!r} is not one of {shown}")
    return key, value


def bytes_per_s(text: str, sentence: str) -> float:
    """`5Mbit/s`, `640kB/s`, `1e6`: a plain number is bytes per second."""
    match = _BANDWIDTH.fullmatch(text)
    if match is None or not float(match["number"]) > 0:
        raise UsageError(f"what if {sentence!r}? {text!r} is no bandwidth; write 5Mbit/s or 640kB/s")
    return float(match["number"]) * PREFIXES[match["prefix"] or ""] * BITS[match["unit"] or ""]


def seconds(text: str, sentence: str) -> float:
    """`20ms`, `0.5s`, `300us`: a plain number is seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UsageError(f"what if {sentence!r}? {text!r} is no time; write 20ms or 0.5s")
    return float(match["number"]) * SECONDS[match["unit"] or ""]


def _number(text: str, sentence: str) -> float:
    if not re.fullmatch(_NUMBER, text) or not float(text) > 0:
        raise UsageError(f"what if {sentence!r}? {text!r} is not a number above zero")
    return float(text)
