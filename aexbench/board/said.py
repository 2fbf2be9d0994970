"""A line below a board's table: a term of it in plain words."""

from __future__ import annotations

from typing import NamedTuple


class Said(NamedTuple):
    """What is explained, and the explanation."""

    term: str
    text: str

    def __str__(self) -> str:
        return f"{self.term}: {self.text}"
