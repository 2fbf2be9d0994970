"""A sample's features in the user's units: value, what is usual, what the network expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aexbench.detector import Detector
from aexbench.explaining.parts import Category, Column, Feature, Steps, Usual
from aexbench.explaining.views import Floats, View
from aexbench.rows import Array, Rows, most, sample

QUANTILES = (0.05, 0.5, 0.95)
NORMAL_SAMPLES = 10_000  # that the quantiles are taken from, at most


@dataclass(frozen=True)
class Normal:
    """What normal samples are like.

    Attributes
    ----------
    quantiles : (3, M)
        5 %, 50 % and 95 % of each column, in the user's units.
    error_share : (G,)
        The median of each feature's share of the error.
    samples : (B, …)
        In the detector's units, for the frequency of categories.
    """

    quantiles: Floats
    error_share: Floats
    samples: Array


def normal_of(view: View, detector: Detector, background: Rows | None) -> Normal | None:
    """Return what normal samples are like, by 10,000 of them at most, drawn with a fixed seed."""
    if background is None:
        return None
    kept = sample(background, most(background, NORMAL_SAMPLES))
    error = view.sums(detector.error_map(kept).detach().double().cpu().numpy())
    quantiles = np.quantile(view.values(kept), QUANTILES, axis=0)
    return Normal(quantiles, np.median(_of_error(error), axis=0), kept)


@dataclass(frozen=True)
class Seen:
    """Samples as the detector sees them: x and x̂ (N, …), and each column's share of the error."""

    x: NDArray[np.float64]
    x_hat: NDArray[np.float64]
    error_map: NDArray[np.float64]


def features_of(
    view: View,
    seen: Seen,
    normal: Normal | None,
    attributions: Floats,
    errors: Floats | None = None,
    spans: Sequence[Sequence[Steps | None]] | None = None,
) -> list[tuple[Feature, ...]]:
    """Return each sample's features, the most responsible first.

    Parameters
    ----------
    attributions : (N, G)
        By feature.
    errors : (N, G), optional
        Their standard errors.
    spans : (N, G), optional
        At which steps of a window each one's relevance lies.
    """
    shares = _of_error(view.by_column(seen.error_map))
    values, expected = view.values(seen.x), view.values(seen.x_hat)
    usual = _usual(normal, len(view.columns))
    categories = [_categories(view, number, seen, normal) for number in range(len(view.names))]
    found = []
    for row, given in enumerate(attributions):
        parts = zip(view.columns, values[row], expected[row], usual, shares[row], strict=True)
        columns = [Column(n, float(v), float(e), u, float(s)) for n, v, e, u, s in parts]
        own = [None if one is None else one[row] for one in categories]
        made = _features(view, columns, own, normal, given)
        if errors is not None:
            told = zip(made, errors[row].tolist(), strict=True)
            made = [replace(feature, standard_error=error) for feature, error in told]
        if spans is not None:
            lying = zip(made, spans[row], strict=True)
            made = [replace(feature, steps=steps) for feature, steps in lying]
        found.append(tuple(made[number] for number in np.argsort(-given, kind="stable")))
    return found


def _features(
    view: View,
    columns: list[Column],
    categories: list[Category | None],
    normal: Normal | None,
    given: Floats,
) -> list[Feature]:
    """Return one sample's features in their order in the data."""
    positive = float(given[given > 0].sum())
    found = []
    for number, (name, attribution) in enumerate(zip(view.names, given.tolist(), strict=True)):
        own = tuple(columns[place] for place in view.members[number])
        error = sum(column.error_share for column in own)
        usual = None if normal is None else float(normal.error_share[number])
        share = attribution / positive if positive > 0 else None
        found.append(Feature(name, own, categories[number], error, usual, attribution, share))
    return found


def _of_error(error_map: Floats) -> Floats:
    """Return each column's share of a sample's error (N, M); 0 where there is none."""
    whole = error_map.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(error_map, whole, out=np.zeros_like(error_map), where=whole > 0))


def _usual(normal: Normal | None, count: int) -> list[Usual | None]:
    if normal is None:
        return [None] * count
    return [Usual(*map(float, three)) for three in normal.quantiles.T]


def _categories(
    view: View, number: int, seen: Seen, normal: Normal | None
) -> list[Category] | None:
    """Return each sample's category of a feature; None where it is none."""
    codes = view.codes(number)
    if codes is None:
        return None
    held = codes.of(seen.x)
    likely = seen.x_hat.reshape(len(seen.x), -1)[:, codes.columns].argmax(axis=1)
    shares = [None] * len(held) if normal is None else _shares(codes.of(normal.samples), held)
    return [
        Category(view.category(number, own), view.category(number, other), share)
        for own, other, share in zip(held.tolist(), likely.tolist(), shares, strict=True)
    ]


def _shares(normal: NDArray[np.int64], held: NDArray[np.int64]) -> list[float]:
    """Return the share of normal samples that have each sample's category."""
    return [float((normal == own).mean()) for own in held]
