"""Validity cards of hand-made stores, beside a twin that computes them by plain loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from aexbench.board import validity
from aexbench.board.entities import Entity
from aexbench.board.leaderboard import by_name as in_order
from aexbench.board.leaderboard import cards, leaderboard
from aexbench.board.table import Table, bare
from aexbench.board.validity import ALL, HALVES, OTHERS, PICK, THREE, Card, Rule, rules
from aexbench.running.packed import open_store, pack
from aexbench.running.scoring import MetricInfo
from aexbench.running.store import FileInfo, Record, Scores, Store
from tests.aexbench.board.test_choosing import regret_by_orders, tau_by_pairs
from tests.aexbench.board.test_leaderboard import add_one

SEEDS = (0, 1, 2)


class Cell(NamedTuple):
    """One explainer's scores on one set of anomalies."""

    explainer: str
    role: str
    data: str
    corruption: str
    seed: int
    values: np.ndarray
    unit: np.ndarray
    label: np.ndarray
    alarmed: np.ndarray


class Memory:
    """As much of a store as tables are made of."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.own: dict[str, Scores] = {}

    def write_scores(self, key: str, scores: Scores, of: FileInfo) -> FileInfo:
        self.own[key] = scores
        return of

    def write_record(self, record: Record) -> None:
        self.records.append(record)

    @property
    def table(self) -> Table:
        table = Table()
        for record in sorted(self.records, key=in_order):
            table.add(record, self.own[record.cell.key])
        return table

    def cards(self, metric: str = "m") -> list[Card]:
        return validity.cards(self.table, metric)


def put(store: Store | Memory, cells: list[Cell], truth: str = "symptom", **given: object) -> None:
    for cell in cells:
        add_one(
            store,
            cell.explainer,
            cell.values,
            role=cell.role,
            corruption=cell.corruption,
            seed=cell.seed,
            labels=cell.label,
            data=cell.data,
            report={"truth": truth} if cell.corruption == "labels" else {},
            unit=cell.unit,
            alarmed=cell.alarmed,
            **given,
        )


ROLES = dict.fromkeys("abcd", "explainer")
ROLES |= {"dice": "floor", "lookup": "floor", "oracle": "reference"}
CORRUPTIONS = ("null[t=1]", "random", "random[t=2]", "adversarial", "group[size=2]")
INCIDENTS = {"one": 9, "two": 6, "three": 1, "four": 7}


def drawn(seed: int = 0, digits: int = 1) -> list[Cell]:
    """Return cells whose few digits make ties: labels of two kinds with rows that raise no alarm,
    other incidents at other seeds, a data set of one incident, one that lacks a corruption, and a
    corruption that has two kinds.
    """
    rng = np.random.default_rng(seed)
    cells = []
    for data, incidents in INCIDENTS.items():
        for s in SEEDS:
            unit = np.repeat(np.arange(incidents), rng.integers(1, 4, incidents))
            alarmed = rng.random(len(unit)) < 0.8
            alarmed[unit < 2] = True
            label = np.where(unit % 3 == 1, "crack", "labels")
            sets = {"labels": (unit, label, alarmed)}
            for corruption in CORRUPTIONS:
                if (data, corruption) == ("four", "adversarial"):
                    continue
                label = np.full(8, corruption)
                label[:3] = "hard" if corruption == "random" else corruption
                sets[corruption] = (np.arange(8) // 2 * 2, label, np.ones(8, dtype=bool))
            for corruption, shared in sets.items():
                for name, role in ROLES.items():
                    values = np.round(rng.random(len(shared[0])), digits)
                    cells.append(Cell(name, role, data, corruption, s, values, *shared))
    return cells


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def of_unit(cell: Cell, label: str, unit: int) -> float | None:
    """Return the mean of an incident's rows that raise an alarm; None where none does."""
    own = zip(cell.values, cell.unit, cell.label, cell.alarmed, strict=True)
    counted = [v for v, u, of, alarm in own if (u, of) == (unit, label) and alarm]
    return mean(counted) if counted else None


def incidents(cell: Cell) -> dict[tuple[str, int], float]:
    found = {}
    for label in sorted(set(cell.label.tolist())):
        for unit in sorted(set(cell.unit.tolist())):
            if (value := of_unit(cell, label, unit)) is not None:
                found[label, unit] = value
    return found


class Twin:
    """The card of cells, from its definition."""

    def __init__(self, cells: list[Cell], sign: int = 1) -> None:
        self.cells, self.sign = cells, sign
        self.data = list(dict.fromkeys(sorted(cell.data for cell in cells)))
        self.explainers = [n for n, role in ROLES.items() if role == "explainer"]

    def of(self, name: str, data: str, corruption: str) -> list[Cell]:
        wanted = (name, data, corruption)
        return [c for c in self.cells if (c.explainer, c.data, c.corruption) == wanted]

    def by_labels(self, name: str, data: str, units=None) -> float:
        of_seeds = []
        for cell in self.of(name, data, "labels"):
            own = incidents(cell)
            of_seeds.append(mean(v for (_, u), v in own.items() if units is None or u in units))
        return self.sign * mean(of_seeds)

    def by_corruption(self, name: str, data: str, corruption: str) -> float:
        by_kind: dict[str, list[float]] = {}
        for cell in self.of(name, data, corruption):
            for label in set(cell.label.tolist()):
                own = mean(v for (of, _), v in incidents(cell).items() if of == label)
                by_kind.setdefault(label, []).append(own)
        return self.sign * mean(mean(of_seeds) for of_seeds in by_kind.values())

    def halves(self, data: str) -> tuple[list[int], list[int]] | None:
        alarmed = [{unit for _, unit in incidents(cell)} for cell in self.of("a", data, "labels")]
        units = sorted(set.intersection(*alarmed))
        return (units[::2], units[1::2]) if len(units) > 1 else None

    def labels(self, data: str, units=None) -> list[float]:
        return [self.by_labels(name, data, units) for name in self.explainers]

    def has(self, data: str, corruption: str) -> bool:
        return bool(self.of("a", data, corruption))

    def rankings(self) -> Iterator[tuple[str, list[tuple[list[float], list[float]]]]]:
        """Yield what ranks, with the pairs of what is chosen by and judged by."""
        named = {corruption: [corruption] for corruption in CORRUPTIONS}
        three = [c for c in CORRUPTIONS if c.split("[")[0] in ("null", "random", "adversarial")]
        named |= {THREE: three, ALL: list(CORRUPTIONS)}
        for title, chosen in named.items():
            pairs = []
            for data in self.data:
                if all(self.has(data, corruption) for corruption in chosen):
                    by = [
                        mean(self.by_corruption(name, data, corruption) for corruption in chosen)
                        for name in self.explainers
                    ]
                    pairs.append((by, self.labels(data)))
            yield title, pairs

    def values(self) -> dict[str, tuple[list[float], list[float]]]:
        """Return τ and regret by rule, one value a data set."""
        found = {}
        for title, pairs in self.rankings():
            found[title] = [[of(*pair) for pair in pairs] for of in (tau, lost)]
        halves = {data: self.halves(data) for data in self.data}
        split = [tuple(self.labels(d, h) for h in two) for d, two in halves.items() if two]
        found[HALVES] = (
            [tau(one, other) for one, other in split],
            [(lost(one, other) + lost(other, one)) / 2 for one, other in split],
        )
        labels = [self.labels(data) for data in self.data]
        found[PICK] = [], [max(own) - mean(own) for own in labels]
        for name, role in ROLES.items():
            if role != "reference":
                found[f"always {name}"] = (
                    [],
                    [max(self.labels(d)) - self.by_labels(name, d) for d in self.data],
                )
        return found

    def others(self, data: list[str]) -> tuple[float, float]:
        """Return τ and regret of the choice by the other data sets."""
        taus, regrets = [], []
        for own in data:
            rest = [self.labels(other) for other in data if other != own]
            by = [mean(values) for values in zip(*rest, strict=True)]
            taus.append(tau(by, self.labels(own)))
            regrets.append(lost(by, self.labels(own)))
        return mean(taus), mean(regrets)


def close(scores):
    return [round(score, 10) for score in scores]


def tau(by, judged):
    return tau_by_pairs(close(by), close(judged))


def lost(by, judged):
    return regret_by_orders(close(by), judged)


def half_width(values: list[float]) -> float:
    spread = sum((value - mean(values)) ** 2 for value in values) / (len(values) - 1)
    return float(stats.t.ppf(0.975, len(values) - 1) * (spread / len(values)) ** 0.5)


def check(score, values: list[float], least: float = -np.inf, most: float = np.inf) -> None:
    assert score.mean == pytest.approx(mean(values))
    half = half_width(values)
    assert score.low == pytest.approx(max(mean(values) - half, least), abs=1e-9)
    assert score.high == pytest.approx(min(mean(values) + half, most), abs=1e-9)


def card_of(cells: list[Cell], **given: object) -> Card:
    memory = Memory()
    put(memory, cells, **given)
    (card,) = memory.cards()
    return card


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("higher", [True, False])
def test_a_card_is_what_plain_loops_make_of_it(seed, higher):
    cells = drawn(seed)
    card = card_of(cells, higher=higher)
    twin = Twin(cells, 1 if higher else -1)
    rules = {rule.name: rule for rule in card.rules}
    wanted = twin.values()
    assert set(rules) == {*wanted, OTHERS}
    for name, (taus, regrets) in wanted.items():
        rule = rules[name]
        assert rule.entities == len(regrets)
        floor = name in ("always dice", "always lookup")
        check(rule.regret, regrets, -np.inf if floor else 0.0)
        assert (rule.tau is None) == (not taus)
        if taus:
            check(rule.tau, taus, -1.0, 1.0)
    others = rules[OTHERS]
    assert (others.tau.mean, others.regret.mean) == pytest.approx(twin.others(twin.data))
    without = [twin.others([d for d in twin.data if d != left]) for left in twin.data]
    for place, score in enumerate((others.tau, others.regret)):
        own = [values[place] for values in without]
        variance = 3 / 4 * sum((value - mean(own)) ** 2 for value in own)
        half = stats.t.ppf(0.975, 3) * variance**0.5
        least, most = ((-1.0, 1.0), (0.0, np.inf))[place]
        assert score.low == pytest.approx(max(score.mean - half, least), abs=1e-9)
        assert score.high == pytest.approx(min(score.mean + half, most))


def test_of_what_a_card_is():
    card = card_of(drawn())
    assert (card.truth, card.metric) == ("symptom", "m")
    assert list(card.entities) == sorted(INCIDENTS)
    assert list(card.explainers) == ["a", "b", "c", "d"]
    assert card.incomplete == []
    names = [rule.name for rule in card.rules]
    assert names[:9] == [*sorted(CORRUPTIONS), THREE, ALL, HALVES, OTHERS]
    assert names[9] == PICK
    for group in (card.rules[10:14], card.rules[14:]):
        shown = [rule.regret.mean for rule in group]
        assert shown == sorted(shown)
    assert {rule.name for rule in card.rules[14:]} == {"always dice", "always lookup"}


BY = np.array([0.1, 0.5, 0.3, 0.2])


def entity(name: str, labels=BY, halves=None, floor: float = 0.4, **corruptions) -> Entity:
    return Entity(name, np.asarray(labels), halves, corruptions, {"dice": floor})


def by_name(entities, explainers="abcd") -> dict[str, Rule]:
    return {rule.name: rule for rule in rules(entities, list(explainers))}


def test_a_corruption_that_equals_the_labels_predicts_them():
    labels = np.random.default_rng(0).random((3, 4))
    own = [entity(f"{n}", by, null=2 * by - 1, random=-by) for n, by in enumerate(labels)]
    found = by_name(own)
    null, other = found["null"], found["random"]
    assert (null.tau.mean, null.tau.low, null.tau.high) == (1, 1, 1)
    assert (null.regret.mean, null.regret.low, null.regret.high) == (0, 0, 0)
    assert (other.tau.mean, other.tau.low) == (-1, -1)
    assert other.regret.mean == pytest.approx(np.mean(labels.max(axis=1) - labels.min(axis=1)))


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_explainers_and_of_data_sets_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((3, 5, 4)), 1)
    order, places = rng.permutation(4), rng.permutation(3)

    def made(at):
        return [
            entity(f"{n}", own[0][at], (own[1][at], own[2][at]), null=own[3][at], random=own[4][at])
            for n, own in enumerate(scores)
        ]

    one = by_name(made(np.arange(4)))
    other = by_name([made(order)[p] for p in places], [*np.array(list("abcd"))[order]])
    assert one.keys() == other.keys()
    for name, rule in one.items():
        assert rule.regret.mean == pytest.approx(other[name].regret.mean)
        if rule.tau is not None:
            assert (rule.tau.mean, rule.tau.high) == pytest.approx(
                (other[name].tau.mean, other[name].tau.high)
            )


def test_a_random_pick_is_the_mean_of_all_constant_choices():
    own = [entity(f"{n}", by) for n, by in enumerate(np.random.default_rng(1).random((3, 4)))]
    found = by_name(own)
    always = [found[f"always {name}"].regret.mean for name in "abcd"]
    assert found[PICK].regret.mean == pytest.approx(np.mean(always))
    assert all(rule.tau is None for name, rule in found.items() if name != OTHERS)


def test_what_cannot_be_is_in_no_interval_but_a_floor_may_be_above_all():
    own = [entity("one", null=BY, floor=0.9), entity("two", null=-BY, floor=0.4)]
    found = by_name(own)
    assert (found["null"].tau.low, found["null"].tau.high) == (-1, 1)
    assert found["null"].regret.low == 0
    dice = found["always dice"].regret
    assert dice.mean == pytest.approx((-0.4 + 0.1) / 2)
    assert dice.low < dice.mean


def test_each_half_chooses_and_each_judges():
    one, other = np.array([0.9, 0.1, 0.2, 0.0]), np.array([0.3, 0.6, 0.2, 0.1])
    found = by_name([entity("one", halves=(one, other)), entity("two", halves=(other, one))])
    assert found[HALVES].regret.mean == pytest.approx((0.3 + 0.8) / 2)
    assert found[HALVES].tau.mean == pytest.approx(tau_by_pairs(one, other))


def test_a_rule_that_one_data_set_alone_can_follow_is_left_out():
    two = (BY, BY)
    own = [entity("one", halves=two, null=BY), entity("two"), entity("three")]
    assert {"null", HALVES}.isdisjoint(by_name(own))
    own[1] = entity("two", halves=two, null=BY)
    found = by_name(own)
    assert (found["null"].entities, found[HALVES].entities, found[PICK].entities) == (2, 2, 3)


@pytest.mark.parametrize(
    ("names", "means"),
    [
        (["null"], []),
        (["null", "random"], [ALL]),
        (["null", "random", "adversarial"], [ALL]),
        (["null", "null[t=2]", "random[t=1]", "adversarial", "group"], [THREE, ALL]),
        (["null", "null[t=2]", "random", "group"], [ALL]),
        (["null", "random", "adversarialist", "group"], [ALL]),
    ],
)
def test_which_corruptions_are_averaged(names, means):
    own = [entity(name, **dict.fromkeys(names, BY)) for name in ("one", "two")]
    assert [name for name in by_name(own) if name in (THREE, ALL)] == means


def test_the_papers_three_are_averaged_whatever_their_parameters():
    own = {"null[t=1]": BY, "null[t=2]": -9 * BY, "random": BY, "adversarial (version 2)": BY}
    found = by_name([entity(name, **own, group=BY) for name in ("one", "two")])
    assert found[THREE].tau.mean == -1
    assert bare("null[t=1]") == bare("null (version 2)") == "null"


def regrets(card: Card) -> dict[str, float]:
    return {rule.name: rule.regret.mean for rule in card.rules}


@pytest.mark.parametrize(
    "lacks",
    [
        lambda c: c.data == "two" and c.corruption == "random",
        lambda c: c.data == "two" and c.corruption == "labels" and c.seed == 1,
        lambda c: c.corruption == "null[t=1]" and c.seed == 2,
        lambda c: c.data == "one",
    ],
)
def test_an_explainer_that_lacks_a_score_is_no_choice_and_changes_none(lacks):
    cells = drawn()
    some = [c for c in cells if c.explainer != "b" or not lacks(c)]
    without = [c for c in cells if c.explainer != "b"]
    card, other = card_of(some), card_of(without)
    assert (list(card.explainers), list(card.incomplete)) == (["a", "c", "d"], ["b"])
    assert regrets(card) == regrets(other)


def test_an_explainer_of_other_data_sets_is_not_called_incomplete(tmp_path):
    cells = drawn()
    other = [c._replace(explainer="z", data="five") for c in cells if c.explainer == "a"]
    other = [c for c in other if c.corruption == "random"]
    assert card_of([*cells, *other]).incomplete == []


def test_a_floor_is_asked_for_labels_alone(tmp_path):
    cells = [
        c
        for c in drawn()
        if (c.explainer, c.corruption) != ("dice", "random")
        and (c.explainer, c.corruption, c.seed) != ("lookup", "labels", 0)
    ]
    names = set(regrets(card_of(cells)))
    assert "always dice" in names
    assert "always lookup" not in names


def test_a_kind_that_raises_no_alarm_at_a_seed_counts_at_the_others(tmp_path):
    cells = []
    for cell in drawn():
        quiet = cell.corruption == "labels" and cell.seed == 1
        alarmed = cell.alarmed & ~(quiet & (cell.label == "crack"))
        cells.append(cell._replace(alarmed=alarmed))
    found, wanted = regrets(card_of(cells)), Twin(cells).values()
    assert all(found[name] == pytest.approx(mean(of)) for name, (_, of) in wanted.items())


def test_each_kind_of_truth_has_a_card_of_its_own():
    cells, memory = drawn(), Memory()
    put(memory, cells)
    two = [c._replace(data=f"{c.data} cause") for c in cells if c.data in ("one", "two")]
    put(memory, two, truth="cause")
    put(memory, [c._replace(data="alone") for c in cells if c.data == "one"], truth="both")
    found = memory.cards()
    assert [(card.truth, len(card.entities)) for card in found] == [("cause", 2), ("symptom", 4)]
    assert regrets(found[1]) == regrets(card_of(cells))


def test_each_metric_has_the_data_sets_that_it_was_computed_on():
    memory = Memory()
    put(memory, drawn())
    few = [c._replace(data=f"{c.data} too") for c in drawn(1) if c.data in ("one", "two")]
    put(memory, few, metric="n")
    assert [len(card.entities) for name in ("m", "n") for card in memory.cards(name)] == [4, 2]


def test_a_data_set_with_two_detectors_is_one_entity():
    cells, memory = drawn(), Memory()
    put(memory, cells)
    put(memory, cells, detector="deep")
    (card,) = memory.cards()
    assert list(card.entities) == sorted(INCIDENTS)
    assert regrets(card) == pytest.approx(regrets(card_of(cells)))  # twice the same
    assert card.rules[0].entities == 3


def test_given_networks_have_no_card():
    memory = Memory()
    put(memory, drawn(), detector="given")
    assert memory.cards() == []


def test_of_what_pools_samples_each_kind_counts_the_same_and_there_are_no_halves():
    cells, memory = drawn(), Memory()
    put(memory, cells)
    table = memory.table
    table.metrics["m"] = MetricInfo(title="metric", pooled=True)
    (card,) = validity.cards(table, "m")
    assert HALVES not in regrets(card)
    twin = Twin(cells)
    labels = [[twin.by_corruption(n, data, "labels") for n in "abcd"] for data in twin.data]
    assert regrets(card)[PICK] == pytest.approx(mean(max(own) - mean(own) for own in labels))


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (lambda c: True, 1),
        (lambda c: c.data == "one", 0),
        (lambda c: ROLES[c.explainer] != "explainer" or c.explainer == "a", 0),
        (lambda c: ROLES[c.explainer] != "explainer", 0),
        (lambda c: c.corruption != "labels", 0),
        (lambda c: c.corruption == "labels", 0),
        (lambda c: (c.data == "one") == (c.corruption == "labels"), 0),
    ],
)
def test_a_card_needs_two_explainers_and_two_data_sets_that_have_both(wanted, count):
    memory = Memory()
    put(memory, [c for c in drawn() if c.data in ("one", "two") and wanted(c)])
    assert len(memory.cards()) == count


def few(*data: str) -> list[Cell]:
    """Return cells of one seed, with labels and one corruption."""
    sets = ("labels", "random")
    return [c for c in drawn() if c.data in data and c.corruption in sets and c.seed == 0]


@pytest.fixture
def store(tmp_path) -> Store:
    """A store with labels and a corruption on three data sets."""
    found = Store(tmp_path / "store", create=True)
    put(found, few("one", "two", "three"))
    return found


def test_a_board_has_the_cards_of_each_metric_those_of_what_ranks_first(store):
    put(store, [c._replace(data=f"{c.data} n") for c in few("one", "two")], metric="n")
    assert [card.metric for card in leaderboard(store).cards] == ["m", "n"]
    assert [card.metric for card in leaderboard(store, "n").cards] == ["n", "m"]
    assert [card.metric for card in cards(store, "n")[0]] == ["n"]


def test_a_board_that_is_split_has_no_card(store):
    store.strata = lambda record, by: store.read_scores(record).label
    assert leaderboard(store, by="feature").cards == ()


def test_a_store_its_packed_form_and_its_board_have_the_same_cards(store, tmp_path):
    pack(store, tmp_path / "packed")
    found, complaints = cards(store)
    assert ([card.metric for card in found], complaints) == (["m"], [])
    assert cards(open_store(tmp_path / "packed")) == (found, [])
    assert leaderboard(store).cards == found


def test_what_cannot_be_read_is_said(store):
    (store.root / "cells" / f"{'0' * 32}.json").write_text("not json")
    _, (complaint,) = cards(store)
    assert "is no record" in complaint


def test_cards_of_some_cells_and_of_some_data_sets(store):
    (card,), _ = cards(store, datasets=["three", "one"])
    assert list(card.entities) == ["one", "three"]
    keys = {r.cell.key for r in store.records()[0] if r.cell.explainer.name != "b"}
    (card,), _ = cards(store, keys=keys)
    assert (list(card.explainers), len(card.entities)) == (["a", "c", "d"], 3)
