"""Repair curve: how fast does the error fall when the most relevant features are made normal?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench.metrics import register
from aexbench.probes import Asked


@register("repair-curve", version=1, probe=1, higher_is_better=False, title="repair curve, {to}")
class RepairCurve:
    """Return for each sample the area under its error while its features are made normal, the most
    relevant first.

    With x^(k) the sample whose k most relevant features of M have normal values, at about `steps`
    numbers k from 0 to M:

        area = ∫ e(x^(k)) / e(x) d(k/M) , by trapezoids

    Features that are tied come in an order that is drawn: a map that says nothing scores what
    random ones do in expectation.

    Known against it: it asks the model about samples that no process makes, between an anomaly and
    a normal one (Hooker et al.; Haug et al. for tables show how the value that replaces decides
    the order of explainers). It says what moves this detector's error, and not what was wrong: an
    explainer that asks the very same (`repair`) is favoured, and one that names the cause of an
    error that spreads to other features is not. It ranks explainers of one detector and loss alone.

    Parameters
    ----------
    to
        What is normal: the mean training row (`normal`), or what the detector makes of the sample,
        x̂ (`reconstruction`).
    steps
        How many parts the curve has at most.

    Returns
    -------
    (N,) float64, 0 or more; lower is better. A random order is the floor, which `random` shows; no
    ceiling is known. A sample without any error scores 1.

    References
    ----------
    Samek et al. 2017, "Evaluating the Visualization of What a Deep Neural Network Has Learned"
    (pixel flipping, area over the perturbation curve); here of an error, and towards normal values.
    Hooker et al. 2019, "A Benchmark for Interpretability Methods in Deep Neural Networks"; Haug et
    al. 2021, "On Baselines for Local Feature Attributions".

    Examples
    --------
    >>> errors = np.array([[4.0, 1.0, 0.0], [4.0, 4.0, 0.0]])  # with 0, 1 and 2 repaired of 2
    >>> RepairCurve().score(errors, np.ones((2, 2), dtype=bool))
    array([0.375, 0.75 ])
    """

    def __init__(
        self,
        *,
        to: Literal["normal", "reconstruction"] = "normal",
        steps: Annotated[int, Ge(1)] = 20,
    ) -> None:
        self.to, self.steps = to, steps

    def probe(self, asked: Asked) -> NDArray[np.float64]:
        """Return e(x^(k)) of each sample at each number k (N, steps + 1)."""
        x = np.asarray(asked.x)
        normal = asked.normal if self.to == "normal" else asked.reconstruct(x)
        place = _places(asked.attributions, asked.seed)
        errors = []
        for count in self._counts(place[0].size):
            mask = asked.features.spread(place < count, x.shape[1:])
            errors.append(asked.error(np.where(mask, normal, x)))
        return np.stack(errors, axis=1)

    def score(self, outcome: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the area under the curve of each sample (N,), in units of its error."""
        errors = np.asarray(outcome, dtype=np.float64)
        features = truth[0].size
        whole = errors[:, :1]
        left = np.where(whole > 0, errors / np.where(whole > 0, whole, 1), 1.0)
        return np.asarray(np.trapezoid(left, self._counts(features) / features, axis=1))

    def _counts(self, features: int) -> NDArray[np.int64]:
        """Return at which numbers of features the curve is known, from none to all."""
        return np.unique(np.linspace(0, features, min(self.steps, features) + 1).round()).astype(
            np.int64
        )


def _places(attributions: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Return the place of each feature in the order of a map, the most relevant at 0; ties as they
    are drawn.
    """
    flat = attributions.reshape(len(attributions), -1)
    drawn = np.random.default_rng(seed).random(flat.shape)
    order = np.lexsort((drawn, -flat), axis=1)
    return np.argsort(order, axis=1).reshape(attributions.shape)
