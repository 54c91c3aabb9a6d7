"""The components in `jupiter --help`; they run through `deploy.components`, which needs no option parser."""

from __future__ import annotations

import typer

from deploy import components

group = typer.Typer()


def _add(name: str, summary: str) -> None:
    @group.command(
        name,
        help=f"Run a component in the foreground: {summary}.",
        rich_help_panel="Components",
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def component(context: typer.Context) -> None:
        raise typer.Exit(components.main(name, context.args))


for _name, _summary in components.NAMES.items():
    _add(_name, _summary)
