"""The command line. Imports what a command needs when it runs, so that `--help` answers at once.

Exit codes: 0 all cells ok, 1 some cells not ok, 2 the request was wrong.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer

from aexbench.cli import boards, data, listing, runs
from aexbench.errors import RequestError, SkipError, plain

app = typer.Typer(
    name="aexbench",
    help="Which explainer of an autoencoder's anomalies can be trusted, on which data, "
    "at what cost?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
for commands in (runs, boards, listing):
    app.registered_commands += commands.app.registered_commands
app.add_typer(data.app)


def main() -> None:
    """Run the command line; a wrong request is one line on the error stream, and exit code 2."""
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):  # a terminal or pipe may know fewer characters than we
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except (RequestError, SkipError) as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
        sys.exit(2)
    except PermissionError as error:
        print(f"error: no permission: {error.filename}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
        sys.exit(1)


@app.callback()
def _options() -> None:
    """Which explainer of an autoencoder's anomalies can be trusted, on which data, at what cost?"""


def _show_warning(
    message: Any,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: Any = None,
) -> None:
    print(f"warning: {message}", file=sys.stderr)
