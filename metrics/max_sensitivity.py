"""Max-sensitivity: how much does a map change when its sample hardly does?"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from aexbench.metrics import register
from aexbench.probes import Asked


@register(
    "max-sensitivity", version=1, probe=1, higher_is_better=False, title="max-sensitivity {radius}"
)
class MaxSensitivity:
    """Return for each sample the greatest change of its map within a small box around it.

    With Φ the map, and y drawn uniformly from the box of |y_i − x_i| ≤ radius · (high_i − low_i):

        max_y ‖Φ(y) − Φ(x)‖₂ / ‖Φ(x)‖₂

    The box is cut where the features end, but for what lies outside already. A map that is 0
    everywhere counts as of length 1.

    Known against it: a map that never looks at its sample has 0, so that it means something for
    maps that are right alone (Yeh et al. trade it against infidelity); where e(x) is steep, what
    the error does is taken for the explainer's; so are the draws of a method that draws at random;
    and the greatest of few changes grows with their number.

    Parameters
    ----------
    radius
        In units of each feature's range.
    draws
        How many points y are drawn for each sample.

    Returns
    -------
    (N,) float64, 0 or more; lower is better. There is no chance level.

    References
    ----------
    Yeh et al. 2019, "On the (In)fidelity and Sensitivity of Explanations", Sec. 4; divided by the
    length of the map and with radius .02 and 10 draws as in captum's `sensitivity_max`.

    Examples
    --------
    >>> maps = np.array([[[3.0, 4.0], [3.0, 4.5], [2.0, 4.0]]])  # of a sample, and of two near it
    >>> MaxSensitivity().score(maps, np.ones((1, 2), dtype=bool))
    array([0.2])
    """

    def __init__(
        self,
        *,
        radius: Annotated[float, Gt(0), Le(1)] = 0.02,
        draws: Annotated[int, Ge(1)] = 10,
    ) -> None:
        self.radius, self.draws = radius, draws

    def probe(self, asked: Asked) -> NDArray[Any]:
        """Return the map of each sample, and those of points near it: (N, 1 + draws, …)."""
        rng, x = np.random.default_rng(asked.seed), np.asarray(asked.x, dtype=np.float64)
        low, high = asked.features.bounds(x.shape[1:])
        least, most = np.minimum(x, low), np.maximum(x, high)
        maps = [asked.attributions]
        for _ in range(self.draws):
            step = self.radius * (high - low) * rng.uniform(-1, 1, x.shape)
            maps.append(asked.explain(np.clip(x + step, least, most)))
        return np.stack(maps, axis=1)

    def score(self, outcome: NDArray[Any], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the greatest relative change of each sample's map (N,)."""
        maps = np.asarray(outcome, dtype=np.float64)
        flat = maps.reshape(*maps.shape[:2], -1)
        length = np.linalg.norm(flat[:, 0], axis=1)
        changes = np.linalg.norm(flat[:, 1:] - flat[:, :1], axis=2).max(axis=1)
        return np.asarray(changes / np.where(length > 0, length, 1))
