"""User code by file path, under private module names; the application's folder never goes on `sys.path`.

A script is loaded once per task, as `_jupiter_app.<app>.<task>`, so two tasks that share a script share no
globals. Modules beside the scripts are found by a finder that comes after every installed package's, so an
application cannot replace a module of ours or of Python's by a file name. A process serves one folder at a
time: loading from another one forgets the modules of the first.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from runtime.app import SourceTask
from runtime.errors import AppError, Fault
from runtime.graph import Task

Function = Callable[..., Any]
Kind = Literal["sync", "async", "generator", "async_generator"]
ROOT = "_jupiter_app"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTask:
    """The functions of a task's script."""

    name: str
    module: ModuleType
    process: Function
    kind: Kind
    setup: Function | None = None
    teardown: Function | None = None
    key: Function | None = None
    """`key(value)`, by which `route: by_key` chooses a child; of a gather `key(item, ctx)`, which names the group."""
    closes: Function | None = None
    """`closes(item, ctx)`: whether an item is the last one of its group."""

    @property
    def sorts(self) -> bool:
        """Whether it says of an item of a gather which group it belongs to, or that it is the last one."""
        return self.closes is not None or self.key is not None

    @property
    def is_async(self) -> bool:
        """Whether it runs on the event loop rather than in a thread."""
        return self.kind in ("async", "async_generator")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSource:
    """The functions of a non-DAG task's script."""

    name: str
    module: ModuleType
    run: Function
    kind: Kind
    setup: Function | None = None
    teardown: Function | None = None

    @property
    def is_async(self) -> bool:
        """Whether it runs on the event loop rather than in a thread."""
        return self.kind in ("async", "async_generator")


def load_task(app_name: str, task: Task, folder: Path) -> UserTask:
    """Load a task's script; raises AppError that names the line of user code at fault."""
    module, place = _load(app_name, task.name, task.script, folder)
    process = _function(module, "process", ("item", "ctx"), place, required=True)
    assert process is not None
    kind = kind_of(process)
    return UserTask(
        name=task.name,
        module=module,
        process=process,
        kind=kind,
        setup=_hook(module, "setup", kind, place),
        teardown=_hook(module, "teardown", kind, place),
        **_choosing(module, task, place),
    )


def _choosing(module: ModuleType, task: Task, place: str) -> dict[str, Function | None]:
    """The functions by which a route chooses a child, and a gather a group."""
    if task.gather is None:
        return {"key": _function(module, "key", ("value",), place, required=task.route == "by_key")}
    return {name: _plain(module, name, place) for name in ("key", "closes")}


def _plain(module: ModuleType, name: str, place: str) -> Function | None:
    function = _function(module, name, ("item", "ctx"), place, required=False)
    if function is not None and kind_of(function) != "sync":
        raise _error(place, f"`{name}` must be a plain function; write `def {name}(item, ctx)`")
    return function


def load_source(app_name: str, source: SourceTask, folder: Path) -> UserSource:
    """Load a non-DAG task's script; raises AppError like `load_task`."""
    module, place = _load(app_name, source.name, source.script, folder)
    run = _function(module, "run", ("ctx",), place, required=True)
    assert run is not None
    kind = kind_of(run)
    setup, teardown = (_hook(module, name, kind, place) for name in ("setup", "teardown"))
    return UserSource(name=source.name, module=module, run=run, kind=kind, setup=setup, teardown=teardown)


def kind_of(function: Function) -> Kind:
    """How a function gives its outputs; objects with `__call__` count as functions."""
    forms = (function, type(function).__call__)
    if any(map(inspect.isasyncgenfunction, forms)):
        return "async_generator"
    if any(map(inspect.isgeneratorfunction, forms)):
        return "generator"
    return "async" if any(map(inspect.iscoroutinefunction, forms)) else "sync"


class _Finder:
    """Serves the top-level modules and packages of one folder; Python finds what is inside a package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:
            return None
        return PathFinder.find_spec(fullname, [str(self.folder)], target)

    def is_from_here(self, module: ModuleType) -> bool:
        """Whether a module was loaded from the folder."""
        known = getattr(module, "__dict__", {})  # not getattr: modules may compute attributes, at a price
        origin = known.get("__file__")
        places = [origin] if origin else list(known.get("__path__") or ())
        return any(Path(place).is_relative_to(self.folder) for place in places)


def serve(folder: Path) -> None:
    """Let imports find what lies in `folder`, and forget the folder served before."""
    folder = folder.resolve()
    if any(isinstance(each, _Finder) and each.folder == folder for each in sys.meta_path):
        return
    forget()
    sys.meta_path.append(_Finder(folder))
    importlib.invalidate_caches()


def forget() -> None:
    """Undo `serve`: modules of the application can no longer be imported, and are loaded anew next time."""
    for finder in [each for each in sys.meta_path if isinstance(each, _Finder)]:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if finder.is_from_here(module)]:
            del sys.modules[name]


def _load(app_name: str, task_name: str, script: str, folder: Path) -> tuple[ModuleType, str]:
    serve(folder)
    folder = folder.resolve()
    path = (folder / script).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise _error(str(path), f"the script of task '{task_name}' is not a file of the application's folder")
    name = f"{ROOT}.{app_name}.{task_name}"
    _parents(app_name)
    spec = importlib.util.spec_from_file_location(name, path, loader=SourceFileLoader(name, str(path)))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses and pickle look the module up by name
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _error(_place(error, folder, path), _sentence(error, task_name)) from error
    return module, str(path)


def _parents(app_name: str) -> None:
    """The packages above a private module name, which pickle imports on its way down."""
    for name in (ROOT, f"{ROOT}.{app_name}"):
        if name not in sys.modules:
            sys.modules[name] = ModuleType(name)
            sys.modules[name].__path__ = []


def _function(
    module: ModuleType, name: str, arguments: tuple[str, ...], place: str, *, required: bool
) -> Function | None:
    function = getattr(module, name, None)
    wanted = f"def {name}({', '.join(arguments)})"
    if function is None:
        if required:
            raise _error(place, f"the script has no `{wanted}`; add it")
        return None
    if not callable(function):
        raise _error(place, f"`{name}` is no function; write `{wanted}`")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise _error(place, f"`{name}` cannot be called as {name}({', '.join(arguments)}): {error}") from None
    except ValueError:
        pass  # written in C, without a signature
    return function  # type: ignore[no-any-return] # callable() above


def _hook(module: ModuleType, name: str, kind: Kind, place: str) -> Function | None:
    hook = _function(module, name, ("ctx",), place, required=False)
    if hook is not None and kind_of(hook) != "sync" and not (kind.startswith("async") and kind_of(hook) == "async"):
        raise _error(place, f"`{name}` must be a plain function, or `async def` where the task itself is async")
    return hook


def _place(error: BaseException, folder: Path, script: Path) -> str:
    """The last line of the application's own code that led to the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno or 1}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else str(script)


def _sentence(error: BaseException, task_name: str) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            f"task '{task_name}' imports '{error.name}', which is neither installed here nor in the "
            f"application's folder; install it, or put it beside the script"
        )
    said = str(error.msg if isinstance(error, SyntaxError) else error)
    return f"loading task '{task_name}' raised {type(error).__name__}: {said}"


def _error(place: str, message: str) -> AppError:
    return AppError([Fault(place, message)])
