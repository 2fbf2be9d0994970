"""The validity card: what a ranking by corruptions has been seen to predict of that by labels.

Somebody who has no labels chooses the explainer that is first on corruptions. On entities that have
labels one can see what such a choice is worth: how far the two rankings agree (Kendall's τ), and by
how much the best explainer would have been better than the chosen one (the regret). Beside them
stand choices that need no corruption: labels of other entities, a random pick, always the same
explainer; and the choice by one half of an entity's own labelled incidents, judged on the other,
which no proxy can be expected to beat. Entities are the sample; few have wide intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aexbench.board.choosing import Array, agreement, over_entities, regret
from aexbench.board.sections import Score
from aexbench.board.table import Key, Kind, Scored, Table
from aexbench.errors import RequestError

PAPER = ("null", "random", "adversarial")
THREE = "the mean of null, random and adversarial"
ALL = "the mean of all corruptions"
CEILING = "half of its own labels (ceiling)"
OTHERS = "labels of the other data sets"
PICK = "a random pick"
RESIDUAL = "always residual"
LEAST_ENTITIES = 2  # of fewer nothing is seen


@dataclass(frozen=True)
class Rule:
    """A way to choose an explainer, and what it has been worth: its agreement with the ranking by
    labels, where it ranks, and its regret.
    """

    name: str
    tau: Score | None
    regret: Score
    entities: int


@dataclass(frozen=True)
class Card:
    """What choices of one among `explainers` have been worth, by the labels of `entities`."""

    truth: str
    metric: str
    entities: Sequence[str]
    explainers: Sequence[str]
    rules: Sequence[Rule]


@dataclass(frozen=True)
class Entity:
    """What explainers (K,) score on one data set with its detector, higher is better: by all its
    labelled incidents, by two halves of them where it has two, and by each corruption.
    """

    labels: Array
    halves: tuple[Array, Array] | None
    corruptions: Mapping[str, Array]


def cards(table: Table, metric: str) -> list[Card]:
    """Return a card for each kind of labels for which corruptions and entities are there."""
    kinds = sorted({group.kind for group in table.groups.values() if group.kind.origin == "labels"})
    made = (_card(table, kind, metric) for kind in kinds if kind.target == "recipe")
    return [card for card in made if card is not None]


def _card(table: Table, labelled: Kind, metric: str) -> Card | None:
    corrupted = Kind("recipe", "corruptions", "cause")
    blocks = [_blocks(table, kind) for kind in (labelled, corrupted)]
    entities = [block for block in blocks[0] if block in blocks[1]]
    known, floors = _known(table, metric, (labelled, corrupted), entities)
    if len(entities) < LEAST_ENTITIES or len(known) < 2:
        return None
    sign = 1.0 if table.metrics[metric].higher_is_better else -1.0
    scored = [_Scored(table, metric, sign, [*known, *floors], b) for b in entities]
    own = [one.entity(labelled, corrupted) for one in scored]
    rules = list(_rules(own, known, floors))
    return Card(labelled.truth, metric, entities, known, rules)


def _blocks(table: Table, kind: Kind) -> list[str]:
    return list(dict.fromkeys(g.block for g in table.groups.values() if g.kind == kind))


def _known(
    table: Table, metric: str, kinds: Sequence[Kind], entities: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the explainers, and the floors, that have a score in every group of these entities."""
    groups = {n for n, g in table.groups.items() if g.kind in kinds and g.block in entities}

    def whole(name: str) -> bool:
        there = [table.of((name, "none"), metric, kind) for kind in kinds]
        return groups <= {group for own in there for group in own}

    names = [name for name in table.records if whole(name)]
    roles = {name: table.records[name][0].role for name in names}
    return (
        [n for n in names if roles[n] == "explainer"],
        [n for n in names if roles[n] == "floor"],
    )


@dataclass(frozen=True)
class _Scored:
    """The scores of some explainers on one entity."""

    table: Table
    metric: str
    sign: float
    names: Sequence[str]
    block: str

    def entity(self, labelled: Kind, corrupted: Kind) -> Entity:
        """Return what they score by labels and by corruptions."""
        found: dict[str, list[str]] = {}
        for group in self.groups(corrupted):
            found.setdefault(self.corruption(group), []).append(group)
        by = {c: self.mean(corrupted, groups) for c, groups in found.items()}
        return Entity(self.mean(labelled, self.groups(labelled)), self.halves(labelled), by)

    def groups(self, kind: Kind) -> list[str]:
        found = self.table.groups.items()
        return [n for n, group in found if group.kind == kind and group.block == self.block]

    def corruption(self, group: str) -> str:
        return group.removeprefix(f"{self.block} / ").partition(" / ")[0]

    def mean(
        self, kind: Kind, groups: Sequence[str], of: Callable[[Scored], Array] = lambda s: s[0]
    ) -> Array:
        """Return the means over groups of the means over seeds of the means over units; of labels
        each incident counts once.
        """
        return self.sign * np.array([self._mean((n, "none"), kind, groups, of) for n in self.names])

    def _mean(
        self, key: Key, kind: Kind, groups: Sequence[str], of: Callable[[Scored], Array]
    ) -> float:
        own = self.table.of(key, self.metric, kind)
        parts = [[of(scored) for scored in own[group].values()] for group in groups]
        if kind.origin == "labels":  # the incidents of all groups together, seed by seed
            parts = [[np.concatenate(seed) for seed in zip(*parts, strict=True)]]
        return float(np.mean([np.mean([v.mean() for v in part if len(v)]) for part in parts]))

    def halves(self, kind: Kind) -> tuple[Array, Array] | None:
        """Return the scores by every other incident, and by those between."""
        groups, key = self.groups(kind), (self.names[0], "none")
        own = self.table.of(key, self.metric, kind)
        every = [set(units.tolist()) for g in groups for _, units in own[g].values()]
        units = sorted(set.intersection(*every))  # alarmed at each seed
        if len(units) < 2:
            return None
        first, second = (
            self.mean(kind, groups, lambda s, half=half: s[0][np.isin(s[1], half)])  # type: ignore[misc]
            for half in (units[::2], units[1::2])
        )
        return first, second


def _rules(
    entities: Sequence[Entity], explainers: Sequence[str], floors: Sequence[str]
) -> Iterator[Rule]:
    """Yield rules in the order of a card: corruptions, then labels, then what looks at nothing."""
    k = len(explainers)
    names = list(dict.fromkeys(name for e in entities for name in e.corruptions))
    every = [n for n in names if all(n in e.corruptions for e in entities)]
    for name in every:
        yield _ranking(name, [(e.corruptions[name][:k], e.labels[:k]) for e in entities])
    for title, chosen in ((THREE, _bare(every, PAPER)), (ALL, every)):
        if len(chosen) > 1:
            pairs = [(_average(e, chosen)[:k], e.labels[:k]) for e in entities]
            yield _ranking(title, pairs)
    halves = [(e.halves[0][:k], e.halves[1][:k]) for e in entities if e.halves]
    if halves:
        yield _of_halves(halves)
    yield _ranking(OTHERS, _of_others([e.labels[:k] for e in entities]))
    yield _constant(PICK, [np.ones(k) for _ in entities], entities, k)
    for place, name in enumerate((*explainers, *floors)):
        always = [_one(place, len(e.labels)) for e in entities]
        yield _constant(f"always {name}", always, entities, k)


def _bare(every: Sequence[str], wanted: Sequence[str]) -> Sequence[str]:
    """Return the corruptions of these names, whatever their parameters; none where one lacks."""
    found = {name: [c for c in every if c.partition("[")[0] == name] for name in wanted}
    one_each = all(len(own) == 1 for own in found.values())
    return [own[0] for own in found.values()] if one_each else []


def _average(entity: Entity, names: Sequence[str]) -> Array:
    return np.asarray(np.mean([entity.corruptions[name] for name in names], axis=0))


def _of_others(labels: Sequence[Array]) -> list[tuple[Array, Array]]:
    """Return for each entity the mean of the others' scores, and its own."""
    total = np.sum(labels, axis=0)
    return [((total - own) / (len(labels) - 1), own) for own in labels]


def _ranking(name: str, pairs: Sequence[tuple[Array, Array]]) -> Rule:
    """Return what choosing by one ranking is worth by another, over entities."""
    taus, regrets = ([of(by, judged) for by, judged in pairs] for of in (agreement, regret))
    return Rule(name, _score(taus), _score(regrets), len(pairs))


def _of_halves(halves: Sequence[tuple[Array, Array]]) -> Rule:
    """Return what choosing by one half of the labelled incidents is worth by the other half."""
    taus = [agreement(one, other) for one, other in halves]
    regrets = [(regret(one, other) + regret(other, one)) / 2 for one, other in halves]
    return Rule(CEILING, _score(taus), _score(regrets), len(halves))


def _constant(name: str, chosen: Sequence[Array], entities: Sequence[Entity], k: int) -> Rule:
    """Return what a rule is worth that ranks nothing; a floor may be above all explainers."""
    regrets = []
    for by, entity in zip(chosen, entities, strict=True):
        judged = entity.labels[: len(by)]
        regrets.append(float(entity.labels[:k].max() - judged[by == by.max()].mean()))
    return Rule(name, None, _score(regrets), len(entities))


def _one(place: int, count: int) -> Array:
    return np.asarray(np.arange(count) == place, dtype=np.float64)


def _score(values: Sequence[float]) -> Score:
    estimate = over_entities(values)
    return Score(estimate.value, *(estimate.interval() or (None, None)))


def refuse_none(found: list[Card]) -> list[Card]:
    """Return cards; RequestError where there is none."""
    if not found:
        raise RequestError(
            "nothing can be seen here: a card needs corruptions and labels on two data sets with "
            "a truth per feature, as the suite real has them"
        )
    return found
