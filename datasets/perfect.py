"""Artificial data whose causes are known exactly: features that depend on each other, and one
changed feature a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from aexbench import Dataset, Features, RequestError
from aexbench.datasets import register
from aexbench.datasets.tools.splits import TRAIN, VALIDATION

LEAST_CHANGE = 0.1  # of the range, so that every labelled anomaly is one
PATIENCE = 100  # rounds of values from the test's own rows; in a small one all may be too near
ROUNDS = PATIENCE + 1000  # then from fresh rows, of which at least one in two is far enough
NEARLY_LINEAR = "activation=tanh,output=identity,epochs=100,batch_size=128"  # perfect in a second
Floats = NDArray[np.float64]


@register("perfect-autoencoder", version=1, images=False, licence="MIT")
def perfect_autoencoder(
    *,
    rows: Annotated[int, Ge(50)] = 5_000,
    features: Annotated[int, Ge(3)] = 12,
    dependencies: Literal["ring", "pairs"] = "ring",
    noise: Annotated[float, Ge(0), Le(1)] = 0.0,
    seed: Annotated[int, Ge(0)] = 0,
) -> Dataset:
    """Artificial data in which every feature follows exactly from others, and anomalies are single
    changed features.

    Independent features are uniform on [0, 1]; each of the others is the mean of two of them. A
    linear autoencoder with one hidden unit per independent feature reconstructs normal rows
    perfectly, so that an error can only come from what was changed; the default network comes near
    to it within seconds.

    What is new in an anomalous row comes from another row: the distribution of no single feature
    gives it away. It differs from the right value by at least a tenth of the range. The truth is
    symptom and cause: nothing follows from a changed value.

    Parameters
    ----------
    rows
        Normal rows: 60 % for training, 20 % for validation, 20 % for the test, which has as many
        anomalous rows.
    features
        How many: a multiple of 2 from 6 on for `ring`, of 3 for `pairs`.
    dependencies
        `ring` (ours): n independent features in a ring, and the n means of neighbours. Normal rows
        that differ do so in three features or more, so that exactly one feature can be the changed
        one: the truth is that feature. (The greatest residual of the perfect autoencoder is that
        feature if it is a mean, and not otherwise.) `pairs` (theirs): of every three features the
        third is the mean of the first two. Anomalies change a mean, and nothing in the row tells
        which of the three was changed: the truth is all three.
    noise
        Standard deviation of Gaussian noise on every value, in the test too; the autoencoder is
        perfect without it.
    seed
        Of everything.

    References
    ----------
    Antwarg, Miller, Shapira and Rokach 2021, "Explaining anomalies detected by autoencoders using
    Shapley Additive Explanations", Expert Systems with Applications 186, and the notebook on
    simulated data in the authors' repository ronniemi/explainAnomaliesUsingSHAP. Theirs: four
    uniform features and two sums of pairs, divided by their common maximum; in 1.5 % of a million
    rows one sum is replaced by a uniform number. Ours: the ring, any number of features, values
    taken from other rows with a least change (a uniform number lies in the lower half of the sums'
    range, and may be the right one), training rows without anomalies, and noise.
    """
    rng = np.random.default_rng(seed)
    mixing, group = _ring(features) if dependencies == "ring" else _pairs(features)

    def draw(count: int) -> Floats:
        return np.asarray(rng.random((count, mixing.shape[1])) @ mixing.T)

    clean = draw(rows)
    first, second = int(TRAIN * rows), int((TRAIN + VALIDATION) * rows)
    source = draw(rows - second)
    changed = rng.choice(
        np.arange(2, features, 3) if dependencies == "pairs" else features, size=len(source)
    )
    anomalous = _change(source, changed, draw, rng)
    table = np.concatenate([clean, anomalous])
    table += noise * rng.standard_normal(table.shape)
    labels = np.arange(len(table) - second) >= rows - second
    truth = np.zeros((len(labels), features), dtype=bool)
    truth[labels] = group[changed]
    kinds = np.where(mixing[changed].max(axis=1) == 1, "independent", "mean")
    return Dataset(
        table[:first],
        table[first:second],
        table[second:],
        Features(names=_names(mixing)),
        labels,
        truth,
        autoencoder=f"mlp[widths=[{2 * features}, {mixing.shape[1]}],{NEARLY_LINEAR}]",
        test_kinds=np.concatenate([np.full(rows - second, "normal"), kinds]),
        test_truth_kind="both",
    )


def _ring(features: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return what each feature takes from each independent one (M, n), and the truth by changed
    feature (M, M).
    """
    count = features // 2
    if features % 2 or count < 3:
        raise RequestError(
            f"perfect-autoencoder: features={features} must be even and at least 6 for a ring"
        )
    means = (np.eye(count) + np.roll(np.eye(count), 1, axis=1)) / 2
    return np.concatenate([np.eye(count), means]), np.eye(features, dtype=bool)


def _pairs(features: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the same for triples of two independent features and their mean."""
    if features % 3:
        raise RequestError(
            f"perfect-autoencoder: features={features} must be a multiple of 3 for pairs"
        )
    triple = np.array([[1, 0], [0, 1], [0.5, 0.5]])
    count = np.eye(features // 3)
    return np.kron(count, triple), np.kron(count, np.ones((3, 3))).astype(bool)


def _change(
    rows: Floats,
    changed: NDArray[np.int64],
    draw: Callable[[int], Floats],
    rng: np.random.Generator,
) -> Floats:
    """Return rows with one feature each replaced by its value in another row, until it differs by
    the least change.
    """
    made, right = rows.copy(), rows[np.arange(len(rows)), changed]
    todo = np.arange(len(rows))
    for attempt in range(ROUNDS):
        others = rows if attempt < PATIENCE else draw(len(rows))
        made[todo, changed[todo]] = others[rng.integers(len(rows), size=len(todo)), changed[todo]]
        todo = todo[np.abs(made[todo, changed[todo]] - right[todo]) < LEAST_CHANGE]
        if not len(todo):
            return made
    raise RequestError(
        "perfect-autoencoder: no value is far enough from the right one: take another seed"
    )


def _names(mixing: Floats) -> tuple[str, ...]:
    """Name the independent features 1, 2, …, and a mean after the two that it is the mean of."""
    return tuple(
        "feature-" + "-".join(str(column + 1) for column in np.flatnonzero(row)) for row in mixing
    )
