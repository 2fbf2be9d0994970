"""The features that no explainer finds."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from aexbench.auditing import features
from aexbench.auditing.features import Hidden, hidden
from aexbench.features import Features

NAMED = Features(("a", "b", "c"))


def results(truth, *, role="explainer", control="none", state="ok", **values):
    """Return results of explainers that score so much on anomalies of this truth."""
    records = [
        SimpleNamespace(
            state=state,
            role=role,
            cell=SimpleNamespace(plain=control == "none", explainer=SimpleNamespace(text=name)),
            values={"top": np.array(own, dtype=float)},
        )
        for name, own in values.items()
    ]
    return SimpleNamespace(
        records=records,
        anomalies=lambda cell: SimpleNamespace(truth=np.array(truth, dtype=bool)),
        store=SimpleNamespace(read_scores=lambda record: record),
    )


def missed(found, described=NAMED):
    return hidden(found, described, described.group_names((3,)), "top")


B3 = [[0, 1, 0]] * 3


def test_constants():
    assert (features.FOUND, features.LEAST) == (0.5, 3)


def test_a_feature_that_the_best_names_first_in_less_than_half():
    found = missed([results(B3, one=[0, 0, 0], two=[1, 0, 0])])
    assert found == [Hidden("b", "two", pytest.approx(1 / 3), 3)]


def test_one_explainer_that_finds_it_is_enough():
    assert missed([results(B3, one=[0, 0, 0], two=[1, 1, 0])]) == []
    four = [[0, 1, 0]] * 4
    assert missed([results(four, one=[1, 1, 0, 0])]) == []  # half is found


def test_two_anomalies_say_nothing():
    assert missed([results(B3[:2], one=[0, 0])]) == []


def test_kinds_are_taken_together():
    found = hidden(
        [results(B3[:2], one=[0, 0]), results(B3[:1], one=[1])], NAMED, NAMED.names, "top"
    )
    assert found == [Hidden("b", "one", pytest.approx(1 / 3), 3)]


def test_only_what_was_changed_alone_counts():
    truth = [[0, 1, 0], [0, 1, 0], [0, 1, 1], [1, 1, 0]]
    assert missed([results(truth, one=[0, 0, 0, 0])]) == []


@pytest.mark.parametrize("other", [{"role": "floor"}, {"control": "initial"}, {"state": "failed"}])
def test_floors_controls_and_failures_find_nothing(other):
    found = hidden(
        [results(B3, one=[0, 0, 0]), results(B3, one=[1, 1, 1], **other)], NAMED, NAMED.names, "top"
    )
    assert found == [Hidden("b", "one", 0.0, 3)]


def test_a_group_is_one_feature():
    grouped = Features(("ip_1", "ip_2", "c"), groups=(0, 0, 1))
    (found,) = hidden(
        [results([[1, 1, 0]] * 3, one=[0, 0, 0])], grouped, grouped.group_names((3,)), "top"
    )
    assert found.name == grouped.group_names((3,))[0]
    assert (found.best, found.anomalies) == ("one", 3)
