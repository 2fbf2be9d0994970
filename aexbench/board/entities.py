"""What explainers score on each data set of a store: by its labels, and by its corruptions.

As on boards, every group of a corruption counts the same, and every incident of the labels,
whatever its kind. A data set that has several detectors is one entity nevertheless: its labels are
the same for all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench.board.choosing import Array
from aexbench.board.table import Group, Kind, Scored, Table

CORRUPTED = Kind("recipe", "corruptions", "cause")
Place = tuple[str, int]  # a group and a seed
Own = Mapping[Place, Scored]  # what one explainer scores
Units = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Entity:
    """What K explainers score on one data set; higher is better, whatever the metric says.

    Attributes
    ----------
    name
        Of the data set.
    labels : (K,) float64
        By all its labelled incidents.
    halves : two of (K,) float64
        By every other incident, and by those between, of those that every seed has. None where they
        are fewer than two, or where the metric pools its samples: the values of one half then know
        of the other.
    corruptions : (K,) float64 each
        By each of its corruptions.
    floors
        What each floor scores by all labelled incidents.
    """

    name: str
    labels: Array
    halves: tuple[Array, Array] | None
    corruptions: Mapping[str, Array]
    floors: Mapping[str, float]


class Entities(NamedTuple):
    """Data sets that have labels and corruptions; the explainers that have every score there, in
    the order of an entity's arrays; and those that have some.
    """

    entities: Sequence[Entity]
    explainers: Sequence[str]
    incomplete: Sequence[str]


def read_entities(table: Table, labelled: Kind, metric: str) -> Entities:
    """Return the data sets that have corruptions and labels of a kind, by one metric."""
    reading = _Reading(table, labelled, metric)
    names = dict.fromkeys(group.dataset for group in reading.groups)
    own = [reading.entity(name) for name in names]
    return Entities(own, reading.explainers, reading.incomplete)


def of_groups(own: Own, groups: Sequence[str]) -> float:
    """Return the mean over groups of the mean over seeds of the mean over units."""
    return float(np.mean([_of_group(own, group) for group in groups]))


def _of_group(own: Own, group: str) -> float:
    return float(
        np.mean([values.mean() for (name, _), (values, _) in own.items() if name == group])
    )


def of_incidents(own: Own, groups: Sequence[str], chosen: Units | None = None) -> float:
    """Return the mean over seeds of the mean over the incidents of all groups, or over some."""
    by_seed: dict[int, list[NDArray[np.float64]]] = {}
    for (group, seed), (values, units) in own.items():
        if group in groups:
            counted = values if chosen is None else values[np.isin(units, chosen)]
            by_seed.setdefault(seed, []).append(counted)
    return float(np.mean([np.concatenate(values).mean() for values in by_seed.values()]))


def common_units(units: Mapping[Place, Units], groups: Sequence[str]) -> Units:
    """Return the units (U,) that each seed has in one of these groups, sorted."""
    by_seed: dict[int, set[int]] = {}
    for (group, seed), own in units.items():
        if group in groups:
            by_seed.setdefault(seed, set()).update(own.tolist())
    return np.array(sorted(set.intersection(*by_seed.values())), dtype=np.int64)


@dataclass(frozen=True)
class _Reading:
    """Reads a table."""

    table: Table
    labelled: Kind
    metric: str

    @cached_property
    def scores(self) -> dict[str, Own]:
        """What explainers, floors and references score."""
        return {name: dict(self._own(name)) for name in self.table.records}

    def _own(self, name: str) -> Iterator[tuple[Place, Scored]]:
        for kind in (self.labelled, CORRUPTED):
            for group, seeds in self.table.of((name, "none"), self.metric, kind).items():
                yield from (((group, seed), scored) for seed, scored in seeds.items())

    @cached_property
    def groups(self) -> list[Group]:
        """The groups in which somebody has a score, of data sets that have both kinds."""
        scored = {group for own in self.scores.values() for group, _ in own}
        groups = [group for name, group in self.table.groups.items() if name in scored]
        labelled = {group.dataset for group in groups if group.kind == self.labelled}
        corrupted = {group.dataset for group in groups if group.kind == CORRUPTED}
        return [group for group in groups if group.dataset in labelled & corrupted]

    @cached_property
    def units(self) -> dict[Place, Units]:
        """The units of these groups at each seed: all explain the same anomalies."""
        names = {group.name for group in self.groups}
        every = (item for own in self.scores.values() for item in own.items())
        return {place: units for place, (_, units) in every if place[0] in names}

    @cached_property
    def explainers(self) -> list[str]:
        """Those that have every score."""
        return self._with("explainer", self.units)

    @cached_property
    def floors(self) -> list[str]:
        """Those that have every score by labels: they are asked for no other."""
        labelled = {group.name for group in self.groups if group.kind == self.labelled}
        return self._with("floor", [place for place in self.units if place[0] in labelled])

    @property
    def incomplete(self) -> list[str]:
        """The explainers that have some scores, and not every."""
        others = [name for name in self._with("explainer", ()) if name not in self.explainers]
        return [name for name in others if not self.units.keys().isdisjoint(self.scores[name])]

    def _with(self, role: str, places: Collection[Place]) -> list[str]:
        named = [name for name, records in self.table.records.items() if records[0].role == role]
        return [name for name in named if set(places) <= self.scores[name].keys()]

    def entity(self, name: str) -> Entity:
        """Return what is scored on one data set."""
        groups = [group for group in self.groups if group.dataset == name]
        labelled = [group.name for group in groups if group.kind == self.labelled]
        corruptions: dict[str, list[str]] = {}
        for group in groups:
            if group.kind == CORRUPTED:
                corruptions.setdefault(group.corruption, []).append(group.name)
        return Entity(
            name=name,
            labels=self.by_labels(self.explainers, labelled),
            halves=self.by_halves(labelled),
            corruptions={c: self.by_groups(self.explainers, own) for c, own in corruptions.items()},
            floors=dict(zip(self.floors, self.by_labels(self.floors, labelled), strict=True)),
        )

    def by_halves(self, groups: Sequence[str]) -> tuple[Array, Array] | None:
        """Return what explainers score by each half of the incidents."""
        units = common_units(self.units, groups)
        if self.pooled or len(units) < 2:
            return None
        first, second = units[::2], units[1::2]
        return (
            self.by_labels(self.explainers, groups, first),
            self.by_labels(self.explainers, groups, second),
        )

    def by_labels(
        self, names: Sequence[str], groups: Sequence[str], chosen: Units | None = None
    ) -> Array:
        """Return what some score by all incidents, or by chosen ones."""
        if self.pooled:  # whose values are of one group each
            return self.by_groups(names, groups)
        return self._better([of_incidents(self.scores[n], groups, chosen) for n in names])

    def by_groups(self, names: Sequence[str], groups: Sequence[str]) -> Array:
        """Return what some score, where each group counts the same."""
        return self._better([of_groups(self.scores[name], groups) for name in names])

    def _better(self, scores: Sequence[float]) -> Array:
        """Return scores so that higher is better."""
        higher = self.table.metrics[self.metric].higher_is_better
        return np.asarray(scores, dtype=np.float64) * (1.0 if higher else -1.0)

    @property
    def pooled(self) -> bool:
        """Whether the metric has no value of its own for each sample."""
        return self.table.metrics[self.metric].pooled
