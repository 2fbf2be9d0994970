"""Artificial data beside a linear autoencoder that is set by hand: what explainers should say is
known in closed form.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from aexbench import Dataset, Features
from aexbench.datasets import register
from aexbench.datasets.tools.splits import TRAIN, VALIDATION
from aexbench.specs import write

NAMES = ("equal",) * 4 + ("signed",) * 3 + ("pair",) * 2 + ("free",) + ("fixed",) * 2
BLOCKS = (0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3)
LOADINGS = (1.0, 1.0, 1.0, 1.0, 1.0, -1.0, 0.5, 1.0, 0.5, 1.0, 0.0, 0.0)
FREE = 9  # the error does not depend on it
CENTRE, REACH = 0.5, 0.25  # of all columns, and of the hidden values on both sides of it
Floats = NDArray[np.float64]


@register("linear-autoencoder", version=1, images=False, licence="MIT")
def linear_autoencoder(
    *,
    rows: Annotated[int, Ge(50)] = 2_000,
    noise: Annotated[float, Ge(0)] = 0.01,
    change: Annotated[float, Gt(0)] = 0.2,
    seed: Annotated[int, Ge(0)] = 0,
) -> Dataset:
    """Artificial data near a subspace, and the projection on it for an autoencoder: nothing is
    trained.

    Of twelve features four are equal, three follow one hidden value with loadings 1, −1 and ½, two
    another one with 1 and ½; one is free, and two are fixed at ½. With the loadings a_b of a block
    the network is x̂ = ½ + Σ_b a_b a_bᵀ (x − ½) / ‖a_b‖², what is free is x̂ = x and what is fixed
    x̂ = ½. Normal rows lie in that subspace, but for Gaussian noise.

    Let P = I − W project on what the network misses (P = Pᵀ = P²), m = 12 and d = x − ½. Then, in
    L2:

    - the residual is P d, the error e = dᵀ P d / m, its gradient 2 P d / m;
    - integrated gradients and DeepLIFT from a baseline b give (x − b)_i (P (x + b − 1))_i / m, and
      Shapley values the mean of that over the rows b of the background;
    - repair by a value that is q_i away from x_i gives (2 q_i (P d)_i − q_i² P_ii) / m.

    The free feature never has a share. Anomalous rows are normal rows of the test, in their order,
    with `change` added to one or two of the other features, or taken away.

    Parameters
    ----------
    rows
        Normal rows: 60 % for training, 20 % for validation, 20 % for the test, which has as many
        anomalous rows.
    noise
        Standard deviation of the noise on every value.
    change
        What is added or taken away; up to 0.2, values stay in [0, 1].
    seed
        Of everything.

    Examples
    --------
    >>> made = linear_autoencoder(rows=100, noise=0.0)
    >>> normal, anomalous = made.test[:20], made.test[20:]
    >>> print(np.abs(anomalous - normal).max(axis=1).round(3)[:3])
    [0.2 0.2 0.2]
    """
    rng = np.random.default_rng(seed)
    hidden = rng.uniform(-REACH, REACH, (rows, 1 + max(BLOCKS)))
    table = CENTRE + hidden[:, BLOCKS] * LOADINGS + noise * rng.standard_normal((rows, len(NAMES)))
    first, second = int(TRAIN * rows), int((TRAIN + VALIDATION) * rows)
    normal = table[second:]
    truth = _truth(len(normal), rng)
    signs = rng.choice([-1.0, 1.0], normal.shape)
    weights = {"blocks": list(BLOCKS), "loadings": list(LOADINGS)}
    return Dataset(
        table[:first],
        table[first:second],
        np.concatenate([normal, normal + change * signs * truth]),
        Features(names=tuple(f"{name}-{place}" for place, name in enumerate(NAMES, start=1))),
        np.arange(2 * len(normal)) >= len(normal),
        np.concatenate([np.zeros_like(truth), truth]),
        autoencoder=write("linear", weights),
        test_kinds=np.concatenate(
            [np.full(len(normal), "normal"), np.where(truth.sum(axis=1) == 1, "one", "two")]
        ),
        test_truth_kind="both",
    )


def _truth(count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return the changed features (count, 12), one in every other row and two in the others; never
    the free one.
    """
    order = rng.random((count, len(NAMES)))
    order[:, FREE] = 2.0
    size = 1 + np.arange(count) % 2
    return np.asarray(order.argsort(axis=1).argsort(axis=1) < size[:, None])
