"""What probes are tried on: a linear autoencoder of arrays, explained by its error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench.conformance.findings import Finding, tried
from aexbench.conformance.states import random_states_changed
from aexbench.features import Features
from aexbench.probes import wrong

Floats = NDArray[np.float64]


class Linear:
    """The map (x − x W)² / M of samples x (N, M) in [0, 1], W near to the identity; see
    `aexbench.probes.Asked`.
    """

    def __init__(self, samples: int, columns: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.random((samples, columns))
        self.features, self.seed = Features(low=0.0, high=1.0), seed
        self.normal: Floats = np.full(columns, 0.5)
        self.training: Floats = rng.random((4 * samples, columns))
        self._weights = np.eye(columns) + rng.normal(0, 0.3, (columns, columns))

    @property
    def attributions(self) -> Floats:
        """The map of x."""
        return self.explain(self.x)

    def explain(self, x: Any) -> Floats:
        """Return the map of other samples."""
        return _errors(np.asarray(x, dtype=np.float64), self._weights)

    def explain_randomised(self, share: float) -> Floats:
        """Return the map of x with that share of the rows of W exchanged."""
        weights = self._weights.copy()
        changed = slice(len(weights) - max(1, round(share * len(weights))), None)
        weights[changed] = weights[changed][::-1]
        return _errors(self.x, weights)

    def error(self, x: Any) -> Floats:
        """Return e(x, x̂) of samples."""
        return np.asarray(self.explain(x).sum(axis=1))

    def reconstruct(self, x: Any) -> Floats:
        """Return x W."""
        return np.asarray(x @ self._weights)


def _errors(x: Floats, weights: Floats) -> Floats:
    return np.asarray((x - x @ weights) ** 2 / x.shape[1])


def check_probe(metric: Any, asked: Linear) -> tuple[list[Finding], Floats]:
    """Return what a metric's probe makes of each rule of its contract, and what it brings; nothing,
    where it brings no numbers.
    """
    findings = tried(RULES, metric, asked)
    found = np.empty(0) if findings[0].problem else np.asarray(metric.probe(asked))
    return findings, found


def _numbers(metric: Any, asked: Linear) -> str:
    return wrong(np.asarray(metric.probe(asked)), len(asked.x))


def _twice(metric: Any, asked: Linear) -> str:
    same = np.array_equal(metric.probe(asked), metric.probe(asked))
    return "" if same else "brings something else when it is asked again: draw by asked.seed"


def _samples_kept(metric: Any, asked: Linear) -> str:
    before = asked.x.copy()
    metric.probe(asked)
    return "" if np.array_equal(before, asked.x) else "changes the samples: copy them first"


def _random_state(metric: Any, asked: Linear) -> str:
    return random_states_changed(lambda: metric.probe(asked))


RULES: dict[str, Callable[[Any, Linear], str]] = {
    "finite numbers of each sample, by its probe": _numbers,
    "the same when its probe asks twice": _twice,
    "leaves the samples of its probe": _samples_kept,
    "leaves the random state in its probe": _random_state,
}
