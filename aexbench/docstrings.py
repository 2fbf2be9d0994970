"""Docstrings of plugins (NumPy style), taken apart: sections, and what is said of parameters."""

from __future__ import annotations

import inspect
import re

_HEADING = re.compile(r"^(\S[^\n]*)\n-{3,}$\n?", re.MULTILINE)
_NAMES = re.compile(r"^(\w+(?:, \w+)*)(?: :.*)?$", re.MULTILINE)


def sections(document: str | None) -> dict[str, str]:
    """Return what stands under each heading; what stands before the first is under "".

    >>> sections("Return x.\\n\\nParameters\\n----------\\nx\\n    A number.")
    {'': 'Return x.', 'Parameters': 'x\\n    A number.'}
    """
    start, *rest = _HEADING.split(inspect.cleandoc(document or ""))
    named = zip(rest[::2], rest[1::2], strict=True)
    return {"": start.strip()} | {name: text.strip("\n ") for name, text in named}


def described(document: str | None) -> dict[str, str]:
    """Return what the section Parameters says of each of them.

    >>> described("Return x.\\n\\nParameters\\n----------\\nx, y\\n    Two\\n    numbers.")
    {'x': 'Two numbers.', 'y': 'Two numbers.'}
    """
    _, *parts = _NAMES.split(sections(document).get("Parameters", ""))
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {name: " ".join(text.split()) for names, text in pairs for name in names.split(", ")}
