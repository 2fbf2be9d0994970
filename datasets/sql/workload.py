"""Database activity of any length, made in blocks: the same rows whatever range of them is asked
for, and wherever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from aexbench import RequestError
from aexbench.datasets.sql.encoding import Encoder, Encoding, fit
from aexbench.datasets.sql.habits import world
from aexbench.datasets.sql.intrusions import plant
from aexbench.datasets.sql.roles import vocabulary
from aexbench.datasets.sql.schema import NAMES
from aexbench.datasets.sql.statements import draw_sessions, draw_statements
from aexbench.errors import unknown

Split = Literal["train", "validation", "test"]
SPLITS: tuple[str, ...] = get_args(Split)
BLOCK = 16_384  # rows; no session crosses the end of a block
FIT_ROWS = 4 * BLOCK  # training rows that an encoder is fitted on, at most
MOST_INTRUSIONS = 0.05  # there would not be sessions enough for more


class Block(NamedTuple):
    """Consecutive rows of a split.

    Attributes
    ----------
    activity
        The schema's columns (B,), not encoded.
    kind : (B,) int8
        A place in `KINDS`: 0 is normal.
    truth : (B, 21) bool
        The features that make the row an intrusion, in the schema's order.
    unit : (B,) int64
        Its session, a number of its own among all splits.
    """

    activity: dict[str, NDArray[Any]]
    kind: NDArray[np.int8]
    truth: NDArray[np.bool_]
    unit: NDArray[np.int64]

    def slice(self, start: int, stop: int) -> Block:
        """Return some of the rows."""
        activity = {name: column[start:stop] for name, column in self.activity.items()}
        return Block(activity, self.kind[start:stop], self.truth[start:stop], self.unit[start:stop])


class Encoded(NamedTuple):
    """Consecutive rows as an autoencoder takes them: x (N, M) float32, kind (N,), truth (N, M),
    unit (N,).
    """

    x: NDArray[np.float32]
    kind: NDArray[np.int8]
    truth: NDArray[np.bool_]
    unit: NDArray[np.int64]


@dataclass(frozen=True)
class Workload:
    """Endless database activity: the same users in all splits, other sessions in each, intrusions
    in `test` alone.

    Parameters
    ----------
    seed
        Of the users, their habits and all that they do.
    intrusions
        Share of the test rows, 0 to 0.05. The other rows do not depend on it: what an intrusion was
        made from is found in the same row of the workload without.
    """

    seed: int = 0
    intrusions: float = 0.01

    def __post_init__(self) -> None:
        """Check the parameters."""
        if self.seed < 0:
            raise RequestError(f"seed is {self.seed}: a workload needs 0 or more")
        if not 0.0 <= self.intrusions <= MOST_INTRUSIONS:
            raise RequestError(
                f"intrusions is {self.intrusions}: the share of test rows must lie in [0, "
                f"{MOST_INTRUSIONS}]"
            )

    def block(self, split: Split, number: int) -> Block:
        """Return the rows `number * BLOCK` to `(number + 1) * BLOCK` of a split."""
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        if number < 0:
            raise RequestError(f"block {number} of {split}: blocks are numbered from 0")
        place, habits = SPLITS.index(split), world(self.seed)
        activities, intrusions = (self._random(place, number, purpose) for purpose in (1, 2))
        sessions = draw_sessions(habits, activities, BLOCK)
        activity = draw_statements(habits, activities, sessions)
        kind, truth = np.zeros(BLOCK, dtype=np.int8), np.zeros((BLOCK, len(NAMES)), dtype=bool)
        if split == "test" and self.intrusions:
            activity, kind, truth = plant(habits, intrusions, activity, sessions, self.intrusions)
        unit = (place << 56) + number * BLOCK + np.repeat(sessions.first, sessions.length)
        return Block(activity, kind, truth, unit)

    def _random(self, split: int, number: int, purpose: int) -> np.random.Generator:
        return np.random.Generator(
            np.random.SFC64(np.random.SeedSequence((self.seed, purpose, split, number)))
        )

    def parts(self, split: Split, start: int, stop: int) -> Iterator[Block]:
        """Yield the rows `start` to `stop` of a split, a block at a time."""
        if not 0 <= start < stop:
            raise RequestError(
                f"rows {start} to {stop} of {split}: the range must start at 0 or later and hold "
                "a row"
            )
        for number in range(start // BLOCK, (stop - 1) // BLOCK + 1):
            first = number * BLOCK
            yield self.block(split, number).slice(max(start - first, 0), min(stop - first, BLOCK))

    def rows(self, split: Split, start: int, stop: int) -> Block:
        """Return the rows `start` to `stop` of a split."""
        parts = list(self.parts(split, start, stop))
        activity = {name: np.concatenate([part.activity[name] for part in parts]) for name in NAMES}
        kind, truth, unit = (np.concatenate([part[place] for part in parts]) for place in (1, 2, 3))
        return Block(activity, kind, truth, unit)


def fitted(workload: Workload, rows: int, encoding: Encoding = "scalar") -> Encoder:
    """Return an encoder fitted on the first of the workload's training rows: all of them, or
    65,536.
    """
    return fit(workload.rows("train", 0, min(rows, FIT_ROWS)).activity, encoding, vocabulary())


def encoded(workload: Workload, encoder: Encoder, split: Split, start: int, stop: int) -> Encoded:
    """Return rows of a split as the autoencoder takes them; the truth is by columns, not by
    features.
    """
    parts = [
        (encoder.encode(part.activity), part.kind, encoder.spread(part.truth), part.unit)
        for part in workload.parts(split, start, stop)
    ]
    x, kind, truth, unit = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Encoded(x, kind, truth, unit)
