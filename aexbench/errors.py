"""The exceptions of aexbench: a request that is wrong, files that fail, and a cell
that cannot be.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable
from contextlib import suppress

# letters and marks without a shape; what else is not seen is no printable character
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]")
MOST_SHOWN = 200  # characters of what was asked, in a message


class RequestError(ValueError):
    """What was asked for is wrong: one line that says what to do. The command line exits with 2."""


class StoreError(RequestError):
    """A file cannot be read or written, or is not what it should be: no result of a cell, but an
    end of the run.
    """


class AbsentError(RequestError):
    """Data that are not here: one line that says how they are fetched. Suites may skip them."""


class SkipError(Exception):
    """This explainer, corruption or metric does not apply here: the cell is `skipped` for this
    reason.
    """


def line(error: BaseException) -> str:
    """Return an exception in one line."""
    return f"{type(error).__name__}: {error}".split("\n")[0][:500]


def plain(text: str) -> str:
    """Return a stranger's text in one line without control characters and such as nobody sees:
    nothing that a terminal would obey, and nothing that makes one name look like another.

    >>> plain("red\\x1b[31m\\rof \\u202ewol\\u200bf")
    'red [31m of  wol f'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() and not _UNSEEN.match(c) else " " for c in text)


def tell(text: str) -> None:
    """Print a line on the error stream; where nobody can read it, that stops nothing."""
    with suppress(OSError, ValueError):  # a full disk, a stream that is closed
        if sys.stderr is not None:
            print(plain(text), file=sys.stderr, flush=True)


def short(text: str) -> str:
    """Return a text in quotes as a message shows it, cut where it is long.

    >>> print(short("x" * 1000))
    'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'
    """
    return repr(text if len(text) <= MOST_SHOWN else f"{text[:60]}…")


def unknown(kind: str, name: object, known: Iterable[str]) -> RequestError:
    """Return the error for an unknown `name`: it names the nearest of the `known` ones and lists
    them all.

    >>> print(unknown("parameter of recall", "topp", ["top"]))
    unknown parameter of recall 'topp'; did you mean 'top'? Known: top
    """
    choices, asked = sorted(known), str(name)[: 2 * MOST_SHOWN]
    nearest = difflib.get_close_matches(asked, choices, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
    return RequestError(
        f"unknown {kind} {short(str(name))}{hint} Known: {', '.join(choices) or 'none'}"
    )
