"""What a store's cells have scored, by explainer and control, group and seed.

A group is one data set with its detector, one corruption or the labels, and one label. Groups of
one kind make a board: what was injected and what was labelled, causes and symptoms, a recipe and a
given network are unlike things, and are never averaged.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aexbench import families
from aexbench.board.comparing import Target
from aexbench.components import Component
from aexbench.running.cells import DEFAULT, GIVEN, Cell
from aexbench.running.controls import ABLATED
from aexbench.running.references import LABELS
from aexbench.running.scoring import MetricInfo, by_unit
from aexbench.running.store import Record, Scores
from aexbench.running.titles import Seen

NUMBER = re.compile(r" \(version \d+\)$")

Origin = Literal["corruptions", "labels"]
Key = tuple[str, str]  # an explainer and its control
Scored = tuple[NDArray[np.float64], NDArray[np.int64]]  # the means of units (U,), and the units
Means = Mapping[str, Mapping[int, Scored]]  # by group and seed


class Place(NamedTuple):
    """The parts of a group's name, by their titles where there are some; `detector` is empty where
    it is the data set's own, `label` where it says no more than the corruption.
    """

    dataset: str
    detector: str = ""
    corruption: str = ""
    label: str = ""


class Kind(NamedTuple):
    """What groups must have in common to be averaged.

    `target` is what is asked about; `origin` where anomalies come from; `truth` what is known of
    them: `cause`, `symptom`, `both`, or nothing of labels of an earlier aexbench.
    """

    target: Target
    origin: Origin
    truth: str


@dataclass(frozen=True)
class Group:
    """Samples whose scores are averaged first: of one data set, one corruption or the labels, and
    one label. `block` is what is trained together with them; those that raise no `alarm` are shown,
    and no mean counts them.
    """

    name: str
    block: str
    kind: Kind
    dataset: str
    corruption: str
    place: Place
    alarm: bool = True


class Part(NamedTuple):
    """The scores of one cell in one group: one value per sample (N,) by metric, and the units."""

    values: Mapping[str, NDArray[np.float64]]
    unit: NDArray[np.int64]


@dataclass
class Table:
    """Scores by explainer and control, group and seed; groups that are `split` are parts of what is
    averaged else.
    """

    split: bool = False
    seen: Seen = field(default_factory=Seen)  # of components, by their suites' titles
    cells: dict[Key, dict[str, dict[int, list[Part]]]] = field(default_factory=dict)
    metrics: dict[str, MetricInfo] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    # (explainer, control, its seed) → anomaly sets
    sets: dict[tuple[str, str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    kinds: dict[str, Kind] = field(default_factory=dict)  # of anomaly sets
    records: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    controlled: dict[Key, list[Record]] = field(default_factory=lambda: defaultdict(list))
    own_error: dict[str, bool] = field(default_factory=dict)  # explainers
    texts: dict[tuple[str, str], dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    titles: dict[tuple[str, str], str] = field(default_factory=dict)
    # block → detector's key → its report
    reports: dict[str, dict[str, Mapping[str, Any]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _means: dict[tuple[Key, str, Kind], Means] = field(default_factory=dict)

    def add(self, record: Record, scores: Scores, unalarmed: bool = False) -> None:
        """Take in one cell's scores, of what raises no alarm too if that is asked for. Those of a
        probe are further metrics of its explainer.
        """
        cell = record.cell
        explainer = self.text("explainer", cell.explainer)
        if explainer not in self.own_error:
            self.own_error[explainer] = has_own_error(record)
        if cell.control == ABLATED and self.own_error[explainer]:
            return  # of an earlier aexbench: it is the explainer itself, and no floor
        for name, info in scores.metrics.items():
            self.metrics.setdefault(name, info)
        seeds = self.cells.setdefault((explainer, cell.control), {})
        counted = scores.alarmed | unalarmed
        for label in np.unique(scores.label[counted]):
            rows = np.flatnonzero(counted & (scores.label == label))
            group = self.group(record, str(label), bool(scores.alarmed[rows].any()))
            values = {name: v[rows] for name, v in scores.values.items()}
            part = Part(values, scores.unit[rows])
            seeds.setdefault(group, {}).setdefault(cell.anomaly_seed, []).append(part)
        if cell.probe is not None:
            return
        self.reports[self.block(cell)][cell.detector_key] = record.detector
        self.sets[explainer, cell.control, cell.control_seed].add(cell.anomaly_key)
        self.kinds[cell.anomaly_key] = kind(record)
        own = cell.control == "none"
        records = self.records[explainer] if own else self.controlled[explainer, cell.control]
        records.append(record)

    def text(self, family: str, component: Component) -> str:
        """Return a component's text; a second one of the same text gets a number."""
        known = self.texts[family, component.text]
        known.setdefault(component.key)
        place = list(known).index(component.key)
        number = f" (version {place + 1})" if place else ""
        text = component.text + number
        if title := self.seen.title(family, component):
            self.titles[family, text] = title + number
        return text

    def shown(self, family: str, text: str) -> str:
        """Return what people see of a component's text: its title, if it has one."""
        return self.titles.get((family, text), text)

    def block(self, cell: Cell) -> str:
        """Return the name of a cell's data set with its detector, if that is not the data set's
        own, and its lineage, if merged stores have several.
        """
        detector = self.text("detector", cell.detector)
        plain = detector in (DEFAULT, GIVEN)
        mark = f" ({cell.lineage})" if cell.lineage else ""
        return self.text("dataset", cell.dataset) + ("" if plain else f" {detector}") + mark

    def group(self, record: Record, label: str, alarm: bool) -> str:
        """Return the name of a record's group, and remember it."""
        cell = record.cell
        block, corruption = self.block(cell), self.text("corruption", cell.corruption)
        label = "" if label == cell.corruption.name else label
        name = f"{block} / {corruption}" + (f" / {label}" if label else "")
        dataset = self.text("dataset", cell.dataset)
        if name not in self.groups:
            place = self.place(cell, label)
            made = Group(name, block, kind(record), dataset, corruption, place, alarm)
            self.groups[name] = made
        return name

    def place(self, cell: Cell, label: str) -> Place:
        """Return the parts of a group's name, as people see them."""
        parts = {"dataset": cell.dataset, "detector": cell.detector, "corruption": cell.corruption}
        texts = {name: self.text(name, part) for name, part in parts.items()}
        shown = {name: self.shown(name, text) for name, text in texts.items()}
        if texts["detector"] in (DEFAULT, GIVEN):
            shown["detector"] = self.titles.get(("detector", texts["detector"]), "")
        return Place(**shown, label=label)

    def controls(self, wanted: Kind) -> set[tuple[str, int]]:
        """Return the controls that some explainer has on anomalies of a kind, with their seeds."""
        return {
            (control, seed)
            for (_, control, seed), sets in self.sets.items()
            if any(self.kinds[key] == wanted for key in sets)
        }

    def of(self, key: Key, metric: str, wanted: Kind) -> Means:
        """Return the means of units by group of a kind and seed, where there are some; the table is
        complete by then.
        """
        place = key, metric, wanted
        if place not in self._means:
            self._means[place] = self._of(key, metric, wanted)
        return self._means[place]

    def _of(self, key: Key, metric: str, wanted: Kind) -> Means:
        found: dict[str, dict[int, Scored]] = defaultdict(dict)
        for group, seeds in self.cells.get(key, {}).items():
            if self.groups[group].kind != wanted:
                continue
            for seed, parts in sorted(seeds.items()):
                if (scored := _merged(parts, metric)) is not None:
                    found[group][seed] = scored
        return dict(found)


def unnumbered(text: str) -> str:
    """Return a component's text without the number that tells a second one of it apart.

    >>> unnumbered("lrp[root=joint] (version 2)"), unnumbered("residual")
    ('lrp[root=joint]', 'residual')
    """
    return NUMBER.sub("", text)


def bare(text: str) -> str:
    """Return a component's name, without its parameters and that number.

    >>> bare("null[threshold=0.2]"), bare("random (version 2)")
    ('null', 'random')
    """
    return text.partition("[")[0].partition(" ")[0]


def kind(record: Record) -> Kind:
    """Return what a record's anomalies are alike in."""
    cell = record.cell
    target: Target = "network" if cell.detector.text == GIVEN else "recipe"
    if cell.corruption.name == LABELS:
        return Kind(target, "labels", str(record.anomalies.get("truth", "")))
    return Kind(target, "corruptions", "cause")


def has_own_error(record: Record) -> bool:
    """Whether a record's explainer measures the error in its own way: it said so when it was run,
    or, where it was run before one could, says so today.
    """
    name, known = record.cell.explainer.name, families.explainers
    if record.own_error or record.role != "explainer" or name not in known.names():
        return record.own_error
    return known.describe(name).declaration.own_error


def _merged(parts: list[Part], metric: str) -> Scored | None:
    """Return the means of units, of the mean over a control's seeds sample by sample: all of them
    explain the same anomalies.
    """
    scored = [(part.values[metric], part.unit) for part in parts if metric in part.values]
    if not scored:
        return None
    unit = scored[0][1]
    return by_unit(np.mean([values for values, _ in scored], axis=0), unit), np.unique(unit)
