"""Series: windows of a few waves, their detector, and each corruption of theirs by plain loops."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from torch import nn

from aexbench import Detector, Features
from aexbench.datasets.tools.windows import By, features_of
from tests.explainers.in_units import InUnits

SERIES = ("drift", "exchange", "flat-line", "level-shift", "noise", "spike")
STEPS, CHANNELS = 16, 4


def windows(count: int = 150, seed: int = 1) -> np.ndarray:
    """Return windows (N, 16, 4) in [0, 1] of waves that hang together."""
    rng = np.random.default_rng(seed)
    phase = rng.random((count, 1, 2)) * 6 + np.arange(STEPS)[:, None] * [0.5, 0.8]
    mixed = np.sin(phase) @ [[0.3, -0.2, 0.1, 0.3], [0.1, 0.3, -0.3, 0.1]]
    return (0.5 + mixed + rng.normal(0, 0.02, mixed.shape)).clip(0, 1)


def projection() -> nn.Sequential:
    """Return the projection of each step's channels on the directions of the two waves."""
    steps = windows(seed=2).reshape(-1, CHANNELS)
    mean = torch.as_tensor(steps.mean(axis=0))
    directions = torch.as_tensor(
        np.linalg.svd(steps - steps.mean(axis=0), full_matrices=False)[2][:2].copy()
    )
    down, up = nn.Linear(CHANNELS, 2).double(), nn.Linear(2, CHANNELS).double()
    down.weight.data, down.bias.data = directions, -directions @ mean
    up.weight.data, up.bias.data = directions.T.contiguous(), mean
    return nn.Sequential(down, nn.Tanh(), up)


def detector(by: By = "channels", factor: float = 1.0, shift: float = 0.0) -> Detector:
    """Return a calibrated detector of windows, step by step; `in_units` tells of the units."""
    rows = Features(low=factor * shift, high=factor * (1 + shift))
    features = features_of(rows, (STEPS, CHANNELS), by)
    net = InUnits(projection(), factor, shift)
    return Detector(net, "l2", features).calibrate((windows(seed=2) + shift) * factor)


def untouched(features: Features | None = None) -> Detector:
    """Return a detector that is asked for its features alone."""
    return Detector(nn.Identity(), "l2", features or Features(low=0.0, high=1.0))


def proposed(
    name: str, x: np.ndarray, mask: np.ndarray, detector: Detector, clean: np.ndarray, **given: Any
) -> Any:
    """Return what a corruption proposes for windows, drawn by seed 5."""
    from aexbench import corruptions

    made = corruptions.create(name, **given)
    known = {"clean": clean} if "clean" in made.offered else {}
    rng, tensors = np.random.default_rng(5), (torch.as_tensor(x), torch.as_tensor(mask))
    return made.propose(detector, *tensors, rng, **made.parameters, **known)


def masks(x: np.ndarray, by: By, seed: int = 0) -> np.ndarray:
    """Return for each window the mask of a feature drawn at random."""
    features = features_of(Features(), x.shape[1:], by)
    numbers = np.random.default_rng(seed).integers(features.count(x.shape[1:]), size=len(x))
    return features.masks(numbers, x.shape[1:])


def segment_by_hand(
    mask: np.ndarray, uniform: np.ndarray, length: int, channels: int
) -> tuple[range, list[int]]:
    """Return the steps and the channels of one window's segment."""
    steps, width = mask.shape
    cells = [(t, c) for t in range(steps) for c in range(width) if mask[t, c]]
    step, channel = cells[int(uniform[0] * len(cells))]
    places = [s for s in range(steps - length + 1) if s <= step < s + length]
    start = places[int(uniform[1] * len(places))]
    others = sorted((c for c in range(width) if c != channel), key=lambda c: uniform[2 + c])
    return range(start, start + length), [channel, *others[: channels - 1]]


def sign(uniform: float) -> int:
    """Return down for the lower half."""
    return -1 if uniform < 0.5 else 1


def spread_by_hand(clean: np.ndarray, channel: int, span: float) -> float:
    """Return the standard deviation of all values of a channel."""
    values = [float(value) for window in clean for value in window[:, channel]]
    mean = sum(values) / len(values)
    own = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    return max(own, 1e-6 * span)


Cell = Callable[..., float]  # (x, t, c, k-th step of the segment, rest of the draws, …): a value


def _spike(x, t, c, k, rest, *, spread, size, **_):
    return x[t, c] + sign(rest[c]) * size * spread[c]


def _drift(x, t, c, k, rest, *, spread, size, length, **_):
    return x[t, c] + sign(rest[c]) * size * spread[c] * (k + 1) / length


def _noise(x, t, c, k, rest, *, spread, size, **_):
    return x[t, c] + size * spread[c] * NormalDist().inv_cdf(rest[t * x.shape[1] + c])


def _flat_line(x, t, c, k, rest, **_):
    return x[t - k, c]


def _exchange(x, t, c, k, rest, *, clean, **_):
    return clean[int(rest[0] * len(clean))][t, c]


FORMULAS: dict[str, Cell] = {
    "drift": _drift,
    "exchange": _exchange,
    "flat-line": _flat_line,
    "level-shift": _spike,
    "noise": _noise,
    "spike": _spike,
}


def by_hand(
    name: str, x: np.ndarray, mask: np.ndarray, uniform: np.ndarray, clean: np.ndarray, **given: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return one window (T, D) with a segment corrupted, and its truth, cell by cell."""
    length = given["length"] = 1 if name == "spike" else given["length"]
    steps, channels = segment_by_hand(mask, uniform, length, given["channels"])
    rest, made, truth = uniform[2 + x.shape[1] :], x.copy(), np.zeros(x.shape, dtype=bool)
    for k, t in enumerate(steps):
        for c in channels:
            made[t, c] = FORMULAS[name](x, t, c, k, rest, clean=clean, **given)
            truth[t, c] = made[t, c] != x[t, c]
    if not (truth & mask).any():
        made, truth = x, np.zeros(x.shape, dtype=bool)
        truth[np.ix_(steps, channels)] = True
    return made, truth
