"""Features of several dense columns: what a code says, what is read for it, and what corruptions
do with it.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from aexbench import Dataset, Detector, Features, RequestError, corruptions, datasets
from aexbench.datasets.tools.embedding import (
    FIT_ROWS,
    TOGETHER,
    Coding,
    Embedding,
    EncodedRows,
)
from aexbench.detector import ScoreScale

COLUMNS = 4


def scalars(count: int = 60, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 9, (count, 3)).astype(np.float32) / 8


def made(codes: str = "known", **others: object) -> Dataset:
    plain = Dataset(scalars(), scalars(20, 1), scalars(30, 2), Features(("a", "b", "c")), **others)
    return Coding(COLUMNS, codes).embedded(plain)


def slow_code(value: float, train: np.ndarray) -> list[float]:
    """Return the code of a value of the training rows from its definition."""
    below, equal = (train < value).sum(), (train == value).sum()
    rank = (below + equal / 2) / len(train)
    turns = [(k + 1) * rank / 4 + k / COLUMNS for k in range(COLUMNS)]
    return [(1 + math.sin(2 * math.pi * turn)) / 2 for turn in turns]


def test_a_code_is_made_of_sines_of_the_rank_among_training_rows():
    train, test = scalars(), scalars(30, 2)
    expected = [[slow_code(test[row, f], train[:, f]) for f in range(3)] for row in range(30)]
    np.testing.assert_allclose(made().test[:], np.reshape(expected, (30, 12)), atol=1e-6)


def test_a_value_between_two_lies_between_and_one_beyond_all_is_the_outermost():
    train = np.array([[0.0], [0.5], [1.0]] * 4, dtype=np.float32)
    test = np.array([[0.25], [-5.0], [0.0], [7.0], [1.0]], dtype=np.float32)
    code = Coding(2).embedded(Dataset(train, train[:3], test, Features(("a",)))).test[:]
    first = [(1 + math.sin(math.pi / 2 * rank)) / 2 for rank in (1 / 3, 1 / 6, 5 / 6)]
    np.testing.assert_allclose(code[[0, 1, 3], 0], first, atol=1e-6)
    np.testing.assert_array_equal(code[[1, 3]], code[[2, 4]])


def test_each_feature_is_a_group_and_truth_labels_and_numbers_stay():
    truth = scalars(30, 2) > 0.9
    found = made(test_labels=truth.any(axis=1), test_truth=truth, rows={"test": np.arange(30) + 5})
    assert found.features.group_names((12,)) == ("a", "b", "c")
    assert found.features.names[3:5] == ("a:4", "b:1")
    assert np.array_equal(found.features.any_groups(found.test_truth), truth)
    assert found.test_truth[:4].dtype == bool
    assert found.row(9) == ("test", 4)
    np.testing.assert_array_equal(found.normal[:], found.test[~truth.any(axis=1)])


@pytest.mark.parametrize("index", [3, slice(2, 7), slice(0, 0), [5, 1], np.arange(30) > 20])
def test_rows_are_read_like_an_array(index):
    test = made().test
    np.testing.assert_array_equal(test[index], np.asarray(test)[index])


class Counted:
    """Ten million rows that note which of them are read."""

    shape, dtype = (10_000_000, 3), np.dtype(np.float32)

    def __init__(self) -> None:
        self.read = 0

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index):
        numbers = np.arange(self.shape[0])[index] if isinstance(index, slice) else index
        self.read += len(numbers)
        return np.stack([numbers % 7, numbers % 5, numbers % 3], axis=1).astype(np.float32)


def test_many_rows_have_the_codes_that_each_has_by_itself():
    many = EncodedRows(
        scalars(TOGETHER + 2), Embedding.fit(scalars(), 4).encode, 12, np.dtype("f4")
    )
    ends = [0, TOGETHER - 1, TOGETHER, TOGETHER + 1]
    np.testing.assert_array_equal(many[:][ends], [many[row] for row in ends])


def test_ten_million_rows_are_encoded_as_they_are_read_and_not_before():
    train, test = Counted(), Counted()
    found = Coding(16).embedded(Dataset(train, scalars(), test, Features(("a", "b", "c"))))
    assert found.train.shape == (10_000_000, 48)
    assert (train.read, test.read) == (FIT_ROWS, 0)
    assert found.test[5_000_000:5_000_100].shape == (100, 48)
    assert test.read == 100


def corrupted(codes: str, name: str) -> tuple[Dataset, object]:
    """Return an embedded data set, and what a corruption makes of it where any change counts."""
    data = made(codes)
    model = torch.nn.Sequential(torch.nn.Linear(12, 12), torch.nn.Sigmoid())
    detector = Detector(model, features=data.features, scale=ScoreScale(0.0, 1.0, 0.5, 0.9))
    torch.nn.init.normal_(model[0].weight, generator=torch.Generator().manual_seed(0))
    corruption = corruptions.create(name)
    x = torch.as_tensor(data.test[:])
    numbers = np.arange(30) % 3
    mask = torch.as_tensor(data.features.masks(numbers, (12,)))
    given = {"clean": data.test[:]} if "clean" in corruption.offered else {}
    rng = np.random.default_rng(0)
    proposal = corruption.propose(detector, x, mask, rng, **corruption.parameters, **given)
    return data, (getattr(proposal, "x", proposal).numpy(), x.numpy(), mask.numpy())


def known_codes(data: Dataset) -> list[set[bytes]]:
    """Return the codes of each feature that test rows have."""
    blocks = data.test[:].reshape(30, 3, COLUMNS)
    return [{code.tobytes() for code in blocks[:, feature]} for feature in range(3)]


@pytest.mark.parametrize("name", ["random", "adversarial"])
@pytest.mark.parametrize("codes", ["known", "any"])
def test_corruptions_give_one_feature_another_known_code_or_any_numbers(codes, name):
    data, (after, before, mask) = corrupted(codes, name)
    assert np.array_equal(after[~mask], before[~mask])
    assert (after != before).reshape(30, 3, COLUMNS).any(axis=(1, 2)).all()
    known = known_codes(data)
    held = [
        after[row].reshape(3, COLUMNS)[row % 3].tobytes() in known[row % 3] for row in range(30)
    ]
    assert all(held) if codes == "known" else not any(held)


@pytest.mark.parametrize("codes", ["known", "any"])
def test_null_sets_all_columns_of_one_feature_to_zero(codes):
    _, (after, before, mask) = corrupted(codes, "null")
    assert np.array_equal(after, np.where(mask, 0, before))


def test_features_of_several_columns_are_refused():
    plain = Dataset(scalars(), scalars(9), scalars(9), Features(groups=(0, 0, 1)))
    with pytest.raises(RequestError, match="leave groups out"):
        Coding(2).embedded(plain)


def test_a_table_of_ones_own_is_embedded_whatever_its_scale(tmp_path):
    path = tmp_path / "rows.csv"
    pd.DataFrame(np.random.default_rng(0).normal(5, 9, (50, 2)), columns=["a", "b"]).to_csv(path)
    one, other = (
        datasets.create("file", path=path, encoding="embedding", columns=3, scale=scale)
        for scale in ("minmax", "standard")
    )
    assert one.train.shape == (30, 6)
    np.testing.assert_allclose(one.test[:], other.test[:], atol=1e-5)
    assert (one.features.low, one.features.high, other.autoencoder) == (0.0, 1.0, "mlp")
    assert one.rows["test"].tolist() == datasets.create("file", path=path).rows["test"].tolist()


@pytest.mark.parametrize("name", ["breast-cancer", "sql-workload"])
@pytest.mark.parametrize("given", [{"columns": 3}, {"codes": "any"}])
def test_columns_and_codes_are_of_embedded_features_alone(name, given):
    with pytest.raises(RequestError, match="are for encoding=embedding: give that too"):
        datasets.create(name, **given)


def test_a_feature_has_256_columns_at_most():
    with pytest.raises(RequestError, match="less than or equal to 256"):
        datasets.create("breast-cancer", encoding="embedding", columns=257)
