"""Model randomisation: does a map change when the network forgets what it has learned?"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from aexbench.correlations import likeness
from aexbench.metrics import register
from aexbench.probes import Asked


@register(
    "model-randomisation",
    version=1,
    probe=1,
    higher_is_better=False,
    title="model randomisation",
)
class ModelRandomisation:
    """Return for each sample how alike its map stays while the network's layers are permuted, the
    last one first.

    At stage s of S the elements of every trained tensor in the last s/S of the layers are permuted,
    each tensor within itself, and the explainer is made anew. The score is the mean over stages of
    Spearman's rank correlation with the map of the trained network, over features.

    Known against it: the geometry of an input outlasts every permutation, so that maps that
    multiply by the input stay alike and need not be wrong, and what is destroyed first depends on
    the order (Binder et al. show that it ranks methods by properties of their maps). Of an
    autoencoder's error, x itself does not change with the weights. It says whether a map depends
    on the network, and not whether it is right: a random one that is drawn by the sample alone
    has 1, one that is drawn anew 0.

    Parameters
    ----------
    stages
        S.

    Returns
    -------
    (N,) float64 in [−1, 1]; lower is better, 1 says that the network does not matter. A map that
    is the same for all features is like another such one (1) and unlike every other (0).

    References
    ----------
    Adebayo et al. 2018, "Sanity Checks for Saliency Maps", cascading randomisation; against it
    Binder et al. 2023, "Shortcomings of Top-Down Randomization-Based Sanity Checks for Evaluations
    of Deep Neural Network Explanations".

    Examples
    --------
    >>> maps = np.array([[[1.0, 2.0, 3.0], [2.0, 4.0, 9.0], [3.0, 2.0, 1.0]]])
    >>> ModelRandomisation(stages=2).score(maps, np.ones((1, 3), dtype=bool))
    array([0.])
    """

    def __init__(self, *, stages: Annotated[int, Ge(1)] = 4) -> None:
        self.stages = stages

    def probe(self, asked: Asked) -> NDArray[Any]:
        """Return the map of each sample, and those at each stage: (N, 1 + S, …)."""
        shares = (np.arange(self.stages) + 1) / self.stages
        maps = [asked.explain_randomised(float(share)) for share in shares]
        return np.stack([asked.attributions, *maps], axis=1)

    def score(self, outcome: NDArray[Any], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the mean correlation over the stages (N,)."""
        maps = np.asarray(outcome, dtype=np.float64)
        flat = maps.reshape(*maps.shape[:2], -1)
        return np.asarray(likeness(flat[:, 1:], flat[:, :1]).mean(axis=1))
