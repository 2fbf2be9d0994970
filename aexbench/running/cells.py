"""Cells: the frozen, readable description of one explainer on one anomaly set. Its hash names its
files.

Everything that shapes the result counts: the components with their parameters and versions, the
control, and the seeds of the detector, the anomalies and the explainer apart.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, WrapValidator

from aexbench.components import Component, read_once
from aexbench.digests import value_digest
from aexbench.running.controls import Control

if TYPE_CHECKING:
    from aexbench.detector import Detector

DEFAULT = "default"  # a data set's own autoencoder
GIVEN = "given"  # a detector or rows that somebody has

MOST_KEYS = 10_000  # of detectors and anomaly sets, which many cells share

Named = Annotated[Component, WrapValidator(read_once)]
Role = Literal["explainer", "floor", "reference"]
"""What an explainer is on a board."""


class Cell(BaseModel):
    """One explainer on one anomaly set, on the trained detector or on a control of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Named
    detector: Named
    corruption: Named
    explainer: Named
    control: Control = "none"
    control_seed: int = 0
    control_version: int = 0
    detector_seed: int = 0
    anomaly_seed: int = 0
    explainer_seed: int = 0

    @cached_property
    def detector_key(self) -> str:
        """The digest of the trained detector's description; names its weights in the store."""
        return _detector_key(self.dataset, self.detector, self.detector_seed)

    @cached_property
    def anomaly_key(self) -> str:
        """The digest of the anomaly set's description; names its file in the store."""
        return _anomaly_key(self.detector_key, self.corruption, self.anomaly_seed)

    @cached_property
    def key(self) -> str:
        """The digest of the cell; names its record and its attributions."""
        control = [self.control, self.control_seed, self.control_version]
        return value_digest(
            [self.anomaly_key, self.explainer.identity, control, self.explainer_seed]
        )

    @property
    def sources(self) -> dict[str, str]:
        """The digests of the source of its components, where that is known here."""
        parts = {"dataset": self.dataset, "detector": self.detector}
        parts |= {"corruption": self.corruption, "explainer": self.explainer}
        return {name: part.source for name, part in parts.items() if part.source}

    def made(self, detector: Detector, background: Any) -> Any:
        """Return its explainer of a detector, with its seed where it takes one."""
        offered: dict[str, Any] = {"background": background}
        if "seed" in self.explainer.plugin.parameters:
            offered["seed"] = self.explainer_seed
        return self.explainer.make(detector, **offered)

    def __str__(self) -> str:
        on = "" if self.control == "none" else f" ({self.control} {self.control_seed})"
        where = f"{self.dataset.text} / {self.corruption.text}, seed {self.anomaly_seed}"
        return f"{self.explainer.text}{on} on {where}"


@lru_cache(MOST_KEYS)
def _detector_key(dataset: Component, detector: Component, seed: int) -> str:
    return value_digest([dataset.identity, detector.identity, seed])


@lru_cache(MOST_KEYS)
def _anomaly_key(detector_key: str, corruption: Component, seed: int) -> str:
    return value_digest([detector_key, corruption.identity, seed])
