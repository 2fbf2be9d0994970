"""Sections of a board: the rows of one kind of anomalies, ranked beside their floors.

Rows stand in the order of their means; a rank is an interval (`ranks`). An explainer's floors are
the explainers that do not know the detector, its own loss-ablated form, and itself on the untrained
twins; its gain is real only if it is surely above every one of them (`gains`). Of corruptions each
group counts the same, of labels each incident.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from aexbench.board import alike, costs, power
from aexbench.board.comparing import (
    Comparison,
    Estimate,
    Source,
    Target,
    compare,
    enough_units,
)
from aexbench.board.gains import Gain, gains
from aexbench.board.ranks import rank_intervals
from aexbench.board.table import Key, Kind, Means, Place, Scored, Table
from aexbench.running.controls import ABLATED

CEILING = "oracle"  # the engine's reference


@dataclass(frozen=True)
class Score:
    """A mean with its 95 % interval, where somebody can know it."""

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Row:
    """One explainer on the board; `rank`, the first and last that it may have, is None for floors,
    references and incomplete rows; `alike` is how alike its maps are to those of its controls.
    """

    explainer: str
    role: str
    rank: tuple[int, int] | None
    scores: Mapping[str, Score]
    gain: Gain | None
    floor_score: float | None
    by_group: Mapping[str, tuple[float, Gain | None]]
    complete: bool
    latency_s: float | None
    samples_per_s: float | None
    prepare_s: float | None
    hardware: str
    latency_spread: float | None = None
    forward_rows: float | None = None
    backward_rows: float | None = None
    title: str = ""
    alike: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What people see of it: its title, if its suite gives it one."""
        return self.title or self.explainer

    @property
    def named(self) -> str:
        """Its title with its name; its name alone, where it has no title or that says it."""
        return self.shown if self.explainer in self.shown else f"{self.title} ({self.explainer})"

    @property
    def note(self) -> str:
        """What a reader must know beside the numbers."""
        if self.role == "reference":
            return "the truth" if self.explainer == CEILING else "chance"
        if self.role == "floor":
            return "floor" if self.complete else "floor, in part"
        if not self.complete:
            return "incomplete"
        if self.gain is None or self.gain.above:
            return ""
        return "not known to be above its floor" if self.gain.low is None else "not above its floor"


@dataclass(frozen=True)
class Section:
    """The rows of one kind of anomalies.

    Attributes
    ----------
    kind
        What they have in common.
    metric
        What ranks: the board's first that has scores here.
    rows
        In the order of their means: explainers, those that are incomplete, floors, references.
    groups
        How many units each has, the fewest of its seeds.
    seeds
        How many seeds the groups have, the fewest and the most: of a given network, draws of
        anomalies.
    entities
        How many data sets with their detectors.
    detectable
        The difference of two rows that four boards of five would find; None where nobody can know.
    settling
        With how many seeds the first two rows would be told apart.
    corruptions
        By name; of labels, that name.
    higher
        Whether higher is better.
    places
        The parts of the groups' names, as people see them.
    averaged
        Over how many groups a mean is taken, each of which counts the same; None where every
        incident does.
    controls
        Those of explainers that have scores by what ranks: floors of their own.
    truthless
        Whether what ranks looks at no truth.
    """

    kind: Kind
    metric: str
    rows: Sequence[Row]
    groups: Mapping[str, int]
    seeds: tuple[int, int]
    entities: int
    detectable: float | None
    settling: int | None
    corruptions: Sequence[str]
    higher: bool = True
    places: Mapping[str, Place] = field(default_factory=dict)
    averaged: int | None = 1
    controls: Sequence[str] = ()
    truthless: bool = False

    @property
    def target(self) -> Target:
        """What is asked about: a recipe, or a given network."""
        return self.kind.target

    def place(self, group: str) -> Place:
        """Return the parts of a group's name; of one that is not known, the whole."""
        return self.places.get(group, Place(group))

    def shown(self, floor: str) -> str:
        """Return what people see of a floor's name."""
        titles = {row.explainer: row.shown for row in self.rows}
        return titles.get(floor, floor)

    def shown_group(self, group: str) -> str:
        """Return what people see of a group's name: its own, with titles in their places."""
        dataset, detector, *others = self.place(group)
        return " / ".join(filter(None, [f"{dataset} {detector}".strip(), *others]))


def sections(table: Table, metrics: Sequence[str]) -> list[Section]:
    """Return a section for each kind of anomalies on which some row has a score; there the first of
    the metrics ranks that has some.
    """
    kinds = dict.fromkeys(group.kind for group in table.groups.values())
    known = {kind: [m for m in metrics if Ranking(table, kind, [m]).names] for kind in kinds}
    return [Ranking(table, kind, own).section() for kind, own in known.items() if own]


@dataclass
class Ranking:
    """Ranks the rows of a table that have anomalies of one kind, by the first of the metrics."""

    table: Table
    kind: Kind
    metrics: Sequence[str]

    def section(self) -> Section:
        """Return the section."""
        groups = {name: self.units(name) for name in self.groups}
        ranked = self.ranked
        order = sorted(self.names, key=self.place)
        two = [ranked.index(name) for name in order if name in ranked][:2]
        comparison, seeds = self.comparison, [len(own) for own in self.groups.values()]
        return Section(
            kind=self.kind,
            metric=self.primary,
            rows=[self.row(name) for name in order],
            groups=groups,
            seeds=(min(seeds), max(seeds)),
            entities=len({self.table.groups[name].block for name in groups}),
            detectable=power.minimum_detectable_difference(comparison) if comparison else None,
            settling=power.seeds_to_settle(comparison, *two) if comparison and two[1:] else None,
            corruptions=list(dict.fromkeys(self.table.groups[name].corruption for name in groups)),
            higher=self.higher,
            places={name: self.table.groups[name].place for name in groups},
            averaged=None if self.together(self.primary) else len(self.counted(groups)),
            controls=[name for name in alike.CONTROLS if self.has(name)],
            truthless=self.table.metrics[self.primary].truthless,
        )

    def has(self, control: str) -> bool:
        """Whether some explainer has scores on a control of it by what ranks."""
        return any(self.means((name, control), self.primary) for name in self.of_floors)

    @property
    def primary(self) -> str:
        """The metric that ranks."""
        return self.metrics[0]

    @property
    def higher(self) -> bool:
        """Whether higher is better."""
        return self.table.metrics[self.primary].higher_is_better

    @cached_property
    def roles(self) -> dict[str, str]:
        """What explainers, floors and references are, by name."""
        return {name: records[0].role for name, records in self.table.records.items()}

    @cached_property
    def names(self) -> list[str]:
        """All that have a primary score here: no reference, where that is of no truth."""
        return [name for name in self.table.records if self.covers(name, self.primary)]

    @cached_property
    def groups(self) -> dict[str, set[int]]:
        """The groups with the seeds at which somebody has a score."""
        found: dict[str, set[int]] = {}
        for name in self.names:
            for group, seeds in self.means((name, "none"), self.primary).items():
                found.setdefault(group, set()).update(seeds)
        return {name: found[name] for name in self.table.groups if name in found}

    def units(self, group: str) -> int:
        """Return the fewest units that a seed of a group has."""
        own = (self.means((name, "none"), self.primary).get(group, {}) for name in self.names)
        return min(len(units) for seeds in own for _, units in seeds.values())

    def means(self, key: Key, metric: str) -> Means:
        """Return the means of units by group and seed."""
        return self.table.of(key, metric, self.kind)

    @cached_property
    def ranked(self) -> list[str]:
        """The explainers that are compared: those that have everything."""
        return [n for n in self.names if self.roles[n] == "explainer" and self.complete(n)]

    @cached_property
    def comparison(self) -> Comparison | None:
        """What is known of the differences of those that are ranked."""
        keys: list[Key] = [(name, "none") for name in self.ranked]
        return self.compared(keys, self.primary) if keys else None

    @cached_property
    def ranks(self) -> dict[str, tuple[int, int]]:
        """The first and last rank that each may have."""
        if self.comparison is None:
            return {}
        return dict(zip(self.ranked, rank_intervals(self.comparison, self.higher), strict=True))

    @cached_property
    def gains(self) -> dict[str, Gain]:
        """What explainers have over their floors, by Holm over all of them."""
        return gains({name: self.over_floors(name) for name in self.of_floors}, self.higher)

    @cached_property
    def gains_by_group(self) -> dict[str, dict[str, Gain]]:
        """The same in each group that has enough units."""
        return {
            group: self._gains_in(group) for group in self.groups if enough_units(self.units(group))
        }

    def _gains_in(self, group: str) -> dict[str, Gain]:
        names = [n for n in self.of_floors if group in self.means((n, "none"), self.primary)]
        return gains({name: self.over_floors(name, group) for name in names}, self.higher)

    @property
    def of_floors(self) -> list[str]:
        """The explainers: those that have floors."""
        return [name for name in self.names if self.roles[name] == "explainer"]

    def place(self, name: str) -> tuple[int, bool, float]:
        """Return what orders rows."""
        role = {"explainer": 0, "floor": 1, "reference": 2}[self.roles[name]]
        mean = self.score(name, self.primary).mean
        incomplete = role == 0 and name not in self.ranked
        return role, incomplete, -mean if self.higher else mean

    def row(self, name: str) -> Row:
        """Return an explainer's row."""
        by_group = {
            group: (
                self.compared([(name, "none")], self.primary, [group]).row(0).value,
                self.gains_by_group.get(group, {}).get(name),
            )
            for group in self.means((name, "none"), self.primary)
        }
        scores = {m: self.score(name, m) for m in self.metrics if self.covers(name, m)}
        return Row(
            explainer=name,
            role=self.roles[name],
            rank=self.ranks.get(name),
            scores=scores,
            gain=self.gains.get(name),
            floor_score=self.floor_score(name),
            by_group=by_group,
            complete=self.complete(name),
            title=self.table.titles.get(("explainer", name), ""),
            alike=alike.means(self.table, name, self.kind),
            **costs.times(self.table.records[name]),
        )

    def covers(self, name: str, metric: str) -> bool:
        """Whether an explainer has a metric at every group and seed where it has what ranks: a
        probe may have failed at some, and a mean over the others would be about something else. A
        metric without truth says nothing of a reference.
        """
        if self.roles[name] == "reference" and self.table.metrics[metric].truthless:
            return False
        own, ranks = (self.means((name, "none"), one) for one in (metric, self.primary))
        return bool(own) and all(
            own.get(g, {}).keys() >= seeds.keys() for g, seeds in ranks.items()
        )

    def score(self, name: str, metric: str) -> Score:
        """Return a mean with its interval."""
        estimate = self.compared([(name, "none")], metric).row(0)
        return Score(estimate.value, *(estimate.interval() or (None, None)))

    def complete(self, name: str) -> bool:
        """Whether an explainer has scores everywhere, and its controls too wherever others have
        some; a loss-ablated form, if it can have one.
        """
        every = {key for key, kind in self.table.kinds.items() if kind == self.kind}
        wanted = {("none", 0)}
        if self.roles[name] == "explainer":
            wanted = self.table.controls(self.kind)
        if self.table.own_error[name]:
            wanted.discard((ABLATED, 0))
        there = all(every <= self.table.sets.get((name, *control), set()) for control in wanted)
        return there and self.means((name, "none"), self.primary).keys() == self.groups.keys()

    def over_floors(self, name: str, group: str | None = None) -> dict[str, Estimate]:
        """Return the differences of an explainer from its floors; those that have all of its groups
        are compared together, each other one on the groups that both have.
        """
        floors, own = self.floors(name), (name, "none")
        wanted = self.counted(self.means(own, self.primary)) if group is None else [group]
        shared = {n: self.shared([own, key], wanted) for n, key in floors.items()}
        whole = [n for n in floors if shared[n] == wanted]
        together = self.compared([own, *(floors[n] for n in whole)], self.primary, wanted)
        found = {n: together.pair(0, place) for place, n in enumerate(whole, start=1)}
        for n in floors.keys() - found.keys():
            if shared[n]:
                found[n] = self.compared([own, floors[n]], self.primary, shared[n]).pair(0, 1)
        return {n: found[n] for n in floors if n in found}

    def floors(self, name: str) -> dict[str, Key]:
        """Return what an explainer must stand above: the floors, and its own controls."""
        found: dict[str, Key] = {n: (n, "none") for n in self.names if self.roles[n] == "floor"}
        return found | {title: (name, control) for control, title in alike.CONTROLS.items()}

    def floor_score(self, name: str) -> float | None:
        """Return the score of an explainer's best floor, on the groups that both have."""
        if (gain := self.gains.get(name)) is None:
            return None
        own, floor = (name, "none"), self.floors(name)[gain.floor]
        groups = self.shared([own, floor], self.counted(self.means(own, self.primary)))
        return self.compared([floor], self.primary, groups).row(0).value

    def shared(self, keys: Sequence[Key], groups: Sequence[str]) -> list[str]:
        """Return the groups that all have at the same seeds."""
        own = [self.means(key, self.primary) for key in keys]
        return [g for g in groups if all(g in m and m[g].keys() == own[0][g].keys() for m in own)]

    def compared(
        self, keys: Sequence[Key], metric: str, groups: Sequence[str] | None = None
    ) -> Comparison:
        """Compare rows on groups, all that the first has where none are named."""
        return compare(self.sources(keys, metric, groups), self.kind.target)

    def sources(
        self, keys: Sequence[Key], metric: str, groups: Sequence[str] | None = None
    ) -> list[Source]:
        """Return the scores of rows on groups, all that the first has where none are named."""
        means = [self.means(key, metric) for key in keys]
        wanted = self.counted(means[0]) if groups is None else groups
        own = {group: [one[group] for one in means] for group in wanted}
        if self.together(metric):
            return [self.pooled(own)]
        return [self.source(group, scores) for group, scores in own.items()]

    def together(self, metric: str) -> bool:
        """Whether every incident counts the same, and not every group: of labels, unless a metric
        pools each group's samples or groups are parts of what is averaged else.
        """
        pooled = self.table.metrics[metric].pooled
        return self.kind.origin == "labels" and not pooled and not self.table.split

    def counted(self, groups: Iterable[str]) -> list[str]:
        """Return the groups that a mean is taken over: those that raise no alarm are shown alone,
        unless there are no others.
        """
        found = list(groups)
        return [group for group in found if self.table.groups[group].alarm] or found

    def source(self, group: str, own: Sequence[Mapping[int, Scored]]) -> Source:
        """Return one group's scores; a group whose seeds are not those of others of its block
        counts as trained apart.
        """
        block, seeds = self.table.groups[group].block, sorted(own[0])
        dataset = self.table.groups[group].dataset
        values = [np.stack([one[seed][0] for one in own]) for seed in seeds]
        clusters = [_named(dataset, own[0][seed][1]) for seed in seeds]
        return Source(f"{block} {seeds}", values, clusters, shared=self.kind.origin == "labels")

    def pooled(self, own: Mapping[str, Sequence[Mapping[int, Scored]]]) -> Source:
        """Return the incidents of all groups as one source, in which each counts the same; those of
        one data set belong together, where there are several, whichever detectors see them.
        """
        blocks = {group: self.table.groups[group].dataset for group in own}
        several = len(set(blocks.values())) > 1
        values, clusters = [], []
        for seed in sorted({seed for rows in own.values() for seed in rows[0]}):
            there = [group for group, rows in own.items() if seed in rows[0]]
            parts = [np.stack([row[seed][0] for row in own[group]]) for group in there]
            units = [own[group][0][seed][1] for group in there]
            named = [_named(blocks[g], u) for g, u in zip(there, units, strict=True)]
            if several:
                named = [np.full(len(u), blocks[g]) for g, u in zip(there, units, strict=True)]
            values.append(np.concatenate(parts, axis=1))
            clusters.append(np.concatenate(named))
        return Source("all", values, clusters, shared=True)


def _named(block: str, units: Any) -> Any:
    """Return the names of units, apart from those of other blocks."""
    return np.char.add(f"{block} / ", np.asarray(units).astype(str))
