"""The validity card: what a ranking by corruptions has been seen to predict of that by labels.

Somebody who has no labels chooses the explainer that is first on corruptions. On data sets that
have labels one can see what such a choice is worth: how far both rankings agree (Kendall's τ), and
by how much the best explainer is better by labels than the chosen one (the regret). Beside them
stand choices that need no corruption: by one half of a data set's own labelled incidents, judged on
the other, as a ceiling, though both halves have the noise of few incidents; by the labels of the
other data sets; at random; and always the same explainer. Data sets are the sample: few have wide
intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from aexbench.board.choosing import Array, agreement, jackknife, over_entities, regret
from aexbench.board.comparing import Estimate
from aexbench.board.entities import Entity, read_entities
from aexbench.board.sections import Score
from aexbench.board.table import Table, bare

PAPER = ("null", "random", "adversarial")
THREE = "the mean of null, random and adversarial"
ALL = "the mean of all corruptions"
HALVES = "half of its own labels"
OTHERS = "labels of the other data sets"
PICK = "a random pick"
ALWAYS = "always "
RESIDUAL = f"{ALWAYS}residual"
LEAST_ENTITIES = 2  # of fewer nothing is seen
LABELS = {
    "cause": "labelled causes",
    "symptom": "labelled symptoms",
    "both": "labelled causes that are the symptoms too",
    "": "labels",
}

Pair = tuple[Array, Array]  # what is chosen by, and what that is judged by


@dataclass(frozen=True)
class Rule:
    """A way to choose an explainer, and what it has been worth on some data sets: its agreement
    with the ranking by labels, where it ranks, and its regret.
    """

    name: str
    tau: Score | None
    regret: Score
    entities: int


@dataclass(frozen=True)
class Card:
    """What choices of one among `explainers` have been worth, by the labels of `entities`; those
    that are `incomplete` lack a score, and are no choice. `titles` are what people see of data
    sets, corruptions and explainers that have some.
    """

    truth: str
    metric: str
    entities: Sequence[str]
    explainers: Sequence[str]
    incomplete: Sequence[str]
    rules: Sequence[Rule]
    titles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def shown(self, family: str, name: str) -> str:
        """Return what people see of a name."""
        return self.titles.get(family, {}).get(name, name)

    def shown_rule(self, name: str) -> str:
        """Return what people see of a rule, which names a corruption or an explainer."""
        always, _, explainer = name.partition(ALWAYS)
        if explainer and not always:
            return f"{ALWAYS}{self.shown('explainer', explainer)}"
        return self.shown("corruption", name)

    @property
    def labels(self) -> str:
        """Which labels judge."""
        return LABELS.get(self.truth, f"labels ({self.truth})")


def cards(table: Table, metric: str) -> list[Card]:
    """Return a card for each kind of labels that enough data sets have, beside corruptions."""
    kinds = sorted({group.kind for group in table.groups.values() if group.kind.origin == "labels"})
    found = [
        (kind, read_entities(table, kind, metric)) for kind in kinds if kind.target == "recipe"
    ]
    return [
        Card(
            truth=kind.truth,
            metric=metric,
            entities=[entity.name for entity in own.entities],
            explainers=own.explainers,
            incomplete=own.incomplete,
            rules=list(rules(own.entities, own.explainers)),
            titles=_titles(table),
        )
        for kind, own in found
        if len(own.entities) >= LEAST_ENTITIES and len(own.explainers) > 1
    ]


def _titles(table: Table) -> dict[str, dict[str, str]]:
    """Return the titles of a table by family and name."""
    found: dict[str, dict[str, str]] = {}
    for (family, name), title in table.titles.items():
        found.setdefault(family, {})[name] = title
    return found


def rules(entities: Sequence[Entity], explainers: Sequence[str]) -> Iterator[Rule]:
    """Yield what rules have been worth, those that rank before those that do not; a rule that fewer
    than two data sets can follow is left out.
    """
    for name, corruptions in _means(entities):
        own = [e for e in entities if e.corruptions.keys() >= set(corruptions)]
        if len(own) >= LEAST_ENTITIES:
            yield _ranking(name, [(_mean(e, corruptions), e.labels) for e in own])
    halves = [entity.halves for entity in entities if entity.halves is not None]
    if len(halves) >= LEAST_ENTITIES:
        yield _of_halves(halves)
    yield _of_others([entity.labels for entity in entities])
    yield _fixed(PICK, [regret(np.zeros(len(explainers)), e.labels) for e in entities])
    yield from _constant(entities, explainers)


def _means(entities: Sequence[Entity]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each corruption, the paper's three together, whatever their parameters, and all."""
    names = sorted({name for entity in entities for name in entity.corruptions})
    yield from ((name, [name]) for name in names)
    three = [name for name in names if bare(name) in PAPER]
    if {bare(name) for name in three} == set(PAPER) and three != names:
        yield THREE, three
    if len(names) > 1:
        yield ALL, names


def _mean(entity: Entity, corruptions: Sequence[str]) -> Array:
    return np.asarray(np.mean([entity.corruptions[name] for name in corruptions], axis=0))


def _ranking(name: str, pairs: Sequence[Pair]) -> Rule:
    """Return what choosing by one ranking is worth by another."""
    taus, regrets = ([worth(by, judged) for by, judged in pairs] for worth in (agreement, regret))
    return Rule(name, _tau(over_entities(taus)), _regret(over_entities(regrets)), len(pairs))


def _of_halves(halves: Sequence[Pair]) -> Rule:
    """Return what choosing by either half of the incidents is worth by the other."""
    taus = [agreement(one, other) for one, other in halves]
    regrets = [(regret(one, other) + regret(other, one)) / 2 for one, other in halves]
    return Rule(HALVES, _tau(over_entities(taus)), _regret(over_entities(regrets)), len(halves))


def _of_others(labels: Sequence[Array]) -> Rule:
    """Return what choosing by the labels of the other data sets is worth."""
    tau, lost = (jackknife(partial(by_others, worth), labels) for worth in (agreement, regret))
    return Rule(OTHERS, _tau(tau), _regret(lost), len(labels))


def by_others(worth: Callable[[Array, Array], float], labels: Sequence[Array]) -> float:
    """Return what the mean of all others is worth by each, on average; NaN where are no others."""
    if len(labels) < 2:
        return float("nan")
    total = np.sum(labels, axis=0)
    return float(np.mean([worth((total - own) / (len(labels) - 1), own) for own in labels]))


def _constant(entities: Sequence[Entity], explainers: Sequence[str]) -> Iterator[Rule]:
    """Yield what always the same explainer is worth, or floor, from the least regret on."""
    own = {n: [e.labels.max() - e.labels[k] for e in entities] for k, n in enumerate(explainers)}
    floors = {n: [e.labels.max() - e.floors[n] for e in entities] for n in entities[0].floors}
    for lost, least in ((own, 0.0), (floors, -np.inf)):  # a floor may be above all explainers
        found = [_fixed(f"{ALWAYS}{name}", values, least) for name, values in lost.items()]
        yield from sorted(found, key=lambda rule: rule.regret.mean)


def _fixed(name: str, regrets: Sequence[float], least: float = 0.0) -> Rule:
    """Return what a rule is worth that ranks nothing."""
    return Rule(name, None, _regret(over_entities(regrets), least), len(regrets))


def _tau(estimate: Estimate) -> Score:
    return _score(estimate, -1.0, 1.0)


def _regret(estimate: Estimate, least: float = 0.0) -> Score:
    return _score(estimate, least, np.inf)


def _score(estimate: Estimate, least: float, most: float) -> Score:
    """Return an estimate with its interval, as far as that can be."""
    ends = estimate.interval()
    if ends is None:
        return Score(estimate.value)
    low, high = np.clip(ends, least, most)
    return Score(estimate.value, float(low), float(high))
