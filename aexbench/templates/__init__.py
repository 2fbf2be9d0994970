"""The files that `aexbench new` writes: a small component that keeps its contract, and its test.

One text a family; `NAME` stands for the name, `IDENTIFIER` for the function and the module, `TEST`
for the name of the test's file.
"""

from __future__ import annotations

import keyword
import re
import sys
from importlib import resources
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

from aexbench.errors import RequestError, short
from aexbench.families import FAMILIES
from aexbench.registry import RESERVED

KINDS = {
    "explainer": "explainers",
    "dataset": "datasets",
    "corruption": "corruptions",
    "metric": "metrics",
}


class Made(NamedTuple):
    """A file's name and text."""

    file: str
    text: str


def made(kind: str, name: str) -> tuple[Made, Made]:
    """Return a component's file and its test.

    Parameters
    ----------
    kind
        `explainer`, `dataset`, `corruption` or `metric`.
    name
        That it registers.

    Raises
    ------
    RequestError
        If the name is taken or cannot be one: says the nearest that can.

    Examples
    --------
    >>> component, test = made("metric", "mean-rank")
    >>> component.file, test.file
    ('mean_rank.py', 'test_mean_rank.py')
    """
    check_name(kind, name)
    identifier = _identifier(name)
    test = f"test_{identifier}.py"
    known = {"NAME": name, "IDENTIFIER": identifier, "TEST": test}
    texts = (_filled(_template(one), known) for one in (kind, f"test_{kind}"))
    return Made(f"{identifier}.py", next(texts)), Made(test, next(texts))


def check_name(kind: str, name: str) -> None:
    """Raise RequestError unless a component of this kind can be called so."""
    nearest = _nearest(name)
    if name != nearest:
        raise RequestError(
            f"{short(name)} is no name: lower-case letters, digits and hyphens make one; "
            f"try {_free(kind, nearest)}"
        )
    reason = _refused(kind, name)
    if reason:
        raise RequestError(f"{name!r} {reason}: try {_free(kind, f'my-{name}')}")


def _refused(kind: str, name: str) -> str:
    """Return why a name that is written as it should be cannot be taken; else an empty text."""
    identifier = _identifier(name)
    if name in RESERVED:
        return "is what the engine calls its own"
    if name in FAMILIES[KINDS[kind]].names():
        return f"is taken (aexbench show {name})"
    if not identifier.isidentifier() or keyword.iskeyword(identifier):
        return "is no name of a function in Python"
    if _is_module(identifier):
        return f"would hide the module {identifier} from Python"
    return ""


def _is_module(identifier: str) -> bool:
    """Whether Python finds a module of this name elsewhere than in the current folder."""
    elsewhere = [path for path in sys.path if Path(path).resolve() != Path.cwd()]
    known = identifier in sys.stdlib_module_names or identifier in sys.modules
    return known or PathFinder.find_spec(identifier, elsewhere) is not None


def _nearest(name: str) -> str:
    """Return the nearest text that is written as a name is.

    >>> _nearest("My_Method 2"), _nearest("--")
    ('my-method-2', 'mine')
    """
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:60] or "mine"


def _free(kind: str, name: str) -> str:
    """Return a name that is free: this one, or with a number behind it."""
    candidates = (name, f"my-{name}", *(f"my-{name}-{number}" for number in range(2, 1000)))
    return next(one for one in candidates if not _refused(kind, one))


def _identifier(name: str) -> str:
    return re.sub(r"[.-]", "_", name)


def _template(name: str) -> str:
    return (resources.files(__name__) / f"{name}.txt").read_text(encoding="utf-8")


def _filled(text: str, known: dict[str, str]) -> str:
    return re.sub(r"\b(NAME|IDENTIFIER|TEST)\b", lambda found: known[found[0]], text)
