"""Sentences stay right for each kind of feature, attribution and alarm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aexbench.explaining.parts import (
    Category,
    Column,
    Explanation,
    Feature,
    Lead,
    Pixels,
    Usual,
    Vote,
)
from aexbench.explaining.sentences import HEAVY, agreement, heavy, how_sure, odd
from aexbench.explaining.wording import apart, decimals, number, percent

PRESSURE = Column("pressure", 14.2, 4.2, Usual(3.1, 4.0, 5.0), 0.7)
FLOW = Column("flow", 1.0, 1.5, Usual(0.5, 1.0, 1.5), 0.3)


def feature(column: Column, attribution: float, share: float | None, **parts) -> Feature:
    return Feature(
        column.name, (column,), None, column.error_share, 0.1, attribution, share, **parts
    )


def explanation(**parts) -> Explanation:
    """Row 17 of the issue."""
    one = Explanation(
        label="Row 17",
        row=17,
        error=0.4,
        error_alarm=0.1,
        score=0.83,
        alarm=0.21,
        explainer="residual",
        chosen_by="default",
        reason="the default",
        features=(feature(PRESSURE, 0.61, 0.61), feature(FLOW, 0.39, 0.39)),
        lead=Lead("pressure", "flow", 0.22, None, "nothing", 1, 1),
        votes=(Vote("residual", ("pressure",)),),
    )
    return replace(one, **parts)


def test_the_sentence_of_an_alarm():
    assert explanation().sentence == (
        "Row 17 scores 0.83, above its alarm at 0.21: `residual` names `pressure` first "
        "(61 % of the attribution): 14.2, where 90 % of normal rows lie between 3.1 and 5, and "
        "the network expected 4.2."
    )


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"score": 0.1, "error": 0.05},
            "Row 17 scores 0.10 and raises no alarm (above 0.21): `residual`",
        ),
        ({"error": 0.1, "score": 0.21}, "Row 17 scores 0.21 and raises no alarm (above 0.21): "),
        ({"score": 0.2104, "alarm": 0.2101}, "scores 0.2104, above its alarm at 0.2101: "),
        ({"score": 1.0, "alarm": 1.0}, "has the error 0.4, above its alarm at 0.1: "),
        (
            {"score": None, "alarm": None, "error_alarm": None},
            "has the error 0.4 (not calibrated: nobody knows if that is an alarm): ",
        ),
    ],
)
def test_the_alarm_in_words(parts, said):
    assert said in explanation(**parts).sentence


def test_where_attributions_are_negative_the_share_is_of_the_positive_ones():
    features = (feature(PRESSURE, 0.6, 1.0), feature(FLOW, -0.2, -0.33))
    said = explanation(features=features).sentence
    assert "names `pressure` first (100 % of the positive attribution): 14.2" in said


def test_where_no_attribution_is_positive_nothing_is_named():
    features = (feature(PRESSURE, -0.1, None), feature(FLOW, -0.2, None))
    said = explanation(features=features).sentence
    assert said.endswith(
        ": `residual` names no feature, as no attribution is above 0; the highest is that of "
        "`pressure`, -0.1."
    )


def test_ties_are_told():
    votes = (Vote("residual", ("pressure", "flow")),)
    said = explanation(votes=votes).sentence
    assert said.endswith("names `pressure` and `flow` first alike, each 61 % of the attribution.")
    said = explanation(votes=(Vote("residual", ()),)).sentence
    assert said.endswith(": `residual` tells no feature from another.")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (
            replace(PRESSURE, value=4.9),
            "4.9, usual by itself as 90 % of normal rows lie between 3.1 and 5, but the network "
            "expected 4.2",
        ),
        (
            replace(PRESSURE, value=5.0),
            "5, usual by itself as 90 % of normal rows lie between 3.1 and 5, but the network "
            "expected 4.2",
        ),
        (replace(PRESSURE, usual=None), "14.2, where the network expected 4.2"),
        (
            replace(PRESSURE, usual=Usual(3.0, 3.0, 3.0)),
            "14.2, where 90 % of normal rows and more have 3, and the network expected 4.2",
        ),
        (
            Column("c", 3.0, 3.0, Usual(3.0, 3.0, 3.0), 0.0),
            "3, like 90 % of normal rows and more, and the network expected 3",
        ),
        (
            Column("c", 1e9 + 0.5, 1e9 + 0.25, Usual(1e9, 1e9 + 0.5, 1e9 + 1), 0.0),
            "1000000000.5, usual by itself as 90 % of normal rows lie between 1000000000 and "
            "1000000001, but the network expected 1000000000.25",
        ),
    ],
)
def test_a_number_in_words(column, said):
    assert odd(feature(column, 1.0, 1.0)) == said


@pytest.mark.parametrize(
    ("category", "said"),
    [
        (Category("udp", "tcp", 0.02), "`udp`, as in 2 % of normal rows, where the network "
         "expected `tcp`"),
        (Category("udp", "tcp", 0.0), "`udp`, as in no normal rows, where the network expected "
         "`tcp`"),
        (Category("udp", "tcp", None), "`udp`, where the network expected `tcp`"),
        (Category("udp", "udp", 0.5), "`udp`, as in 50 % of normal rows, as the network expected"),
    ],
)  # fmt: skip
def test_a_category_in_words(category, said):
    found = replace(feature(PRESSURE, 1.0, 1.0), category=category)
    assert odd(found) == said


def test_of_several_columns_the_one_with_most_of_the_error_is_told():
    found = Feature("pipe", (FLOW, PRESSURE), None, 1.0, 0.1, 1.0, 1.0)
    assert odd(found).startswith("most of its error is in `pressure`, 14.2, where 90 %")


def test_images_are_called_images():
    one = explanation(pixels=Pixels(None, None, None))
    assert "90 % of normal images lie between" in one.sentence


@pytest.mark.parametrize(
    ("lead", "said"),
    [
        (Lead("a", "b", 0.22, None, "nothing", 1, 1), "`a` leads `b` by 0.22, the same in every "
         "draw."),
        (Lead("a", "b", 0.22, 0.01, "draws", 5, 4), "`a` leads `b` by 0.22 ± 0.01 from draw to "
         "draw; it is first in 4 of 5 draws."),
        (Lead("a", "b", 0.22, 0.01, "standard error", 1, 1), "`a` leads `b` by 0.22, with a "
         "standard error of 0.01."),
        (Lead("a", "b", 0.22, None, "one draw", 1, 1), "`a` leads `b` by 0.22, in one draw: nobody "
         "knows how much that varies."),
        (None, "There is one feature only."),
    ],
)  # fmt: skip
def test_how_sure_it_is(lead, said):
    assert how_sure(lead) == said


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([], "No other explainer was asked, or could run."),
        ([Vote("b", ("x",)), Vote("c", ("x",))], "All 3 explainers name `x` first."),
        (
            [Vote("b", ("x",)), Vote("c", ("x",)), Vote("repair", ("flow",))],
            "3 of 4 explainers name `x` first; `repair` names `flow`.",
        ),
        (
            [Vote("b", ("flow",)), Vote("c", ("flow",)), Vote("d", ())],
            "Only this of 4 names `x` first; `b` and `c` name `flow`; `d` names none.",
        ),
        ([Vote("b", ("y", "x"))], "Both explainers name `x` first."),
        (
            [Vote("lrp", (), "no layer"), Vote("b", ("x",))],
            "Both explainers name `x` first. `lrp` cannot run: no layer.",
        ),
        (
            [Vote("lrp", (), "no layer"), Vote("c", (), "no layer")],
            "No other explainer was asked, or could run. `lrp` and `c` cannot run: no layer.",
        ),
    ],
)
def test_whether_the_others_agree(others, said):
    assert agreement((Vote("a", ("x",)), *others)) == said


def test_agreement_where_the_answer_names_none():
    votes = (Vote("a", ()), Vote("b", ("x",)))
    assert agreement(votes) == "Of 2 explainers this one tells no feature from another."


def test_a_feature_that_always_has_the_error_is_told():
    first = replace(feature(PRESSURE, 1.0, 1.0), usual_error_share=HEAVY)
    other = feature(FLOW, 0.0, 0.0)
    said = heavy(explanation(features=(first, other)))
    assert said == (
        "`pressure` has 50 % of the error of normal rows too (median): in these units the loss "
        "weighs it above all others."
    )
    light = replace(first, usual_error_share=0.49)
    assert heavy(explanation(features=(light, other))) == ""
    assert heavy(explanation(features=(first,))) == ""
    assert heavy(explanation(features=(replace(first, usual_error_share=None), other))) == ""


@pytest.mark.parametrize(
    ("usual", "places"),
    [((3.1, 5.0), 2), ((0.0, 0.19), 3), ((0.0, 1900.0), 0), ((0.0, 1e-7), 9), ((5.0, 5.0), 1)],
)
def test_decimals_tell_three_digits_of_the_usual_range(usual, places):
    column = Column("c", 14.2, 4.2, Usual(usual[0], usual[0], usual[1]), 0.0)
    assert decimals(column) == places


@pytest.mark.parametrize(
    ("value", "expected", "shown"),
    [(-0.0614006445, -0.061400623, "-0.0614"), (0.0, 0.0, "0"), (3.0, 3.0, "3"), (2.5, 2.0, "2.5")],
)
def test_rounding_is_not_shown_where_nothing_is_usual(value, expected, shown):
    column = Column("c", value, expected, None, 0.0)
    assert number(value, decimals(column)) == shown


def test_numbers_never_show_a_zero_with_a_sign_or_lose_what_is_small():
    assert number(-0.0004, 2) == "0"
    assert number(0.00004, 6) == "4e-05"
    assert number(123456789.0, 0) == "123456789"
    assert number(100.0, 2) == "100"


@pytest.mark.parametrize("share", [0.0, 0.004, 0.005, 0.5, 0.994, 0.9951, 1.0, -0.3])
def test_a_share_says_0_and_100_only_where_it_is_so(share):
    assert (percent(share) == "0 %") == (share == 0)
    assert (percent(share) == "100 %") == (share == 1)


def test_two_numbers_are_told_apart():
    for pair in ((0.5, 0.5), (0.5, 0.50001), (0.2, 0.0003)):
        one, other = apart(*pair)
        assert (one == other) == (pair[0] == pair[1])
        assert float(other) > 0
