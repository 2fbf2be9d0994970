"""What a plugin may declare when it registers, and the settings that all plugins of a family share.

`@explainers.register("mine", floor=True)` takes the fields of `ExplainerDeclaration`, and so for
the other families. `version` numbers what the plugin computes: raise it when its figures change. A
plugin that declares none counts by its source instead, so that an edit renames its results.

A parameter that comes later is marked: `contrast: Annotated[Contrast, Later("none")] = "none"`.
With that value it is left out of what counts, so that the results that were there keep their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt

if TYPE_CHECKING:
    from aexbench.fetching.downloads import Download


Kind = Literal["rows", "images", "series"]
"""What samples are: rows (M,), images (C, H, W), or windows of series (T, D)."""


def kind_of(shape: tuple[int, ...]) -> Kind:
    """Return what samples of a shape are.

    >>> kind_of((13,)), kind_of((1, 28, 28)), kind_of((32, 13))
    ('rows', 'images', 'series')
    """
    kinds: dict[int, Kind] = {2: "series", 3: "images"}
    return kinds.get(len(shape), "rows")


@dataclass(frozen=True)
class Later:
    """Marks the type of a parameter that came when there were results already, with the value at
    which it changes none of them.
    """

    value: Any


@dataclass(frozen=True)
class Declaration:
    """What plugins of every family may declare.

    Attributes
    ----------
    version
        Of what it computes; its source counts where it is left out.
    """

    version: int | None = None


@dataclass(frozen=True)
class ExplainerDeclaration(Declaration):
    """What an explainer may declare.

    Attributes
    ----------
    floor
        It does not know what the detector has learned, and stands on every board as a floor.
    images, series
        It takes images alone, windows of series alone, or both alone; a floor stands on boards of
        what it takes.
    own_error
        It compares x with x̂ itself and never asks the detector for its error, or begins with what
        it finds so. With the detector's error map replaced by a constant it would find the same:
        that is no floor, and it has no loss-ablated form.
    """

    floor: bool = False
    images: bool = False
    series: bool = False
    own_error: bool = False

    @property
    def role(self) -> Literal["explainer", "floor"]:
        """What it is on a board."""
        return "floor" if self.floor else "explainer"

    def stands_on(self, kind: Kind) -> bool:
        """Whether it stands on every board of such samples."""
        alone = [one for one in ("images", "series") if getattr(self, one)]
        return self.floor and (not alone or kind in alone)


@dataclass(frozen=True)
class DatasetDeclaration(Declaration):
    """What a data set may declare.

    Attributes
    ----------
    images
        Whether its samples are images (C, H, W), so that their floors apply; the engine looks at
        the samples where it is left out, and refuses a declaration that contradicts them.
    series
        Of what declares `images=False`: whether its samples are windows (T, D), so that the floors
        of series apply; or the name of the parameter that makes them windows where it is given.
    licence
        Of the data.
    download
        Where `aexbench data get` can fetch them.
    reads
        A function from the parameters to the files that are read, by name, where it is not the
        parameters alone that say which.
    endings
        Of the names of files that its parameter `path` reads: who names such a file in the place of
        a data set is told to write this one.
    """

    images: bool | None = None
    series: bool | str = False
    licence: str = "not stated"
    download: Download | None = None
    reads: Callable[..., dict[str, Any]] | None = None
    endings: tuple[str, ...] = ()

    def kind(self, parameters: Mapping[str, object]) -> Kind | None:
        """Return what the samples are with some parameters; None where nobody has said it."""
        if self.images is None:
            return None
        if self.images:
            return "images"
        named = isinstance(self.series, str)
        windows = parameters.get(str(self.series)) is not None if named else self.series
        return "series" if windows else "rows"


@dataclass(frozen=True)
class MetricDeclaration(Declaration):
    """What a metric may declare.

    Attributes
    ----------
    higher_is_better
        The direction of its scores.
    pooled
        One value for many samples, rather than one for each.
    title
        Its name in tables, with the parameters filled in: `recall@{top}`; or a function of the
        parameters that returns it.
    without_each
        Of a pooled one: a function of the same arguments that returns the value without each sample
        in turn, faster than N calls.
    from_zero
        It weighs attributions from zero on, so that they may be scaled but not shifted; else their
        order decides.
    truthless
        It judges without the truth, so that there is no chance level and no ceiling.
    columns
        It is given attributions and truth by input column, in the samples' own shape, and not by
        feature: what it looks at (the steps of a window) is not what the data's groups are.
    probe
        Of a class with a method `probe` (`aexbench.probes`): the version of what that asks. Raise
        it when outcomes change, and `version` when scores of the same outcome do; `version` counts
        for both where it is left out.
    """

    higher_is_better: bool = True
    pooled: bool = False
    title: str | Callable[..., str] = ""
    without_each: Callable[..., Any] | None = None
    from_zero: bool = False
    truthless: bool = False
    columns: bool = False
    probe: int | None = None

    def titled(self, parameters: Mapping[str, Any]) -> str:
        """Return the title with the parameters filled in; "" where there is none."""
        if callable(self.title):
            return self.title(**parameters)
        return self.title.format(**parameters)


@dataclass(frozen=True)
class Limits:
    """When a corrupted sample counts: parameters of every single-feature corruption.

    Parameters
    ----------
    threshold
        On the score: at most this before, more after; `strict`, `alarm` and `alarms` are told in
        `aexbench.single_feature.SingleFeature.generate`.
    count
        How many anomalies are wanted (the paper's K).
    max_draws
        How many draws are made at most.
    """

    threshold: Annotated[float, Ge(0), Lt(1)] | Literal["strict", "alarm", "alarms"] = 0.3
    count: Annotated[int, Ge(1)] = 100
    max_draws: Annotated[int, Ge(1)] = 100_000


@dataclass(frozen=True)
class CorruptionDeclaration(Limits, Declaration):
    """What a corruption may declare beside its own defaults of the `Limits`.

    Attributes
    ----------
    series
        It takes windows of series alone.
    """

    series: bool = False


@dataclass(frozen=True)
class Training:
    """How an autoencoder is trained: parameters of every registered autoencoder.

    Parameters
    ----------
    loss
        Minimised in training, and the detector's own.
    epochs
        At most so many.
    patience
        Stop when the validation error has not fallen by a thousandth of itself for so many epochs.
    batch_size, learning_rate
        Of Adam.
    steps_per_epoch
        An epoch is so many steps: of many rows a part, and the next one goes on from there; few
        rows are passed over several times. One pass over all rows where it is left out.
    """

    loss: Literal["l1", "l2"] = "l2"
    epochs: Annotated[int, Ge(1)] = 1000
    patience: Annotated[int, Ge(1)] = 30
    batch_size: Annotated[int, Ge(1)] = 64
    learning_rate: Annotated[float, Gt(0)] = 0.002
    steps_per_epoch: Annotated[int | None, Ge(1), Later(None)] = None


@dataclass(frozen=True)
class AutoencoderDeclaration(Training, Declaration):
    """What an autoencoder may declare: its version, its own defaults of the `Training`, and what it
    is for.

    Attributes
    ----------
    images
        Whether it takes images alone (C, H, W), or never; where it is left out, a new version of it
        counts for both.
    """

    images: bool | None = None
