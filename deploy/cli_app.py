"""The parser of all commands but the components'."""

from __future__ import annotations

from typing import Annotated

import typer

from deploy import cli_apps, cli_components, cli_data, cli_decide, cli_look, cli_map, cli_run, cli_verify

app = typer.Typer(
    name="jupiter",
    help="Jupiter runs a task graph of ordinary Python functions on a network of computers, as a pipeline.",
    epilog="Exit codes: 0 done, 1 failed, 2 bad usage or bad application.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"jupiter {version('jupiter-dispersed')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
) -> None: ...


for _group in (cli_run, cli_apps, cli_data, cli_look, cli_map, cli_decide, cli_verify, cli_components):
    app.add_typer(_group.group)
