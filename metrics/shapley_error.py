"""Shapley error: how far is a map from the Shapley values of the reconstruction error?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench import SkipError
from aexbench.metrics import register
from aexbench.probes import Asked
from aexbench.rows import Array

MOST_FEATURES = 256


@register("shapley-error", version=1, probe=1, higher_is_better=False, title="Shapley error")
class ShapleyError:
    """Return for each sample ‖R − φ‖₂ / ‖φ‖₂ against the Shapley values φ of e(x, x̂), by the
    explainer's own loss.

    The players are the features; those that are not in a coalition have the values of a training
    row, the same for all of them, and φ is the mean over training rows. It is known by random
    orders of the features, each with its reverse and a row of its own. Two such means φ₁, φ₂ are
    drawn apart, so that their noise takes no part:

        ‖R − φ‖² = (R − φ₁)·(R − φ₂) , ‖φ‖² = φ₁·φ₂ , both in expectation.

    It says how exact a method is that approximates Shapley values, beside its time: with `plot
    pareto -m shapley-error` the price of accuracy. A method with a background of a few rows is off
    by what these differ from all.

    Known against it: of a method that means something else it says only that it does.

    Parameters
    ----------
    orders
        How many pairs of orders each mean has: 4 · orders · (M + 1) rows of the network a sample.

    Returns
    -------
    (N,) float64, 0 or more; lower is better. A map of zeros has about 1. A sample whose Shapley
    values are 0 scores 0 if its map is 0, and else 1.

    References
    ----------
    Castro, Gómez and Tejada 2009, "Polynomial calculation of the Shapley value based on sampling";
    Mitchell et al. 2022, "Sampling Permutations for Shapley Value Estimation" (an order and its
    reverse).

    Examples
    --------
    >>> outcome = np.array([[[1.0, 2.5], [1.0, 2.0], [1.0, 2.0]]])  # R, φ₁ and φ₂ of one sample
    >>> ShapleyError().score(outcome, np.ones((1, 2), dtype=bool)).round(3)
    array([0.224])
    """

    def __init__(self, *, orders: Annotated[int, Ge(1)] = 250) -> None:
        self.orders = orders

    def probe(self, asked: Asked) -> NDArray[np.float64]:
        """Return each sample's map, φ₁ and φ₂ (N, 3, M).

        Raises
        ------
        SkipError
            If there are more than 256 features: orders of so many are too dear.
        """
        features = asked.features.count(asked.x.shape[1:])
        if features > MOST_FEATURES:
            raise SkipError(f"shapley-error knows {MOST_FEATURES} features at most, not {features}")
        found = np.asarray(asked.attributions, dtype=np.float64).reshape(len(asked.x), features)
        means = [np.stack([self._mean(asked, x, number) for x in asked.x]) for number in range(2)]
        return np.stack([found, *means], axis=1)

    def _mean(self, asked: Asked, x: Array, number: int) -> NDArray[np.float64]:
        """Return the mean of what each feature adds to the error, over orders (M,): the same ones
        for every sample.
        """
        draw = np.random.default_rng([asked.seed, number])
        rows = asked.training[draw.integers(len(asked.training), size=self.orders)]
        count = asked.features.count(x.shape)
        place = draw.random((self.orders, count)).argsort(axis=1).argsort(axis=1)
        both, rows = np.concatenate([place, count - 1 - place]), np.concatenate([rows, rows])
        errors = []
        for joined in range(count + 1):
            mask = asked.features.spread(both < joined, x.shape)
            errors.append(asked.error(np.where(mask, x, rows)))
        added = np.diff(np.stack(errors, axis=1), axis=1)
        return np.asarray(np.take_along_axis(added, both, axis=1).mean(axis=0))

    def score(self, outcome: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the relative error of each sample (N,)."""
        found, one, other = np.moveaxis(np.asarray(outcome, dtype=np.float64), 1, 0)
        apart = ((found - one) * (found - other)).sum(axis=1).clip(min=0)
        whole = (one * other).sum(axis=1)
        known = whole > 0
        relative = np.sqrt(apart / np.where(known, whole, 1.0))
        return np.asarray(np.where(known, relative, (apart > 0).astype(float)))
