"""KDD Cup 1999 from a tiny cache in scikit-learn's own format."""

from __future__ import annotations

import gzip
from pathlib import Path

import joblib
import numpy as np
import pytest

from aexbench import Detector, RequestError, datasets
from aexbench.fetching import downloads
from tests.conftest import mlp

pytestmark = pytest.mark.usefixtures("home")

PROTOCOL, SERVICE, FLAG, SOURCE_BYTES = 1, 2, 3, 4


@pytest.fixture
def connections(home):
    """Sixty connections that logged in, the last ten of them attacks; written as scikit-learn's
    cache.
    """
    rng = np.random.default_rng(0)
    rows = rng.random((60, 41)).astype(object)
    rows[:, [0, 5, 22, 23]] = rng.integers(0, 500, (60, 4))
    rows[:, PROTOCOL] = [b"tcp", b"udp"] * 30
    rows[:, SERVICE] = [b"http", b"smtp", b"other"] * 20
    rows[:, FLAG], rows[:, SOURCE_BYTES], rows[:, 11] = b"SF", 10 ** rng.integers(0, 9, 60), 1
    rows[50:, FLAG] = b"REJ"
    labels = np.array([b"normal."] * 50 + [b"smurf."] * 10, dtype=object)
    for folder in ("kddcup99_10-py3", "kddcup99-py3"):
        (home / folder).mkdir(parents=True)
        joblib.dump(rows, home / folder / "samples", compress=3)
        joblib.dump(labels, home / folder / "targets", compress=3)
    return rows


def test_without_its_cache_it_says_which_command_fetches_it():
    with pytest.raises(RequestError, match="aexbench data get 'kddcup99'"):
        datasets.create("kddcup99")
    with pytest.raises(RequestError, match=r"aexbench data get 'kddcup99\[percent10=false\]'"):
        datasets.create("kddcup99", percent10=False)


def test_get_lets_scikit_learn_fetch_and_afterwards_it_is_here(monkeypatch):
    ones = ",".join("1" * 36)
    rows = [
        f"{i},tcp,http,SF,{i * 10},{ones},{'normal' if i < 30 else 'smurf'}." for i in range(40)
    ]

    def remote(_: object, dirname: str, **__: object) -> None:
        (Path(dirname) / "kddcup99_10_data").write_bytes(gzip.compress("\n".join(rows).encode()))

    monkeypatch.setattr("sklearn.datasets._kddcup99._fetch_remote", remote)
    with downloads.fetching():
        fetched = datasets.create("kddcup99", subset="http")
    rows.clear()
    again = datasets.create("kddcup99", subset="http")
    np.testing.assert_array_equal(fetched.test, again.test)
    assert fetched.features.names == ("duration", "src_bytes", "dst_bytes")
    assert (len(fetched.train), fetched.test_labels.sum()) == (18, 10)


def test_texts_become_groups_of_columns_that_add_up_to_one(connections):
    made = datasets.create("kddcup99", subset="all")
    names, groups = np.array(made.features.names), np.array(made.features.groups)
    assert (made.train.shape[0], made.validation.shape[0], made.test.shape[0]) == (30, 10, 20)
    assert len(set(groups)) == 41
    assert names[groups == SERVICE].tolist() == [
        f"service={s}" for s in ("http", "other", "smtp", "(other)")
    ]
    for split in (made.train, made.validation, made.test):
        for text in (PROTOCOL, SERVICE, FLAG):
            assert (np.sort(split[:, groups == text], axis=1)[:, -2:] == [0, 1]).all()
    attacks = made.test[made.test_labels]
    assert (attacks[:, names == "flag=(other)"] == 1).all()
    assert set(made.test_kinds[made.test_labels]) == {"smurf"}
    assert set(made.test_kinds[~made.test_labels]) == {"normal"}


def test_heavy_tails_are_logarithms_scaled_by_the_training_split(connections):
    made = datasets.create("kddcup99", subset="all", seed=3)
    normal = np.concatenate([made.train, made.validation, made.normal])
    where = made.features.names.index("src_bytes")
    sizes = np.unique(np.log1p(connections[:50, SOURCE_BYTES].astype(float)))
    low, high = (np.log1p(10.0**power) for power in (0, 8))
    assert set(sizes) >= {low, high}
    np.testing.assert_allclose(np.unique(normal[:, where]), (sizes - low) / (high - low), atol=1e-6)
    assert made.train.min() == 0
    assert made.train.max() == 1


def test_encoders_see_the_training_split_alone(connections, home):
    rows = connections.copy()
    before = datasets.create("kddcup99", subset="all")
    rows[50:, [0, 5]], rows[50:, 24], rows[50:, SERVICE] = 10**7, -1.0, b"attack"
    joblib.dump(rows, home / "kddcup99_10-py3" / "samples", compress=3)
    after = datasets.create("kddcup99", subset="all")
    assert before.features == after.features
    np.testing.assert_array_equal(before.train, after.train)
    assert after.test[:, after.features.names.index("duration")].max() > 1
    assert after.test[:, after.features.names.index("serror_rate")].min() < 0


@pytest.mark.parametrize(("subset", "columns"), [("SA", 41), ("SF", 4), ("http", 3), ("smtp", 3)])
def test_every_subset_becomes_a_data_set(connections, subset, columns):
    made = datasets.create("kddcup99", subset=subset, seed=1)
    assert made.features.count(made.train.shape[1:]) == columns
    assert np.isfinite(made.test).all()
    again = datasets.create("kddcup99", subset=subset, seed=1, percent10=False)
    np.testing.assert_array_equal(made.test, again.test)
    if subset == "SA":
        assert made.test_labels.sum() == 3377
        size = made.train.shape[1]
        detector = Detector(mlp((size, 4, size), ("tanh", "identity")).float()).calibrate(
            made.validation
        )
        assert detector.score(made.test[:5]).shape == (5,)


def test_a_damaged_cache_is_one_clear_line(connections, home):
    (home / "kddcup99_10-py3" / "samples").write_bytes(b"nonsense")
    with pytest.raises(RequestError, match="is invalid, please delete") as error:
        datasets.create("kddcup99")
    assert "\n" not in str(error.value)
