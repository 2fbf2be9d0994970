"""How much each feature goes with each other one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aexbench.rows import Array

SAMPLE_BYTES = 2**27  # of the samples: 20,000 of up to 838 columns, 1,024 of 128²
BLOCK = 512  # columns whose correlations are computed at once


def correlations(
    clean: Array, wanted: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the greatest absolute correlation (W, G) of a column of each wanted feature with one
    of each feature.

    A block at a time, since all columns of an image with all others are too many for the memory.
    """
    unit = _standardised(clean)
    order = np.argsort(groups, kind="stable")  # the columns of a feature lie together
    starts = np.searchsorted(groups[order], np.arange(groups.max() + 1))
    place = np.full(len(starts), -1)
    place[wanted] = np.arange(len(wanted))
    columns = np.flatnonzero(place[groups] >= 0)
    greatest = np.zeros((len(wanted), len(starts)))
    for first in range(0, len(columns), BLOCK):
        part = columns[first : first + BLOCK]
        found = np.abs(unit[:, part].T @ unit)[:, order] / len(unit)
        np.maximum.at(greatest, place[groups[part]], np.maximum.reduceat(found, starts, axis=1))
    return greatest


def _standardised(clean: Array) -> NDArray[np.float64]:
    """Return columns (N, M) of mean 0 and standard deviation 1, all 0 for a constant one; of wide
    samples some.
    """
    width = int(np.prod(clean.shape[1:]))
    step = -(-8 * width * len(clean) // SAMPLE_BYTES)
    values = np.array(clean[::step], dtype=np.float64).reshape(-1, width)
    constant = values.min(axis=0) == values.max(axis=0)
    values -= values.mean(axis=0)
    values /= np.where(constant, np.inf, values.std(axis=0))
    return values
