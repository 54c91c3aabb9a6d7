"""What must hold of the files of an application, found by reading them: nothing is ever executed here."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.app_draft import TASKS, Draft
from runtime.app_yaml import Findings, Keys

OURS = frozenset({"runtime", "agents", "mapper", "circe", "deploy"})
Function = tuple[str, tuple[str, ...]]
"""Name and arguments."""
GROUPING: tuple[Function, ...] = (("key", ("item", "ctx")), ("closes", ("item", "ctx")))
"""What the script of a gather may have besides `process`."""
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_FILE_CONTRACT = (
    "the script has `task(q, pathin, pathout, task_name)`, Jupiter's file contract, which is not supported "
    "yet; write `{wanted}` instead"
)


@dataclass(slots=True)
class _Script:
    """The names a script binds at its top level, and the modules it imports."""

    names: dict[str, ast.stmt] = field(default_factory=dict)
    imports: dict[str, int] = field(default_factory=dict)
    has_star: bool = False


def check_files(draft: Draft, findings: Findings) -> None:
    """Scripts exist, parse and have the functions their tasks need; sample inputs exist."""
    scripts: dict[Path, _Script | None] = {}
    for task in draft.tasks:
        wanted = [("process", ("item", "ctx"))] + [("key", ("value",))] * (task.keys.route == "by_key")
        known = GROUPING if task.keys.gather is not None else ()
        _check_script(draft, (*task.at, "base_script"), task.keys.base_script, wanted, known, scripts, findings)
        if task.keys.sample_input is not None:
            at = (*task.at, "sample_input")
            _file(draft.folder, task.keys.sample_input, "sample input", at, findings)
    for source in draft.sources:
        at = (*source.at, "base_script")
        _check_script(draft, at, source.keys.base_script, [("run", ("ctx",))], (), scripts, findings)
        if source.keys.k8s_host is None:
            message = f"the non-DAG task '{source.name}' has no k8s_host; name the host it runs on"
            findings.fault((*source.at, "k8s_host"), message)
    if draft.home.base_script is not None:
        message = "the script of home is not run: inputs come with `jupiter run` or `send`, or from any NATS client"
        findings.warn((*TASKS, "home", "base_script"), message)


def relative(folder: Path, path: str) -> str:
    """A path of the configuration as the one the bundle knows, from the folder on and without detours."""
    return (folder / path).resolve().relative_to(folder.resolve()).as_posix()


def _file(folder: Path, path: str, what: str, at: Keys, findings: Findings) -> Path | None:
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()):
        findings.fault(at, f"the {what} '{path}' lies outside the application's folder; move it inside")
    elif any(part.startswith(".") for part in found.relative_to(folder.resolve()).parts):
        findings.fault(at, f"the {what} '{path}' is hidden and would not be sent along; rename it")
    elif not found.is_file():
        is_there = "is no file" if found.exists() else "does not exist"
        findings.fault(at, f"the {what} '{path}' {is_there}; create {folder / path} or correct the name")
    else:
        return found
    return None


def _check_script(
    draft: Draft,
    at: Keys,
    path: str | None,
    wanted: Sequence[Function],
    known: Sequence[Function],
    scripts: dict[Path, _Script | None],
    findings: Findings,
) -> None:
    """`wanted` functions must be there, `known` ones may."""
    if path is None:
        findings.fault(at, "the key 'base_script' is missing; name the task's script, such as task.py")
        return
    found = _file(draft.folder, path, "script", at, findings)
    if found is None:
        return
    shown = draft.folder / path
    if found not in scripts:
        scripts[found] = _read(found, shown, at, findings)
        _check_imports(draft.folder, scripts[found], shown, at, findings)
    script = scripts[found]
    if script is not None:
        for name, arguments in (*wanted, *(each for each in known if each[0] in script.names)):
            _check_function(script, name, arguments, shown, at, findings)


def _read(path: Path, shown: Path, at: Keys, findings: Findings) -> _Script | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the author's code: not ours to pass on
            tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        where = f"{shown}:{error.lineno or 1}"
        findings.fault(at, f"the script does not parse: {error.msg}", where)
    except (ValueError, RecursionError, MemoryError) as error:
        findings.fault(at, f"the script does not parse: {error}", str(shown))
    except OSError as error:
        findings.fault(at, f"the script cannot be read: {error.strerror}", str(shown))
    else:
        script = _Script()
        for statement in _statements(tree.body):
            _bind(statement, script)
        return script
    return None


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """What runs at import, into `if`, `try`, `with` and loops."""
    for statement in body:
        yield statement
        for part in ("body", "orelse", "finalbody"):
            if not isinstance(statement, (*_FUNCTION, ast.ClassDef)):
                yield from _statements(getattr(statement, part, ()))
        for handler in getattr(statement, "handlers", ()):
            yield from _statements(handler.body)


def _bind(statement: ast.stmt, script: _Script) -> None:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            script.names[name] = statement
        case ast.Import(names=names):
            for alias in names:
                script.imports.setdefault(alias.name.partition(".")[0], statement.lineno)
                script.names[alias.asname or alias.name.partition(".")[0]] = statement
        case ast.ImportFrom(module=module, names=names):
            if module:
                script.imports.setdefault(module.partition(".")[0], statement.lineno)
            for alias in names:
                script.has_star |= alias.name == "*"
                script.names[alias.asname or alias.name] = statement
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    script.names[node.id] = statement


def _check_function(
    script: _Script, name: str, arguments: tuple[str, ...], shown: Path, at: Keys, findings: Findings
) -> None:
    wanted = f"def {name}({', '.join(arguments)})"
    bound = script.names.get(name)
    if bound is None:
        if not script.has_star:
            is_file_contract = "task" in script.names and name != "key"
            message = _FILE_CONTRACT if is_file_contract else "the script has no `{wanted}`; add it"
            findings.fault(at, message.format(wanted=wanted), str(shown))
    # What a decorator makes of the arguments only running it would tell.
    elif isinstance(bound, _FUNCTION) and not (bound.decorator_list or _takes(bound.args, len(arguments))):
        message = f"`{name}` takes other arguments; write `{wanted}`"
        findings.fault(at, message, f"{shown}:{bound.lineno}")


def _takes(signature: ast.arguments, count: int) -> bool:
    """Whether a function can be called with so many positional arguments."""
    most = len(signature.posonlyargs) + len(signature.args)
    least = most - len(signature.defaults)
    named = [default for default in signature.kw_defaults if default is None]
    return least <= count and (count <= most or signature.vararg is not None) and not named


def _check_imports(folder: Path, script: _Script | None, shown: Path, at: Keys, findings: Findings) -> None:
    """A module beside the script that Python, or Jupiter, has under the same name is never the one imported."""
    for name, line in script.imports.items() if script else ():
        is_taken = name in OURS or name in sys.stdlib_module_names
        if is_taken and ((folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()):
            owner = "Jupiter" if name in OURS else "Python"
            message = f"`import {name}` gets {owner}'s own module, not the one in this folder; rename yours"
            findings.warn(at, message, f"{shown}:{line}")
