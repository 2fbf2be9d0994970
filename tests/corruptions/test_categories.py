"""Groups of columns that are a category: corruptions draw categories, and so does the scale."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from aexbench import Detector, Features, RequestError, corruptions, explainers
from aexbench.corruptions.adversarial import adversarial
from aexbench.corruptions.mirror import mirror
from aexbench.features import Codes
from tests.conftest import mlp

GROUPS = (*(0,) * 20, 1, *(2,) * 3, *(3,) * 4, 4)
KINDS = ("onehot", "columns", "embedding", "hashed", "onehot")
FEATURES = Features(groups=GROUPS, kinds=KINDS)
RNG = np.random.default_rng(0)
CATEGORY = np.minimum(RNG.geometric(0.3, 400) - 1, 19)
BOOK = RNG.random((5, 3))
HASHES = np.array([[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 1]], dtype=float)
NAMES = [
    "random",
    "swap",
    "null",
    "inward",
    "mirror",
    "adversarial",
    "group",
    "group[choice=correlated]",
]


def rows():
    """Return rows (400, 29): a category of 20, a number, 5 embedded and 3 hashed ones, a flag; they
    hang together, but for one row in five.
    """
    loose = np.where(RNG.random(400) < 0.2, RNG.integers(20, size=400), CATEGORY)
    number = (loose / 20 + 0.1 * RNG.random(400))[:, None]
    one = np.eye(20)[CATEGORY]
    parts = [one, number, BOOK[loose % 5], HASHES[CATEGORY % 3], (loose > 1)[:, None]]
    return np.concatenate(parts, axis=1).astype(np.float32)


ROWS = rows()


@pytest.fixture(scope="module")
def grouped():
    """A projection on the eight directions in which the rows differ most."""
    mean = ROWS.mean(axis=0)
    _, _, directions = np.linalg.svd(ROWS - mean, full_matrices=False)
    net = mlp((29, 8, 29), ("identity", "identity"))
    v = torch.as_tensor(directions[:8].copy()).double()
    with torch.no_grad():
        for layer, weight, bias in (
            (net[0], v, -v @ torch.as_tensor(mean).double()),
            (net[2], v.T, torch.as_tensor(mean)),
        ):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    return Detector(net, "l2", FEATURES).calibrate(ROWS)


def is_code(x, features=FEATURES, rows=ROWS, missing=False):
    """Return which samples (N,) hold a category, or none, in every group that is one."""
    low, high = (np.asarray(bound) for bound in features.bounds(rows.shape[1:]))
    z, known = (x - low) / (high - low), (rows - low) / (high - low)
    good = np.ones(len(x), dtype=bool)
    for number, kind in enumerate(features.kinds):
        part = z[:, np.asarray(features.groups) == number]
        total = part.sum(axis=1)
        if kind == "onehot":
            on = np.isclose(part, 1).sum(axis=1)
            one = np.isclose(total, 1) & (on == 1)
            good &= one | (np.isclose(part, 0).all(axis=1) & (missing or part.shape[1] == 1))
        elif kind in ("hashed", "embedding"):
            codes = np.unique(known[:, np.asarray(features.groups) == number], axis=0)
            if missing:
                codes = np.concatenate([codes, np.zeros((1, codes.shape[1]))])
            good &= np.isclose(part[:, None], codes, atol=1e-6).all(axis=2).any(axis=1)
    return good


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_is_a_category(name, grouped):
    made = corruptions.create(name, max_draws=20_000).generate(
        grouped, ROWS, count=60, threshold=0.2
    )
    assert len(made) >= 30
    assert is_code(made.x, missing=name == "null").all()
    assert (made.x[~made.truth] == made.clean[~made.truth]).all()
    if "group" not in name:
        held = FEATURES.any_groups(made.truth)
        assert held.any(axis=0)[:4].sum() >= 3, "of nearly every kind"


def proposed(name, feature, count=3000, seed=0, x=None, **given):
    """Return what a corruption makes of one feature of many samples, and the samples."""
    x = torch.as_tensor(ROWS[np.arange(count) % 400] if x is None else x).double()
    mask = torch.as_tensor(FEATURES.masks(np.full(len(x), feature), (29,)))
    made = corruptions.create(name)
    every = {"clean": ROWS, "alarms": ROWS[:0]}
    known = {name: every[name] for name in made.offered}
    detector = Detector(mlp((29, 8, 29), ("tanh", "identity"), seed=1), features=FEATURES)
    found = made.propose(detector, x, mask, np.random.default_rng(seed), **known, **given)
    found = getattr(found, "x", found)
    return found.numpy()[:, np.array(GROUPS) == feature], x.numpy()[:, np.array(GROUPS) == feature]


def test_random_draws_any_other_one_hot_category_as_likely():
    x = np.tile(ROWS[CATEGORY == 0][:1], (19_000, 1))
    found, before = proposed("random", 0, x=x)
    assert not (found * before).any()
    counts = found.sum(axis=0)[1:]
    assert counts.min() > 850
    assert counts.max() < 1150


def test_random_draws_codes_as_often_as_samples_have_them():
    found, before = proposed("random", 2, count=8000)
    assert (found != before).any(axis=1).all()
    own = (before[:, None] == BOOK.astype(np.float32)).all(axis=2).argmax(axis=1)
    new = (found[:, None] == BOOK.astype(np.float32)).all(axis=2).argmax(axis=1)
    codes = (ROWS[:, 21:24][:, None] == BOOK.astype(np.float32)).all(axis=2).argmax(axis=1)
    share = np.bincount(codes, minlength=5) / len(codes)
    for code in range(5):
        chances = np.where(np.arange(5) == code, 0, share) / (1 - share[code])
        drawn = np.bincount(new[own == code], minlength=5) / (own == code).sum()
        np.testing.assert_allclose(drawn, chances, atol=0.05)


def test_a_flag_turns_round_and_a_missing_category_becomes_any():
    found, before = proposed("random", 4, count=50)
    np.testing.assert_array_equal(found, 1 - before)
    missing = ROWS[: 2000 // 5].copy()
    missing[:, :20] = 0
    found, _ = proposed("random", 0, x=np.tile(missing, (5, 1)))
    assert (found.sum(axis=1) == 1).all()
    assert found.any(axis=0).all()


def test_inward_moves_rare_categories_to_the_frequent_half_and_leaves_those():
    found, before = proposed("inward", 0)
    counts = ROWS[:, :20].sum(axis=0)
    order = np.argsort(-counts, kind="stable")
    usual = order[np.cumsum(counts[order]) - counts[order] < 200]
    was_usual = before[:, usual].any(axis=1)
    np.testing.assert_array_equal(found[was_usual], before[was_usual])
    assert found[:, usual].any(axis=1).all()
    assert found[~was_usual][:, usual].any(axis=0).all()


def test_mirror_pairs_categories_that_are_about_as_frequent():
    found, before = proposed("mirror", 0, count=400)
    counts = ROWS[:, :20].sum(axis=0)
    other = dict(zip(before.argmax(axis=1).tolist(), found.argmax(axis=1).tolist(), strict=True))
    assert all(other[other[category]] == category for category in other)
    pairs = {tuple(sorted((counts[one], counts[two]))) for one, two in other.items() if one != two}
    ordered = -np.sort(-counts[counts > 0])
    both = ordered[: len(ordered) // 2 * 2].reshape(-1, 2)[:, ::-1]
    assert pairs == {tuple(pair) for pair in both.tolist()}
    assert sum(one == two for one, two in other.items()) == len(ordered) % 2
    again, _ = proposed("mirror", 3, count=400)
    assert (again.sum(axis=1) > 0).all()


def test_mirror_leaves_a_missing_category():
    features = Features(groups=(0, 0, 0, 1), kinds=("onehot", "columns"))
    detector = Detector(torch.nn.Identity(), features=features)
    counts = [([1, 0, 0, 0.1], 3), ([0, 1, 0, 0.2], 2), ([0, 0, 1, 0.5], 1)]
    clean = np.array([row for row, count in counts for _ in range(count)])
    x, mask = torch.tensor([[0, 0, 0, 0.1]]), torch.tensor([[True, True, True, False]])
    assert torch.equal(mirror(detector, x, mask, np.random.default_rng(0), clean=clean), x)


def test_null_takes_the_category_away():
    found, _ = proposed("null", 0)
    assert not found.any()


def test_adversarial_finds_the_worst_other_category():
    x = ROWS[:30]
    found, before = proposed("adversarial", 0, x=x)
    net = mlp((29, 8, 29), ("tanh", "identity"), seed=1)

    def objective(row):
        with torch.no_grad():
            phi = (row - net(row)) ** 2
        return float(phi[20:].sum() - phi[:20].sum())

    for row, old, new in zip(torch.as_tensor(x).double(), before, found, strict=True):
        tried = {}
        for category in set(range(20)) - {int(old.argmax())}:
            other = row.clone()
            other[:20] = 0
            other[category] = 1
            tried[category] = objective(other)
        assert new.argmax() == max(tried, key=tried.get)
        assert new.sum() == 1


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_adversarial_tries_as_many_categories_as_it_may_take_steps(steps):
    """Of categories, the later one blames its own feature less."""

    class Rising(torch.nn.Module):
        def forward(self, x):
            return 0 * x + torch.arange(6) / 10

    detector = Detector(Rising(), features=Features(groups=(0,) * 6, kinds=("onehot",)))
    x, mask = torch.eye(6)[[0] * 40], torch.ones(40, 6, dtype=torch.bool)
    uniform = np.random.default_rng(0).random((40, 6))
    start = detector.features.redrawn(x.numpy(), mask.numpy(), uniform, np.eye(6)).argmax(1)
    made = adversarial(detector, x, mask, np.random.default_rng(0), clean=np.eye(6), steps=steps).x
    tried = (start[:, None] + np.arange(steps + 1)) % 6
    np.testing.assert_array_equal(made.argmax(1), tried.max(axis=1))


def test_the_number_beside_categories_is_optimised_as_ever(grouped):
    x, mask = (
        torch.as_tensor(ROWS[:9]).double(),
        torch.as_tensor(FEATURES.masks(np.array([1] * 9), (29,))),
    )
    plain = Detector(grouped.model, "l2", Features(groups=GROUPS))
    draw = corruptions.create("adversarial").propose
    one, other = (
        draw(of, x.clone(), mask, np.random.default_rng(3), clean=ROWS).x for of in (grouped, plain)
    )
    torch.testing.assert_close(one, other)


def test_the_score_scale_draws_categories_too(grouped):
    chunks = torch.cat(list(grouped._corrupted(ROWS, 0))).numpy()
    assert is_code(chunks).all()
    as_numbers = Detector(grouped.model, "l2", Features(groups=GROUPS)).calibrate(ROWS)
    assert grouped.calibrated.high < as_numbers.calibrated.high
    of_tensors = Detector(grouped.model, "l2", FEATURES).calibrate(torch.as_tensor(ROWS))
    assert of_tensors.calibrated == grouped.calibrated


def test_without_kinds_nothing_changes():
    plain, declared = (Features(groups=GROUPS, kinds=kinds) for kinds in (None, ("columns",) * 5))
    uniform = np.random.default_rng(0).random(ROWS.shape)
    mask = plain.masks(np.arange(400) % 5, (29,))
    expected = np.where(mask, uniform, ROWS)
    for features in (plain, declared):
        np.testing.assert_array_equal(features.redrawn(ROWS, mask, uniform), expected)
        assert not features.asks_samples


def test_categories_have_the_range_of_their_columns():
    low = tuple(np.linspace(-3, 0, 29))
    features = Features(low=low, high=4.0, groups=GROUPS, kinds=KINDS)
    rows = np.asarray(low) + (4.0 - np.asarray(low)) * ROWS
    mask = features.masks(np.arange(400) % 5, (29,))
    drawn = features.redrawn(rows, mask, np.random.default_rng(2).random(rows.shape), rows)
    assert is_code(drawn, features, rows).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kinds": ("onehot",)}, "one a group: 1 kinds for 0 groups"),
        ({"groups": (0, 0, 1), "kinds": ("onehot",)}, "1 kinds for 2 groups"),
        ({"groups": (0, 1), "kinds": ("onehot", "one-hot")}, "did you mean 'onehot'"),
    ],
)
def test_kinds_that_fit_no_groups_are_refused(given, message):
    with pytest.raises(RequestError, match=message):
        Features(**given)


def test_codes_that_only_samples_know_ask_for_them():
    with pytest.raises(RequestError, match="feature 2 is embedding"):
        FEATURES.redrawn(ROWS, FEATURES.masks(np.full(400, 2), (29,)), ROWS)


def test_features_survive_being_written_as_json():
    text = json.dumps(dataclasses.asdict(FEATURES))
    read = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(text).items()}
    assert Features(**read) == FEATURES


def test_a_single_code_has_no_other_one():
    codes = Codes.seen(np.arange(2), np.ones((9, 2)))
    np.testing.assert_array_equal(
        codes.another(np.zeros(3, dtype=int), np.array([0, 0.5, 0.99])), 0
    )


@pytest.mark.parametrize("groups", [None, GROUPS])
def test_noise_does_not_prefer_large_features(groups):
    features = Features(groups=groups)
    detector = Detector(mlp((29, 3, 29), ("tanh", "identity")), features=features)
    x = torch.rand(4000, 29, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    noise = explainers.create("random", detector).explain(x).numpy()
    by_feature = features.sum_groups(noise)
    count = by_feature.shape[1]
    first = np.bincount(by_feature.argmax(axis=1), minlength=count) / len(x)
    assert abs(first - 1 / count).max() < 4 / (count * len(x)) ** 0.5
    np.testing.assert_allclose(by_feature.std(axis=0), 1, atol=0.06)
