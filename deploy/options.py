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

NO_APPS = "no applications: `jupiter submit APP` sends one"

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


def print_table(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]], nothing: str = "") -> None:
    """For people; `nothing` is said instead of a table without rows."""
    if nothing and not rows:
        typer.echo(nothing)
        return
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    if title:
        typer.echo(title)
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    # As wide as it needs to be: a cell that is cut or folded is of no use, least of all in a log or a pipe.
    anywhere = Console(width=10_000)
    Console(width=Measurement.get(anywhere, anywhere.options, table).maximum).print(table)
