"""The 21 features of one statement sent to a database: what is measured, in which unit, and of
which kind.

A table of statements is a mapping from these names to columns of one length. Values that a source
does not know are missing: -1 in a column of codes, NaN in a column of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

Kind = Literal["category", "cycle", "amount"]
Activity = Mapping[
    str, NDArray[Any]
]  # columns (N,): int32 codes for categories, float64 for the others


@dataclass(frozen=True)
class Feature:
    """One feature.

    Attributes
    ----------
    name
        As it appears in `Features.names`.
    kind
        `category`: a code for one of a vocabulary. `cycle`: a number that comes back after
        `period`. `amount`: a number ≥ 0 with a heavy tail, which is why it is scaled by its
        logarithm.
    meaning
        With its unit.
    period
        Of a cycle.
    """

    name: str
    kind: Kind
    meaning: str
    period: float = 0.0


SCHEMA = (
    Feature("user", "category", "who is logged in"),
    Feature(
        "role", "category", "what the user is there for: application, analyst, administrator, …"
    ),
    Feature("program", "category", "the client program that announced itself"),
    Feature("host", "category", "where the client connects from"),
    Feature("database", "category", "which database of the server"),
    Feature("hour", "cycle", "time of day at the start of the statement, hours", 24.0),
    Feature("weekday", "cycle", "day of the week, 0 is Monday", 7.0),
    Feature("session-age", "amount", "since the session began, seconds"),
    Feature("statements", "amount", "statements in this session before this one"),
    Feature("gap", "amount", "since the session's last statement, seconds"),
    Feature("command", "category", "select, insert, update, delete, call, begin, ddl, …"),
    Feature("tables", "amount", "tables that the statement names"),
    Feature("joins", "amount", "joins"),
    Feature("predicates", "amount", "comparisons in its conditions"),
    Feature("columns", "amount", "columns that it returns or writes"),
    Feature("length", "amount", "of the statement's text, characters"),
    Feature("literals", "amount", "constants in the text"),
    Feature("rows", "amount", "rows returned or written"),
    Feature("duration", "amount", "milliseconds"),
    Feature("bytes", "amount", "sent to the client"),
    Feature("error", "category", "SQLSTATE, 00000 for success"),
)
NAMES = tuple(feature.name for feature in SCHEMA)
