"""The generated database workload: the same rows everywhere; and its encoding, learned from
training rows alone.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aexbench import Detector, RequestError, datasets
from aexbench.datasets.sql.encoding import fit
from aexbench.datasets.sql.habits import world
from aexbench.datasets.sql.intrusions import KINDS
from aexbench.datasets.sql.roles import vocabulary
from aexbench.datasets.sql.schema import NAMES, SCHEMA
from aexbench.datasets.sql.workload import BLOCK, FIT_ROWS, Workload, encoded, fitted
from aexbench.datasets.tools.shards import Shards
from aexbench.detector import ScoreScale
from aexbench.running.references import labelled_anomalies

WORKLOAD = Workload(seed=3)


@pytest.fixture(scope="module")
def test_rows():
    return WORKLOAD.rows("test", 0, 8 * BLOCK)


@pytest.fixture(scope="module")
def train_rows():
    return WORKLOAD.rows("train", 0, 2 * BLOCK).activity


def table(activity) -> np.ndarray:
    return np.column_stack([activity[name].astype(float) for name in NAMES])


def same(one, other) -> bool:
    return np.array_equal(table(one.activity), table(other.activity)) and all(
        np.array_equal(a, b) for a, b in zip(one[1:], other[1:], strict=True)
    )


@settings(max_examples=10, deadline=None)
@given(start=st.integers(0, 3 * BLOCK), length=st.integers(1, BLOCK + 10))
def test_rows_do_not_depend_on_the_range_they_are_asked_for_in(start, length, test_rows):
    stop = start + length
    assert same(Workload(seed=3).rows("test", start, stop), test_rows.slice(start, stop))


def test_seeds_splits_and_blocks_do_not_repeat_each_other():
    blocks = [(3, s, n) for s in ("train", "validation", "test") for n in (0, 1)] + [
        (4, "train", 0)
    ]
    rows = np.concatenate(
        [table(Workload(seed).block(split, n).activity) for seed, split, n in blocks]
    )
    measured = rows[:, [NAMES.index(name) for name in ("hour", "session-age", "gap")]]
    assert len(np.unique(measured, axis=0)) == len(rows)


def test_units_are_sessions_and_their_own_across_splits_and_blocks():
    made = [WORKLOAD.block(split, n) for split in ("train", "validation", "test") for n in (0, 1)]
    units = [set(block.unit.tolist()) for block in made]
    assert len(set.union(*units)) == sum(map(len, units))
    block = made[0]
    begins = np.flatnonzero(np.diff(block.unit, prepend=-1))
    assert np.array_equal(begins, np.flatnonzero(block.activity["statements"] == 0))
    for name in ("user", "role", "program", "host", "database"):
        assert np.array_equal(
            block.activity[name], np.repeat(block.activity[name][begins], np.diff([*begins, BLOCK]))
        )


def test_columns_are_those_of_the_schema_in_its_types_and_ranges(test_rows):
    words = vocabulary()
    for feature in SCHEMA:
        column = test_rows.activity[feature.name]
        assert column.dtype == (np.int32 if feature.kind == "category" else np.float64)
        assert column.min() >= 0
        if feature.kind == "category":
            assert column.max() < len(words[feature.name])
        elif feature.kind == "cycle":
            assert column.max() < feature.period
        else:
            assert np.isfinite(column).all()


def test_session_age_is_the_sum_of_the_gaps(train_rows):
    block = WORKLOAD.block("validation", 0)
    for unit in np.unique(block.unit)[:50]:
        rows = block.unit == unit
        assert np.allclose(
            block.activity["session-age"][rows], np.cumsum(block.activity["gap"][rows])
        )
        assert np.array_equal(block.activity["statements"][rows], np.arange(rows.sum()))


def test_features_depend_on_each_other(train_rows):
    code = {word: number for number, word in enumerate(vocabulary()["command"])}
    select = (
        (train_rows["command"] == code["select"])
        & (train_rows["error"] == 0)
        & (train_rows["rows"] > 0)
    )

    def correlation(one, other, rows):
        return np.corrcoef(np.log1p(train_rows[one][rows]), np.log1p(train_rows[other][rows]))[0, 1]

    assert correlation("rows", "bytes", select) > 0.9
    assert correlation("rows", "duration", select) > 0.5
    assert correlation("tables", "joins", select) > 0.8
    assert correlation("columns", "length", select) > 0.5
    assert correlation("rows", "bytes", ~select) < 0.5  # what returns nothing sends nothing
    failed = train_rows["error"] > 0
    assert 0.002 < failed.mean() < 0.05
    assert train_rows["rows"][failed].max() == 0


def test_amounts_have_heavy_tails_and_rare_jobs_are_there(train_rows):
    roles, users = vocabulary()["role"], train_rows["role"]
    assert train_rows["rows"].max() > 1e5 * np.median(train_rows["rows"])
    assert 0 < (users == roles.index("backup")).mean() < 0.03
    assert len(np.unique(users)) == len(roles)


def test_an_intrusion_differs_from_the_statement_it_was_made_from_in_the_true_columns_alone(
    test_rows,
):
    normal = Workload(seed=3, intrusions=0.0).rows("test", 0, 8 * BLOCK)
    assert not normal.kind.any()
    assert not normal.truth.any()
    assert np.array_equal(table(normal.activity) != table(test_rows.activity), test_rows.truth)
    count = test_rows.truth.sum(axis=1)
    assert np.array_equal(count > 0, test_rows.kind > 0)
    assert count.max() <= 5


def test_each_kind_of_intrusion_changes_what_it_is_named_for(test_rows):
    always = {
        "exfiltration": {"rows", "duration", "bytes"},
        "injection": {"length", "literals"},
        "privilege-misuse": {"command"},
        "off-hours": {"hour"},
        "credential-sharing": {"program", "host"},
    }
    for kind, names in always.items():
        truth = test_rows.truth[test_rows.kind == KINDS.index(kind)]
        assert {NAMES[column] for column in np.flatnonzero(truth.all(axis=0))} == names


def test_intrusions_are_wrong_for_the_user_and_mostly_usual_by_themselves(test_rows, train_rows):
    for kind, name in (
        ("credential-sharing", "host"),
        ("credential-sharing", "program"),
        ("privilege-misuse", "database"),
    ):
        rows = test_rows.truth[:, NAMES.index(name)] & (test_rows.kind == KINDS.index(kind))
        known = set(zip(train_rows["user"].tolist(), train_rows[name].tolist(), strict=True))
        activity = test_rows.activity
        assert not known & set(
            zip(activity["user"][rows].tolist(), activity[name][rows].tolist(), strict=True)
        )
        assert np.isin(activity[name][rows], train_rows[name]).mean() > 0.4
    for name in ("rows", "bytes", "duration", "length"):
        changed = test_rows.truth[:, NAMES.index(name)]
        assert (test_rows.activity[name][changed] <= train_rows[name].max()).mean() > 0.95


def test_one_session_holds_one_intrusion_at_most_and_some_hold_several_rows(test_rows):
    pairs = np.unique(np.column_stack([test_rows.unit, test_rows.kind])[test_rows.kind > 0], axis=0)
    assert len(np.unique(pairs[:, 0])) == len(pairs)
    assert (test_rows.kind > 0).sum() > 2 * len(pairs)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05])
def test_intrusions_have_their_share_and_the_kinds_share_it(share):
    kind = Workload(seed=5, intrusions=share).rows("test", 0, 6 * BLOCK).kind
    assert (kind > 0).mean() == pytest.approx(share, rel=0.5 if share < 0.01 else 0.1)
    counts = np.bincount(kind, minlength=len(KINDS))[1:]
    assert counts.min() > (0.4 if share < 0.01 else 0.8) * counts.mean()


def test_normal_splits_hold_no_intrusions():
    for split in ("train", "validation"):
        block = WORKLOAD.block(split, 0)
        assert not block.kind.any()
        assert not block.truth.any()


@pytest.mark.parametrize("encoding", ["scalar", "groups"])
def test_normal_rows_lie_between_0_and_1_and_extremes_below_2(encoding, train_rows):
    encoder = fit(train_rows, encoding, vocabulary())
    x = encoder.encode(WORKLOAD.rows("validation", 0, BLOCK).activity)
    assert x.dtype == np.float32
    assert x.shape == (BLOCK, len(encoder.features.names))
    assert x.min() >= 0
    assert (x > 1).mean() < 0.002
    extreme = {name: train_rows[name][:3].copy() for name in NAMES}
    for feature in SCHEMA:
        if feature.kind == "amount":
            extreme[feature.name][:] = [0.0, 1e12, np.inf]
    assert 1 < encoder.encode(extreme).max() <= 2


@pytest.mark.parametrize("encoding", ["scalar", "groups"])
def test_a_row_is_encoded_by_itself_with_what_training_rows_have_taught(encoding, test_rows):
    encoder = fitted(WORKLOAD, 5000, encoding)
    whole = encoder.encode(test_rows.activity)
    assert np.array_equal(encoder.encode(test_rows.slice(700, 900).activity), whole[700:900])
    again = encoded(WORKLOAD, fitted(WORKLOAD, 5000, encoding), "test", 700, BLOCK + 900)
    assert np.array_equal(again.x, whole[700 : BLOCK + 900])
    training = WORKLOAD.rows("train", 0, 5000).activity
    assert np.array_equal(fit(training, encoding).encode(test_rows.activity), whole)
    assert not np.array_equal(fit(test_rows.activity, encoding).encode(test_rows.activity), whole)


def small(**columns):
    return {name: np.asarray(values) for name, values in columns.items()}


def test_frequent_categories_are_near_1_rare_near_0_unseen_0():
    activity = small(user=np.array([0] * 90 + [1] * 9 + [2], dtype=np.int32))
    codes = fit(activity).encode(small(user=np.array([0, 1, 2, 3, 999, -1], dtype=np.int32)))[:, 0]
    assert codes[0] == 1
    assert codes[2] == pytest.approx(0.1)
    assert 0.1 < codes[1] < 1
    assert codes[1] == pytest.approx(0.1 + 0.9 * np.log(10 / 2) / np.log(91 / 2))
    assert codes[3:].tolist() == [0, 0, 0]


def test_missing_values_have_their_place():
    missing = small(
        user=np.array([0, 0, -1], dtype=np.int32),
        hour=np.array([12.0, 6.0, np.nan]),
        rows=np.array([1.0, 5.0, np.nan]),
    )
    scalar = fit(missing).encode(missing)
    assert scalar[2].tolist() == pytest.approx([0.1, 0, 0])  # seen in training, the rarest
    groups = fit(missing, "groups", {"user": ["ann"]})
    assert groups.features.names == ("user=ann", "user=bucket-0", "hour=sin", "hour=cos", "rows")
    assert groups.features.groups == (0, 0, 1, 1, 2)
    assert groups.features.kinds == ("onehot", "embedding", "columns")
    assert groups.encode(missing)[2].tolist() == [0, 0, 0.5, 0.5, 0]


def test_an_amount_is_its_logarithm_between_two_quantiles():
    values = np.arange(1.0, 10_001.0)
    x = fit(small(rows=values)).encode(small(rows=values))[:, 0].astype(float)
    offset = np.quantile(values, 0.01)
    low, high = np.quantile(np.log(values + offset), [0.001, 0.999])
    slow = (np.log(values + offset) - low) / (high - low)
    inside = (slow >= 0) & (slow <= 1)
    assert np.allclose(x[inside], slow[inside], atol=1e-5)
    assert np.allclose(x[slow > 1], 1 + np.tanh(slow[slow > 1] - 1), atol=1e-5)
    assert (x[slow < 0] == 0).all()
    assert (np.diff(x) >= 0).all()


def test_a_corrupted_category_is_another_category_and_an_hour_another_hour(train_rows):
    encoder = fit(train_rows, "groups", vocabulary())
    features, x = encoder.features, encoder.encode(train_rows)[:300].astype(np.float64)
    for number, kind in enumerate(features.kinds):
        mask = features.masks(np.full(len(x), number), x.shape[1:])
        drawn = features.redrawn(x, mask, np.random.default_rng(0).random(x.shape), x)
        block = drawn[:, np.equal(features.groups, number)]
        if kind == "onehot":
            assert set(block.sum(axis=1).tolist()) <= {0.0, 1.0}
        if kind == "embedding":  # a point of the circle, or its centre
            radius = np.hypot(*(2 * block - 1).T)
            assert np.all((np.abs(radius - 1) < 1e-6) | (radius < 1e-6))
    assert np.array_equal(encoder.features.kinds, fitted(WORKLOAD, 500, "groups").features.kinds)


def test_groups_are_one_hot_whatever_the_category(train_rows):
    encoder = fit(train_rows, "groups", vocabulary())
    assert sorted(set(encoder.features.groups)) == list(range(21))
    x = encoder.encode({**train_rows, "user": np.arange(len(train_rows["user"]), dtype=np.int32)})
    sums = encoder.features.sum_groups(x)
    for number, feature in enumerate(SCHEMA):
        if feature.kind == "category":
            assert (sums[:, number] == 1).all()
    columns = np.array(encoder.features.names)
    buckets = x[:, [name.startswith("user=bucket") for name in columns]]
    assert buckets.shape[1] == 4
    assert (np.abs(buckets.mean(axis=0) - 0.25) < 0.02).all()
    assert columns[encoder.encode(train_rows)[0].astype(bool)][0].startswith("user=")
    command = vocabulary()["command"][train_rows["command"][0]]
    assert encoder.encode(train_rows)[0, columns.tolist().index(f"command={command}")] == 1


def test_the_truth_covers_all_columns_of_a_feature():
    encoder = fitted(WORKLOAD, 3000, "groups")
    made = encoded(WORKLOAD, encoder, "test", 0, 3000)
    assert np.array_equal(
        encoder.features.any_groups(made.truth), WORKLOAD.rows("test", 0, 3000).truth
    )


def test_what_a_source_lacks_is_left_out_in_the_schemas_order(train_rows):
    some = {name: train_rows[name] for name in ("rows", "command", "hour")}
    encoder = fit(some)
    assert encoder.features.names == ("hour", "command", "rows")
    assert encoder.spread(np.eye(21, dtype=bool)).sum() == 3
    with pytest.raises(RequestError, match="fitted with command"):
        encoder.encode({name: some[name] for name in ("rows", "hour")})


@pytest.mark.parametrize(
    ("activity", "encoding", "message"),
    [
        ({"rows": np.arange(3.0)}, "onehot", "unknown encoding 'onehot'"),
        ({"row": np.arange(3.0)}, "scalar", "did you mean 'rows'"),
        ({"rows": np.arange(3.0), "bytes": np.arange(2.0)}, "scalar", r"lengths are \[2, 3\]"),
        ({"rows": np.arange(0.0)}, "scalar", "at least one row"),
        ({}, "scalar", "at least one row"),
    ],
)
def test_columns_that_cannot_be_encoded_are_refused(activity, encoding, message):
    with pytest.raises(RequestError, match=message):
        fit(activity, encoding)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Workload(intrusions=0.2), "intrusions is 0.2"),
        (lambda: Workload(seed=-1), "seed is -1"),
        (lambda: WORKLOAD.block("training", 0), "did you mean 'train'"),
        (lambda: WORKLOAD.block("train", -1), "numbered from 0"),
        (lambda: WORKLOAD.rows("train", 5, 5), "hold a row"),
        (lambda: datasets.create("sql-workload", rows=0), "greater than or equal to 1"),
        (
            lambda: datasets.create("sql-workload", encoding="hash"),
            "'scalar', 'groups' or 'embedding'",
        ),
        (lambda: datasets.create("sql-workload", intrusions=0.5), "less than or equal to 0.05"),
    ],
)
def test_bad_parameters_are_named(call, message):
    with pytest.raises(RequestError, match=message):
        call()


def test_the_data_set_has_its_splits_labels_kinds_and_truth():
    made = datasets.create("sql-workload", rows=3000, test_rows=4000, seed=3)
    assert (made.train.shape, made.validation.shape, made.test.shape) == (
        (3000, 21),
        (1500, 21),
        (4000, 21),
    )
    assert made.features.names == NAMES
    assert np.array_equal(made.test_labels, made.test_truth.any(axis=1))
    assert np.array_equal(made.test_labels, made.test_kinds != "normal")
    assert set(made.test_kinds) <= set(KINDS)
    longer = datasets.create("sql-workload", rows=3000, test_rows=BLOCK + 1, seed=3)
    assert np.array_equal(longer.test[:4000], made.test)


def test_users_keep_their_habits_in_all_splits(train_rows):
    later = WORKLOAD.rows("validation", 0, BLOCK).activity
    known = set(zip(train_rows["user"].tolist(), train_rows["program"].tolist(), strict=True))
    new = set(zip(later["user"].tolist(), later["program"].tolist(), strict=True))
    assert len(new - known) <= 3
    assert world(3) is world(3)
    assert not np.array_equal(world(3).hosts, world(4).hosts)


def test_splits_that_do_not_fit_lie_on_disk_and_hold_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path))
    sizes = {"rows": 2500, "validation_rows": 700, "test_rows": 3000, "intrusions": 0.05}
    kept = datasets.create("sql-workload", **sizes)
    streamed = datasets.create("sql-workload", **sizes, in_memory_rows=0)
    assert isinstance(streamed.test, Shards)
    for name in (
        "train",
        "validation",
        "test",
        "test_labels",
        "test_truth",
        "test_units",
        "test_kinds",
    ):
        np.testing.assert_array_equal(
            np.asarray(getattr(streamed, name)), np.asarray(getattr(kept, name))
        )
    detector = Detector(
        torch.nn.Identity(), features=kept.features, scale=ScoreScale(0.0, 1.0, 0.5, 0.9)
    )
    one, other = (labelled_anomalies(data, detector, count=20) for data in (kept, streamed))
    np.testing.assert_array_equal(one.x, other.x)
    assert one.label.tolist() == other.label.tolist()
    assert set(one.label) <= set(KINDS[1:])


def test_the_documented_number_of_rows_is_the_one_that_encoders_are_fitted_on():
    assert f"{FIT_ROWS:,}" in (fitted.__doc__ or "")
