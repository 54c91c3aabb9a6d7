"""Options that several commands share, and how a command talks to a running Jupiter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from deploy.components import DEFAULT_SERVER, SERVER_VARIABLE

if TYPE_CHECKING:
    from runtime.bus import Bus

ResultT = TypeVar("ResultT")

Server = Annotated[
    str, typer.Option("--server", envvar=SERVER_VARIABLE, metavar="URL", help="The NATS server of the running Jupiter.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AppName = Annotated[str, typer.Argument(metavar="APP", help="The application's name.")]
Folder = Annotated[Path, typer.Argument(metavar="APP", help="The application's folder.")]

__all__ = ["DEFAULT_SERVER", "AppName", "AsJson", "Folder", "Server"]


def ask(
    server: str, work: Callable[[Bus, asyncio.Event], Awaitable[ResultT]], *, is_endless: bool = False
) -> ResultT | None:
    """Connect, do `work`, disconnect. It is given the event of Ctrl-C.

    Ctrl-C ends it: quietly when it is endless by nature (None is returned), else as a failure.
    """
    from deploy.session import connected

    return connected(server, work, is_endless=is_endless)


def print_json(value: Any) -> None:
    """For other programs."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """For people."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    # A table that is cut at 80 columns is of no use in a log or a pipe.
    console.print(table, width=None if console.is_terminal else 200, no_wrap=not console.is_terminal)
