"""What an explanation consists of; frozen, in the user's units, the most responsible feature
first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from aexbench import series
from aexbench.explaining.choice import By

if TYPE_CHECKING:
    import pandas as pd

Steps = tuple[int, int]  # the first and the last of a run of steps, from 0


@dataclass(frozen=True)
class Usual:
    """Quantiles of normal samples, in the user's units: 5 %, 50 % and 95 %."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Column:
    """One column of a sample: its value, what the network expected (x̂), what is usual there, and
    its share of the error.
    """

    name: str
    value: float
    expected: float
    usual: Usual | None
    error_share: float


@dataclass(frozen=True)
class Category:
    """A category: the sample's, the one that x̂ is nearest to, and the share of normal samples that
    have the sample's.
    """

    value: str
    expected: str
    frequency: float | None


@dataclass(frozen=True)
class Feature:
    """One feature of a sample, and how responsible it is.

    Attributes
    ----------
    name
        Of the column, or of the group of columns that encodes the feature.
    columns
        One, or those of the group.
    category
        Where the columns are one-hot.
    error_share
        Of the sample's reconstruction error: these sum to 1.
    usual_error_share
        The median of that share over normal samples.
    attribution
        The explainer's, raw and signed, summed over the columns.
    share
        The attribution over the sum of all positive ones; None where none is positive.
    standard_error
        Of the attribution, as the explainer tells it; None where it does not.
    steps
        Of a window's feature that has several: the first and the last of the fewest steps in a row
        with half of its positive relevance; None where nothing is positive, and of other features.
    """

    name: str
    columns: tuple[Column, ...]
    category: Category | None
    error_share: float
    usual_error_share: float | None
    attribution: float
    share: float | None
    standard_error: float | None = None
    steps: Steps | None = None

    @property
    def leading(self) -> Column:
        """The column with the greatest share of the error."""
        return max(self.columns, key=lambda column: column.error_share)


@dataclass(frozen=True)
class Lead:
    """How far the first feature is ahead of the second, and how sure that is.

    Attributes
    ----------
    first, second
        The features.
    gap
        Attribution of the first less that of the second.
    spread
        Of that gap: its standard deviation over the explainer's draws, or its standard error as the
        explainer tells it; None where nothing is drawn.
    by
        What the spread comes from. `nothing`: the answer is the same in every draw; `one draw`: it
        has been drawn once, and nobody knows.
    draws
        How often the explainer was asked, each time with another seed.
    same_first
        In how many of these draws the first feature is first.
    """

    first: str
    second: str
    gap: float
    spread: float | None
    by: Literal["draws", "standard error", "nothing", "one draw"]
    draws: int
    same_first: int


@dataclass(frozen=True)
class Vote:
    """What one explainer of the shortlist names first.

    Attributes
    ----------
    explainer
        Its name with brackets.
    first
        The feature with the highest attribution; several where they are equal, none where all
        features are.
    reason
        Why it could not run; empty where it ran.
    """

    explainer: str
    first: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class Pixels:
    """An image (C, H, W) in the detector's units, x̂ of it, and its attributions."""

    x: NDArray[Any]
    x_hat: NDArray[Any]
    attribution: NDArray[Any]


@dataclass(frozen=True)
class Window:
    """A window (T, D) of a series, whatever counts as one feature of it.

    Attributes
    ----------
    channels : (D,)
        Their names.
    values, expected : (T, D)
        The window and x̂ in the user's units.
    attribution : (T, D)
        The explainer's.
    first_row
        The number of its first row in the source, where that is known.
    usual : (2, T, D) or None
        5 % and 95 % of normal windows, in the user's units.
    """

    channels: tuple[str, ...]
    values: NDArray[Any]
    expected: NDArray[Any]
    attribution: NDArray[Any]
    first_row: int | None
    usual: NDArray[Any] | None

    @property
    def length(self) -> int:
        """How many steps it has: T."""
        return len(self.values)

    @property
    def by_step(self) -> NDArray[Any]:
        """The attribution of each step, summed over channels: (T,)."""
        return np.asarray(self.attribution.sum(axis=1))

    @property
    def by_channel(self) -> NDArray[Any]:
        """The attribution of each channel, summed over steps: (D,)."""
        return np.asarray(self.attribution.sum(axis=0))

    @property
    def steps(self) -> Steps | None:
        """The fewest steps in a row with half of the positive relevance of all steps."""
        return series.half(self.by_step)


@dataclass(frozen=True)
class Explanation:
    """Why a detector finds one sample anomalous.

    Attributes
    ----------
    label
        What the sample is called: `Row 17`, or for a window `Window of rows 17–48`.
    row
        Its number in the source, where that is known; a window's is that of its first row.
    error
        Its reconstruction error.
    error_alarm
        The error above which an alarm is raised, the 95th percentile of normal ones; None where the
        detector is not calibrated, like `score` and `alarm`.
    score, alarm
        The same two on the scale of scores.
    explainer, chosen_by, reason
        Who answers, and why that one.
    features
        The most responsible first.
    lead
        How sure the order is; None where there is one feature only.
    votes
        What this explainer and each of the shortlist name first.
    pixels
        Of an image.
    window
        Of a series.
    """

    label: str
    row: int | None
    error: float
    error_alarm: float | None
    score: float | None
    alarm: float | None
    explainer: str
    chosen_by: By
    reason: str
    features: tuple[Feature, ...]
    lead: Lead | None
    votes: tuple[Vote, ...]
    pixels: Pixels | None = field(default=None, repr=False, compare=False)
    window: Window | None = field(default=None, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """What samples like it are called: rows, windows, or images."""
        if self.window is not None:
            return "windows"
        return "rows" if self.pixels is None else "images"

    @property
    def alarmed(self) -> bool | None:
        """Whether it raises an alarm; None where the detector is not calibrated."""
        return None if self.error_alarm is None else self.error > self.error_alarm

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        from aexbench.explaining.sentences import sentence

        return sentence(self)

    def text(self, width: int = 80) -> str:
        """Return the answer as a sentence and a table of so many columns, 40 at least."""
        from aexbench.explaining.tables import as_text

        return as_text(self, width)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per feature, the most responsible first."""
        return Explanations((self,)).frame

    def json(self) -> str:
        """Return one line of JSON."""
        from aexbench.explaining.records import as_json

        return as_json(self)

    def plot(self) -> Any:
        """Return a bar chart (altair), or of an image or a window a heat map (matplotlib)."""
        return Explanations((self,)).plot()

    def save(self, path: str | Path) -> Path:
        """Write a picture, `.svg` or `.png`, or a line of JSON, `.jsonl`; return the path."""
        return Explanations((self,)).save(path)

    def __str__(self) -> str:
        from aexbench.explaining.tables import terminal_width

        return self.text(terminal_width())

    def _repr_html_(self) -> str:
        from aexbench.explaining.tables import as_html

        return as_html(self)


@dataclass(frozen=True)
class Explanations(Sequence[Explanation]):
    """Explanations of several samples, in their order."""

    items: tuple[Explanation, ...]

    @overload
    def __getitem__(self, index: int) -> Explanation: ...
    @overload
    def __getitem__(self, index: slice) -> Explanations: ...
    def __getitem__(self, index: int | slice) -> Explanation | Explanations:
        """Return one, or some of them."""
        found = self.items[index]
        return Explanations(found) if isinstance(found, tuple) else found

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self.items)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per sample and feature, the most responsible of each sample first."""
        from aexbench.explaining.records import as_frame

        return as_frame(self.items)

    def json(self) -> str:
        """Return one line of JSON per sample."""
        return "".join(f"{one.json()}\n" for one in self.items)

    def plot(self) -> Any:
        """Return bar charts (altair), or of images and windows heat maps (matplotlib)."""
        from aexbench.explaining.pictures import drawn

        return drawn(self.items)

    def save(self, path: str | Path) -> Path:
        """Write a picture, `.svg` or `.png`, or lines of JSON, `.jsonl`; return the path.

        Raises
        ------
        RequestError
            If the name ends otherwise.
        """
        from aexbench.explaining.saving import save

        return save(self, Path(path))

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.items))

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self.items)
