"""The table that decides, row by row."""

from __future__ import annotations

import math

import pytest

from aexbench.auditing import answer
from aexbench.auditing.answer import decide, incidents_to_settle, shortlist
from aexbench.auditing.evidence import Evidence, Kind, Tried
from aexbench.auditing.words import headline, how_sure
from aexbench.auditing.worth import Worth
from aexbench.board.comparing import Estimate
from aexbench.board.sections import Score

SURE, UNSURE = 0.0001, 0.01  # variances of differences
FINE = Worth(error_ratio=0.2)


def tried(name, lead, plain=0.3, variance=SURE, units=60):
    """An explainer that has so much more than `residual`, which has so much more than
    `deviation`.
    """
    return Tried(
        name,
        Score(0.5 + lead),
        Estimate(lead, 0.0 if name == "residual" else variance, 50.0),
        Estimate(lead + plain, 0.0 if name == "deviation" else variance, 50.0),
        None if name == "deviation" else True,
        units,
    )


def kind(leads=None, plain=0.3, variance=SURE, units=60, matched=True, labelled=False):
    """A kind of anomalies on which explainers lead so much over `residual`."""
    named = {"residual": 0.0, "deviation": -plain, **(leads or {})}
    found = {name: tried(name, lead, plain, variance, units) for name, lead in named.items()}
    return Kind("kind", "", labelled, matched, units, 0.1, 1.0, found)


def labels(leads=None, units=12, **options):
    return kind(leads, units=units, matched=False, labelled=True, **options)


def evidence_of(*kinds, labelled=None, worth=FINE):
    """What was found, where the first kind that is like the alarms stands for all of them."""
    alike = next((kind for kind in kinds if kind.matched), None)
    return Evidence(worth, kinds, alike, labelled)


def decided(*kinds, labelled=None, worth=FINE):
    found = decide(evidence_of(*kinds, labelled=labelled, worth=worth))
    return found.by, found.explainer


def test_constants():
    assert (answer.ALIKE, answer.CHOOSING, answer.VETOING) == (0.02, 10, 3)
    assert (answer.SHORT, answer.ALWAYS) == (3, ("residual", "repair"))
    assert answer.WORTH_KNOWING == 0.05


def test_a_detector_that_has_learned_nothing_has_no_answer():
    better = kind({"a": 0.2})
    assert decided(better, worth=Worth("it is dead", "train it")) == ("detector", None)


def test_no_explainer_is_needed_where_deviation_is_as_good():
    assert decided(kind({"a": 0.01}, plain=0.0)) == ("deviation", "deviation")
    assert decided(kind({"a": 0.0}, plain=-0.1)) == ("deviation", "deviation")


@pytest.mark.parametrize(("lead", "needed"), [(0.02, False), (0.021, True)])
def test_alike_is_up_to_two_hundredths(lead, needed):
    (by, _) = decided(kind({"a": lead}, plain=0.0, variance=UNSURE))
    assert (by != "deviation") == needed


def test_an_explainer_is_needed_where_it_is_surely_better_by_little():
    assert decided(kind({"a": 0.015}, plain=0.0, variance=1e-6))[0] != "deviation"


def test_deviation_must_suffice_on_every_kind_like_the_alarms_and_on_labels():
    suffices, fails = kind({"a": 0.0}, plain=0.0), kind({"a": 0.1}, plain=0.1, variance=UNSURE)
    other = kind({"a": 0.1}, plain=0.1, matched=False)
    assert decided(suffices, other)[0] == "deviation"
    assert decided(suffices, fails)[0] != "deviation"
    assert decided(suffices, labelled=labels({"a": 0.1}, units=3, plain=0.1))[0] != "deviation"
    assert decided(suffices, labelled=labels({"a": 0.1}, units=2, plain=0.1))[0] == "deviation"


def test_where_nothing_is_like_the_alarms_deviation_is_not_said_to_suffice():
    assert decided(kind({"a": 0.0}, plain=0.0, matched=False))[0] == "default"


def test_ten_labelled_incidents_choose_from_the_shortlist():
    matched = kind({"repair": -0.2, "a": 0.1, "b": 0.05, "c": 0.04, "d": 0.03})
    found = labels({"repair": 0.0, "a": -0.2, "b": 0.2, "c": 0.0, "d": 0.4})
    assert decided(matched, labelled=found) == ("labels", "b")  # d is not on the shortlist
    evidence = evidence_of(matched, labelled=found)
    assert shortlist(evidence) == ["residual", "repair", "a", "b", "c"]


def test_labels_recommend_against_residual_only_what_is_surely_better():
    matched = kind({"a": 0.1})
    unsure = labels({"repair": 0.0, "a": 0.05}, variance=UNSURE)
    found = decide(evidence_of(matched, labelled=unsure))
    assert (found.by, found.explainer, found.runner_up) == ("labels", "residual", "a")
    assert found.difference.value == 0.05


def test_nine_labelled_incidents_veto_and_do_not_choose():
    matched = kind({"a": 0.1})
    assert decided(matched, labelled=labels({"a": 0.0}, units=9)) == ("explainer", "a")
    assert decided(matched, labelled=labels({"a": -0.02}, units=9)) == ("explainer", "a")
    against = labels({"a": -0.03}, units=9, variance=UNSURE)
    found = decide(evidence_of(matched, labelled=against))
    assert (found.by, found.explainer, found.vetoed) == ("default", "residual", ["a"])
    said = " ".join(how_sure(found, evidence_of(matched, labelled=against)))
    assert "worse on the labelled incidents: a." in said


def test_two_labelled_incidents_do_nothing():
    matched, against = kind({"a": 0.1}), labels({"a": -0.5}, units=2)
    assert decided(matched, labelled=against) == ("explainer", "a")


def test_one_that_is_vetoed_leaves_the_place_to_the_next():
    matched = kind({"a": 0.1, "b": 0.08})
    assert decided(matched, labelled=labels({"a": -0.3, "b": 0}, units=5)) == ("explainer", "b")


def test_one_must_be_surely_better_than_both_where_anomalies_are_like_the_alarms():
    assert decided(kind({"a": 0.1})) == ("explainer", "a")
    assert decided(kind({"a": 0.1}, variance=UNSURE)) == ("default", "residual")
    assert decided(kind({"a": 0.1}, plain=-0.07, variance=0.0004)) == ("default", "residual")
    assert decided(kind({"a": 0.1}, matched=False)) == ("default", "residual")


def test_one_must_be_surely_worse_on_no_kind():
    other = kind({"a": -0.1}, matched=False)
    assert decided(kind({"a": 0.1}), other) == ("default", "residual")
    unsure = kind({"a": -0.1}, matched=False, variance=UNSURE)
    assert decided(kind({"a": 0.1}), unsure) == ("explainer", "a")


def test_of_many_that_were_tried_holm_asks_more():
    lead, variance = 0.05, 0.0004  # t = 2.5: p is .008, and .025 / 4 is less
    assert decided(kind({"a": lead}, variance=variance)) == ("explainer", "a")
    crowd = {f"b{n}": 0.0 for n in range(3)}
    assert decided(kind({"a": lead, **crowd}, variance=variance)) == ("default", "residual")


def test_the_default_says_who_came_next_and_what_would_settle_it():
    matched = kind({"a": 0.01}, variance=0.0004, units=30)
    evidence = evidence_of(matched)
    found = decide(evidence)
    assert (found.by, found.explainer, found.runner_up) == ("default", "residual", "a")
    said = " ".join(how_sure(found, evidence))
    assert "Not surely better: a (+0.01 [-0.03, +0.05])." in said
    needed = incidents_to_settle(found.difference, 30)
    assert f"To settle a difference of 0.05 you need {needed} labelled incidents." in said
    assert headline(found, evidence).startswith("Take residual: nothing else")


def test_one_that_is_better_than_residual_alone_is_said_to_be():
    matched = kind({"a": 0.1}, plain=-0.07, variance=0.0004)
    said = " ".join(how_sure(decide(evidence_of(matched)), evidence_of(matched)))
    assert "Not surely better than both residual and deviation, or worse on some kind: a" in said
    assert "(+0.10 [+0.06, +0.14] and +0.03 [-0.01, +0.07])." in said


def test_where_nothing_was_found_the_default_stands_alone():
    found = decide(evidence_of(Kind("kind", "", reason="no anomaly found")))
    assert (found.by, found.explainer, found.runner_up) == ("default", "residual", None)


def test_what_is_needed_is_what_finds_a_difference_of_a_twentieth():
    sd = 0.2
    needed = incidents_to_settle(Estimate(0.01, sd**2 / 40, 39.0), 40)
    normal = ((1.96 + 0.8416) * sd / 0.05) ** 2  # 125.6, a little less than by Student's t
    assert math.ceil(normal) <= needed <= normal + 3
    assert incidents_to_settle(Estimate(0.01, 0.0, 39.0), 40) is None
    assert incidents_to_settle(Estimate(0.01, math.nan, 0.0), 1) is None
    assert incidents_to_settle(Estimate(0.01, 5.0, 39.0), 40) is None  # more than ten thousand


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (Evidence(Worth("it is dead", "train it")), "No answer: it is dead."),
        (evidence_of(kind({"a": 0.0}, plain=0.0)), "no explainer is needed"),
        (evidence_of(kind({"a": 0.1})), "Take a: it is surely better than residual and dev"),
        (
            evidence_of(kind({"a": 0.1}), labelled=labels({"a": 0.2, "repair": 0.0})),
            "Take a: it is surely better than residual on the labelled incidents.",
        ),
    ],
)
def test_the_headline(evidence, said):
    found = decide(evidence)
    assert said in headline(found, evidence)
    if found.by != "detector":
        assert (
            "has not been shown to beat always taking residual"
            in list(how_sure(found, evidence))[-1]
        )
