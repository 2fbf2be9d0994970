"""Probes: what a metric that has no truth may ask of an explainer and its detector.

Such a metric is a class with a method `probe(asked)` beside `score`. What `probe` returns, a curve
or some maps of each sample, is the raw outcome of a cell of its own: it is stored, and `score` is
given it in the place of attributions, again at any time and without a network. Arrays go in and
come out: a metric knows nothing of torch.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aexbench.features import Features
from aexbench.rows import Array


def wrong(found: NDArray[Any], samples: int) -> str:
    """Return what is wrong with what a probe brings, if it is not finite numbers of each sample.

    >>> wrong(np.zeros((5, 2)), 5), wrong(np.full(5, np.nan), 5)
    ('', 'brings numbers that are not finite')
    """
    if found.shape[:1] != (samples,) or found.dtype.kind not in "biuf":
        return f"brings {found.dtype} of shape {found.shape}, not numbers of {samples} samples"
    return "" if np.isfinite(found).all() else "brings numbers that are not finite"


class Asked(Protocol):
    """One explainer of one detector, and the samples that it explains.

    Attributes
    ----------
    x : (N, …) float
        The samples.
    features
        The columns' description.
    seed
        Of whatever is drawn.
    """

    x: Array
    features: Features
    seed: int

    @property
    def attributions(self) -> NDArray[Any]:
        """What the explainer says of x, summed over feature groups: (N, G), or (N, …) without."""
        ...

    @property
    def normal(self) -> NDArray[np.float64]:
        """A normal value for each column, of the shape of one sample: the mean training row."""
        ...

    @property
    def training(self) -> Array:
        """Training rows (B, …); a sample of 65,536, if there are more."""
        ...

    def explain(self, x: Array) -> NDArray[Any]:
        """Return what the explainer says of other samples (N, …), summed over feature groups.

        Raises
        ------
        SkipError
            If it does not take them.
        """
        ...

    def explain_randomised(self, share: float) -> NDArray[Any]:
        """Return what the explainer, made anew, says of x on the detector with that share of its
        layers permuted, the last ones first.

        Raises
        ------
        SkipError
            If nothing is known of the inside of the model.
        """
        ...

    def error(self, x: Array) -> NDArray[np.float64]:
        """Return e(x, x̂) (N,) of samples (N, …), by the explainer's own loss where it has one."""
        ...

    def reconstruct(self, x: Array) -> NDArray[Any]:
        """Return x̂ (N, …) of samples (N, …)."""
        ...
