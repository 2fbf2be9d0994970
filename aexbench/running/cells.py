"""Cells: the frozen, readable description of one explainer on one anomaly set. Its hash names its
files.

Everything that shapes the result counts: the components with their parameters and versions, the
control, and the seeds of the detector, the anomalies and the explainer apart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WrapValidator,
    model_serializer,
)

from aexbench.components import Component, read_once
from aexbench.digests import value_digest
from aexbench.running.controls import Control

if TYPE_CHECKING:
    from aexbench.detector import Detector

DEFAULT = "default"  # a data set's own autoencoder
GIVEN = "given"  # a detector or rows that somebody has

MOST_KEYS = 10_000  # of detectors and anomaly sets, which many cells share

Named = Annotated[Component, WrapValidator(read_once)]
Lineage = Annotated[str, Field(pattern=r"^((weights|anomalies) [0-9a-f]{6})?$")]
Role = Literal["explainer", "floor", "reference"]
"""What an explainer is on a board."""


class Cell(BaseModel):
    """One explainer on one anomaly set, on the trained detector or on a control of it; or what a
    metric without truth asks of both, a probe.

    `lineage` tells apart what bears one name and is not the same: where merged stores have trained
    other weights by one recipe, or drawn other anomalies, it is a short mark of these.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Named
    detector: Named
    corruption: Named
    explainer: Named
    control: Control = "none"
    control_seed: int = 0
    control_version: int = 0
    probe: Named | None = None
    lineage: Lineage = ""
    detector_seed: int = 0
    anomaly_seed: int = 0
    explainer_seed: int = 0

    @cached_property
    def detector_key(self) -> str:
        """The digest of the trained detector's description; names its weights in the store."""
        return _detector_key(self.dataset, self.detector, self.detector_seed, self.lineage)

    @cached_property
    def anomaly_key(self) -> str:
        """The digest of the anomaly set's description; names its file in the store."""
        return _anomaly_key(self.detector_key, self.corruption, self.anomaly_seed)

    @cached_property
    def key(self) -> str:
        """The digest of the cell; names its record and its attributions."""
        control = [self.control, self.control_seed, self.control_version]
        own = [self.anomaly_key, self.explainer.identity, control, self.explainer_seed]
        return value_digest(own if self.probe is None else [*own, self.probe.identity])

    @property
    def plain(self) -> bool:
        """Whether it is what the explainer says on the detector itself."""
        return self.control == "none" and self.probe is None

    @model_serializer(mode="wrap")
    def _without_nothing(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave probe and lineage out where there is none, as records of before there were any
        do.
        """
        values: dict[str, Any] = written(self)
        if values.get("probe") is None:
            values.pop("probe", None)
        if not values.get("lineage"):
            values.pop("lineage", None)
        return values

    def of(self, lineage: str) -> Cell:
        """Return the cell of a lineage, of none where that is empty."""
        if lineage == self.lineage:
            return self
        own = {name: getattr(self, name) for name in type(self).model_fields}
        return Cell(**own | {"lineage": lineage})

    @property
    def parts(self) -> dict[str, Component]:
        """Its components by name."""
        parts = {"dataset": self.dataset, "detector": self.detector}
        parts |= {"corruption": self.corruption, "explainer": self.explainer}
        return parts if self.probe is None else {**parts, "probe": self.probe}

    @property
    def sources(self) -> dict[str, str]:
        """The digests of the source of its components, where that is known here."""
        return {name: part.source for name, part in self.parts.items() if part.source}

    def made(self, detector: Detector, background: Any) -> Any:
        """Return its explainer of a detector, with its seed where it takes one."""
        offered: dict[str, Any] = {"background": background}
        if "seed" in self.explainer.plugin.parameters:
            offered["seed"] = self.explainer_seed
        return self.explainer.make(detector, **offered)

    def __str__(self) -> str:
        return self.words(lambda name, part: part.text)

    @property
    def shown(self) -> str:
        """What people see of it, by the titles that its suite gives its components."""
        return self.words(lambda name, part: part.shown)

    def words(self, called: Callable[[str, Component], str]) -> str:
        """Return it in words, by what each of its components is called."""
        own = {name: called(name, part) for name, part in self.parts.items()}
        on = "" if self.control == "none" else f" ({self.control} {self.control_seed})"
        mark = f" ({self.lineage})" if self.lineage else ""
        asked = f"{own['probe']} of " if "probe" in own else ""
        where = f"{own['dataset']}{mark} / {own['corruption']}, seed {self.anomaly_seed}"
        return f"{asked}{own['explainer']}{on} on {where}"


@lru_cache(MOST_KEYS)
def _detector_key(dataset: Component, detector: Component, seed: int, lineage: str) -> str:
    own = [dataset.identity, detector.identity, seed]
    return value_digest([*own, lineage] if lineage else own)


@lru_cache(MOST_KEYS)
def _anomaly_key(detector_key: str, corruption: Component, seed: int) -> str:
    return value_digest([detector_key, corruption.identity, seed])
