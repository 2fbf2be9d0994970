"""The command line. Imports what a command needs when it runs, so that `--help` answers at once.

Exit codes: 0 all cells ok, 1 some cells not ok, 2 the request was wrong.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from typing import Annotated, Any

import typer

import aexbench
from aexbench.cli import (
    answers,
    audits,
    boards,
    checking,
    creating,
    data,
    listing,
    merging,
    plots,
    publishing,
    runs,
    showing,
)
from aexbench.errors import RequestError, SkipError, short, tell

app = typer.Typer(
    name="aexbench",
    help="Which explainer of an autoencoder's anomalies can be trusted, on which data, "
    "at what cost?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
COMMANDS = (
    *(answers, audits, runs, boards, merging, plots, publishing),
    *(listing, showing, checking, creating),
)
for commands in COMMANDS:
    app.registered_commands += commands.app.registered_commands
app.add_typer(data.app)


def main() -> None:
    """Run the command line; a wrong request is one line on the error stream, and exit code 2."""
    warnings.showwarning = _show_warning
    nowhere = open(os.devnull, "w")  # noqa: SIM115 (as long as the process)
    sys.stdout = sys.stdout or nowhere  # somebody has closed it
    sys.stderr = sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):  # a terminal or pipe may know fewer characters than we
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except (RequestError, SkipError) as error:
        tell(f"error: {error}")
        sys.exit(2)
    except PermissionError as error:
        tell(f"error: no permission: {error.filename}")
        sys.exit(2)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            tell(f"error: {short(str(error.filename))} is no name of a file: it is too long")
            sys.exit(2)
        if error.errno != errno.ENOSPC:
            raise
        tell("error: what was to be printed cannot be written: no space left")
        os._exit(1)  # Python would try to write the rest, and complain


def _print_version(asked: bool) -> None:
    if asked:
        print(f"aexbench {aexbench.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Which explainer of an autoencoder's anomalies can be trusted, on which data, at what cost?"""


def _show_warning(
    message: Any,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: Any = None,
) -> None:
    tell(f"warning: {message}")
