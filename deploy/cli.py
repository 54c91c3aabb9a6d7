"""The `jupiter` command: what exists, and how errors end it.

Each command imports what it needs when it is called, because every worker and agent of a machine starts through
here or beside it, and nobody should wait for a table library to see an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from deploy import connection

DEBUG = "--debug"
EXIT_FAILED, EXIT_USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 failed, 2 bad usage or bad application."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    is_debugging = DEBUG in given  # wherever it stands, so that it can simply be added to a line that failed
    given = [argument for argument in given if argument != DEBUG]
    try:
        given, named = connection.take(given)
        os.environ.update(named)  # for us and for whatever we start
        return _run(given)
    except KeyboardInterrupt:
        return EXIT_FAILED
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not fail on its last flush.
        sys.stdout = None
        return EXIT_FAILED
    except Exception as error:
        if is_debugging:
            raise
        return _say(error)


def _run(given: list[str]) -> int:
    from deploy import components

    if given and given[0] in components.NAMES:
        return components.main(given[0], given[1:])
    from deploy.cli_app import app

    found = app(given, prog_name="jupiter", standalone_mode=False)
    return found if isinstance(found, int) else 0


def _say(error: Exception) -> int:
    """One sentence for the user (of a bad application, one per fault); the exit code."""
    from runtime.errors import AppError, JupiterError, UsageError

    if isinstance(error, AppError):
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    if isinstance(error, JupiterError):
        sys.stderr.write(f"jupiter: {error}\n")
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    parser_says = getattr(error, "format_message", None)  # the option parser's own errors
    if parser_says is not None:
        context = getattr(error, "ctx", None)
        command = "jupiter" if context is None else context.command_path
        text = " ".join(str(parser_says()).split()).rstrip(".")
        if text:
            sys.stderr.write(f"{command}: {text}; see {command} --help\n")
        return int(getattr(error, "exit_code", EXIT_USAGE))
    sys.stderr.write(f"jupiter: {type(error).__name__}: {error} (a fault of ours; add {DEBUG} to see where)\n")
    return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
