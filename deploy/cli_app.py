"""The parser of all commands but the components'."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deploy import cli_apps, cli_components, cli_data, cli_decide, cli_keys, cli_look, cli_map, cli_run, cli_verify
from runtime.credentials import KEY, TLS_CA, TLS_CERT, TLS_KEY

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


def _file(option: str, variable: str, text: str) -> Any:
    """Here to be explained: `deploy.connection` has taken it off the line before."""
    return typer.Option(option, envvar=variable, metavar="FILE", help=f"{text} May stand anywhere.")


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
    key: Annotated[str, _file("--key", KEY, "The nkey to connect with.")] = "",
    tls_ca: Annotated[
        str, _file("--tls-ca", TLS_CA, "Who vouches for the server's certificate; connect under TLS only.")
    ] = "",
    tls_cert: Annotated[str, _file("--tls-cert", TLS_CERT, "Our certificate, where the server asks for one.")] = "",
    tls_key: Annotated[str, _file("--tls-key", TLS_KEY, "Its private key.")] = "",
) -> None: ...


for _group in (cli_run, cli_apps, cli_data, cli_look, cli_map, cli_decide, cli_verify, cli_components, cli_keys):
    app.add_typer(_group.group)
