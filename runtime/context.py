"""What user code is given besides its item: who it is, the item's headers, a logger, and `emit`.

One `Context` per task; `for_item` makes the one of a single call. User code may keep neither beyond the call:
a late `emit` raises instead of vanishing.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple


class Output(NamedTuple):
    """One value a task gave, for all its children or for one of them."""

    value: Any
    to: str | None = None
    returned: bool = False
    """Returned values keep their item's id; yielded and emitted ones get a number each."""


Sink = Callable[[Output], None]
"""Takes what user code emits: the list of one call, or a source's way into the graph."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Context:
    """Handed to `process`, `run`, `setup` and `teardown` as `ctx`."""

    __slots__ = ("_scratch_root", "_sink", "app", "children", "folder", "headers", "item_id", "logger", "node", "task")

    def __init__(
        self,
        *,
        app: str,
        task: str,
        node: str,
        children: tuple[str, ...] = (),
        logger: logging.Logger | None = None,
        sink: Sink | None = None,
        scratch_root: Path | None = None,
    ) -> None:
        """`scratch_root` is where scratch folders are made; without it, the system's temporary folder."""
        self.app = app
        self.task = task
        self.node = node
        self.children = children
        self.logger = logger or logging.getLogger(f"jupiter.{app}.{task}")
        self.item_id = ""
        self.headers = _NO_HEADERS
        self.folder: Path | None = None
        """The scratch folder, once user code has asked for it: whoever made the call removes it."""
        self._sink = sink
        self._scratch_root = scratch_root

    def for_item(self, item_id: str, headers: Mapping[str, str] = _NO_HEADERS) -> Context:
        """The context of one call, on one item."""
        # Once per item on the hot path, so the fields are copied rather than given to __init__ again.
        each = Context.__new__(Context)
        each.app = self.app
        each.task = self.task
        each.node = self.node
        each.children = self.children
        each.logger = self.logger
        each.item_id = item_id
        each.headers = headers
        each.folder = None
        each._sink = None
        each._scratch_root = self._scratch_root
        return each

    @property
    def scratch(self) -> Path:
        """A folder for files of this call; it is gone when what they were returned or emitted for has been taken."""
        if self.folder is None:
            if self._scratch_root is not None:
                self._scratch_root.mkdir(parents=True, exist_ok=True)
            self.folder = Path(tempfile.mkdtemp(prefix="call-", dir=self._scratch_root)).resolve()
        return self.folder

    def emit(self, value: Any, to: str | None = None) -> None:
        """Send `value` to the child `to`, or to all children. Order is kept; None is a value here too."""
        if to is not None and to not in self.children:
            known = ", ".join(self.children) or "none"
            raise ValueError(f"task '{self.task}' has no child '{to}'; its children are: {known}")
        if self._sink is None:
            raise RuntimeError(
                f"task '{self.task}' called ctx.emit outside process or run; emit while an item is in work"
            )
        self._sink(Output(value, to))

    def open(self, sink: Sink) -> None:
        """From now on, what is emitted goes to `sink`."""
        self._sink = sink

    def close(self) -> None:
        """From now on, `emit` raises."""
        self._sink = None
