"""How many features an alarm is about: as many as must be normal again until it falls silent."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench.detector import Detector
from aexbench.rows import Array, sample

MOST = 200  # alarms that are looked at
STEPS = 30  # in which a network is asked what it expects
QUANTILES = (0.25, 0.5, 0.75)


def typical_sizes(detector: Detector, alarms: Array, mean: Array) -> list[int]:
    """Return the quartiles of how many features alarms (A, …) are about, each once.

    Parameters
    ----------
    mean : (…)
        The mean normal row.
    """
    sizes = features_to_silence(detector, sample(alarms, MOST), mean)
    quartiles = np.quantile(sizes, QUANTILES, method="nearest")
    return sorted({int(size) for size in quartiles})


def features_to_silence(detector: Detector, alarms: Array, mean: Array) -> NDArray[np.int64]:
    """Return for each alarm (A, …) how many features must be normal again until it raises none.

    Features are taken in the order of their share in the error, one after the other; those that are
    taken hold what the network expects beside the others. At most half of the features are taken.
    """
    x = np.asarray(alarms, dtype=np.float64)
    shape, threshold = x.shape[1:], detector.calibrated.normal_95
    most = max(1, detector.features.count(shape) // 2)
    sizes = np.full(len(x), most, dtype=np.int64)
    taken = np.zeros(x.shape, dtype=bool)
    loud, healed = np.arange(len(x)), x
    for size in range(1, most + 1):
        if len(loud) == 0:
            break
        taken[loud] |= _next(detector, healed, taken[loud])
        healed = _expected(detector, x[loud], taken[loud], mean)
        silent = detector.error(healed).double().cpu().numpy() <= threshold
        sizes[loud[silent]] = size
        loud, healed = loud[~silent], healed[~silent]
    return sizes


def _next(
    detector: Detector, x: NDArray[np.float64], taken: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the columns of the feature that has the greatest share in the error, of those that are
    not taken.
    """
    features = detector.features
    shares = features.sum_groups(detector.error_map(x).double().cpu().numpy())
    held = features.any_groups(taken)
    shares = np.where(held, -np.inf, shares).reshape(len(x), -1)
    return features.masks(shares.argmax(axis=1), x.shape[1:])


def _expected(
    detector: Detector, x: NDArray[np.float64], taken: NDArray[np.bool_], mean: Array
) -> NDArray[np.float64]:
    """Return samples whose taken columns hold what the network expects beside the others."""
    made = np.where(taken, mean, x)
    for _ in range(STEPS):
        x_hat = detector.reconstruct(torch.as_tensor(made)).double().cpu().numpy()
        made = np.where(taken, x_hat, made)
    return made
