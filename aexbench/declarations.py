"""What a plugin may declare when it registers, and the settings that all plugins of a family share.

`@explainers.register("mine", floor=True)` takes the fields of `ExplainerDeclaration`, and so for
the other families. `version` numbers what the plugin computes: raise it when its figures change. A
plugin that declares none counts by its source instead, so that an edit renames its results.

A parameter that comes later is marked: `contrast: Annotated[Contrast, Later("none")] = "none"`.
With that value it is left out of what counts, so that the results that were there keep their names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt

if TYPE_CHECKING:
    from aexbench.fetching.downloads import Download


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
    images
        A floor of images alone.
    own_error
        It compares x with x̂ itself and never asks the detector for its error, or begins with what
        it finds so. With the detector's error map replaced by a constant it would find the same:
        that is no floor, and it has no loss-ablated form.
    """

    floor: bool = False
    images: bool = False
    own_error: bool = False

    @property
    def role(self) -> Literal["explainer", "floor"]:
        """What it is on a board."""
        return "floor" if self.floor else "explainer"


@dataclass(frozen=True)
class DatasetDeclaration(Declaration):
    """What a data set may declare.

    Attributes
    ----------
    images
        Whether its samples are images (C, H, W), so that their floors apply; the engine looks at
        the samples where it is left out, and refuses a declaration that contradicts them.
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
    licence: str = "not stated"
    download: Download | None = None
    reads: Callable[..., dict[str, Any]] | None = None
    endings: tuple[str, ...] = ()


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
        Its name in tables, with the parameters filled in: `recall@{top}`.
    without_each
        Of a pooled one: a function of the same arguments that returns the value without each sample
        in turn, faster than N calls.
    from_zero
        It weighs attributions from zero on, so that they may be scaled but not shifted; else their
        order decides.
    truthless
        It judges without the truth, so that there is no chance level and no ceiling.
    probe
        Of a class with a method `probe` (`aexbench.probes`): the version of what that asks. Raise
        it when outcomes change, and `version` when scores of the same outcome do; `version` counts
        for both where it is left out.
    """

    higher_is_better: bool = True
    pooled: bool = False
    title: str = ""
    without_each: Callable[..., Any] | None = None
    from_zero: bool = False
    truthless: bool = False
    probe: int | None = None


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
    """What a corruption may declare: its version, and its own defaults of the `Limits`."""


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
    """

    loss: Literal["l1", "l2"] = "l2"
    epochs: Annotated[int, Ge(1)] = 1000
    patience: Annotated[int, Ge(1)] = 30
    batch_size: Annotated[int, Ge(1)] = 64
    learning_rate: Annotated[float, Gt(0)] = 0.002


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
