"""Texts that name a model, taken apart: `module.py:factory[weights=FILE]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aexbench import specs
from aexbench.errors import RequestError, short

WAYS = "write module.py:factory[weights=FILE], a .pt2 archive of torch.export, or a .onnx file"
_TEXT = re.compile(
    r"\s*(?P<path>[^\[\]]+?)\s*(:\s*(?P<factory>[^\W\d]\w*))?\s*(\[(?P<inside>.*)\]\s*)?", re.DOTALL
)


@dataclass(frozen=True)
class Place:
    """A file, the factory in it, and the parameters in brackets."""

    path: Path
    factory: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """How messages call it."""
        return f"{self.path.name}:{self.factory}" if self.factory else self.path.name

    def absolute(self) -> Place:
        """Return the same files as seen from any folder."""
        parameters = self._files(Path.absolute, _is_here)
        return replace(self, path=self.path.absolute(), parameters=parameters)

    def pathless(self) -> str:
        """Return the text for others' eyes: it names files, and not where they lie."""
        named = self._files(lambda path: Path(path.name), _is_path)
        return self.words + specs.write("x", named).removeprefix("x")

    def _files(
        self, change: Callable[[Path], Path], is_file: Callable[[object], bool]
    ) -> dict[str, Any]:
        return {
            name: str(change(Path(value))) if is_file(value) else value
            for name, value in self.parameters.items()
        }


def parse(text: str) -> Place:
    """Take a text apart.

    >>> parse("nets/mine.py:build[width=8]").parameters
    {'width': 8}
    """
    if len(text) <= specs.MOST and _is_file(text):  # whatever its name is
        return Place(Path(text))
    match = _TEXT.fullmatch(text) if len(text) <= specs.MOST else None
    if match is None:
        raise RequestError(f"cannot read the model {short(text)}: {WAYS}")
    parameters = specs.inside(match["inside"] or "", text)
    return Place(Path(match["path"]), match["factory"] or "", parameters)


def _is_here(value: object) -> bool:
    """Whether a parameter names a file that is here: an address with slashes does not."""
    return isinstance(value, str) and _is_file(value)


def _is_path(value: object) -> bool:
    """Whether a parameter may name a file, here or wherever its text was written."""
    return isinstance(value, str) and ("/" in value or _is_file(value))


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a zero in it
        return False
