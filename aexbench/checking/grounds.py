"""What components are tried on: a small trained detector of rows, one of images that is set by
hand, and windows of series.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import nn

from aexbench.contracts import Dataset
from aexbench.detector import Detector
from aexbench.families import datasets
from aexbench.features import Features
from aexbench.rows import Array

ROWS = "wine"  # real, small, trained in seconds once, with a network that is not linear
SAMPLES = 5  # that an explainer explains
SIZE, IMAGES = 16, 60  # of a side, and how many


@dataclass(frozen=True, eq=False)
class Ground:
    """A detector with its data; `name` says to people what it is."""

    name: str
    data: Dataset
    detector: Detector

    @property
    def normal(self) -> Array:
        """Normal samples (N, …) that the detector was not trained on."""
        return self.data.normal

    @property
    def anomalies(self) -> torch.Tensor:
        """Anomalous samples (5, …)."""
        labels = np.asarray(self.data.test_labels)
        chosen = np.flatnonzero(labels)[:SAMPLES]
        return torch.as_tensor(np.asarray(self.data.test[chosen]))


def rows() -> Ground:
    """Return the rows of `wine` and its own autoencoder: a copy, whatever was done to others."""
    return copy.deepcopy(_rows())


def images() -> Ground:
    """Return smooth images, some with a chequered patch, and a network that blurs them; a copy."""
    return copy.deepcopy(_images())


def windows() -> Ground:
    """Return the same images as windows (T, D) that swing every four steps, and a network that
    blurs their channels; a copy.
    """
    data = images().data
    swing = 0.5 + 0.5 * np.sin(np.arange(SIZE)[:, None] * np.pi / 2)
    train, validation, test = (
        0.5 * (split[:, 0] + swing) for split in (data.train, data.validation, data.test)
    )
    series = Dataset(train, validation, test, Features(), data.test_labels)
    blur = nn.Linear(SIZE, SIZE, bias=False)
    near = (torch.arange(SIZE)[:, None] - torch.arange(SIZE)).abs() < 2
    blur.weight.data = near / near.sum(1, keepdim=True)
    detector = Detector(blur).calibrate(series.validation)
    return Ground(f"windows of {SIZE} steps of {SIZE} channels", series, detector)


@cache
def _rows() -> Ground:
    data = datasets.create(ROWS)
    return Ground(f"{ROWS}, rows of {data.train.shape[1]} columns", data, data.detector())


@cache
def _images() -> Ground:
    smooth = _smooth(3 * IMAGES)
    test = smooth[2 * IMAGES :].copy()
    labels = np.arange(IMAGES) < IMAGES // 3
    test[labels, :, 3:13, 3:13] = np.indices((10, 10)).sum(axis=0) % 2
    data = Dataset(smooth[:IMAGES], smooth[IMAGES : 2 * IMAGES], test, Features(), labels)
    detector = Detector(_blur()).calibrate(data.validation)
    return Ground(f"images of {SIZE} × {SIZE} pixels", data, detector)


def _smooth(count: int) -> Array:
    """Return waves (N, 1, H, W) of random direction and phase, with some noise."""
    rng = np.random.default_rng(0)
    down, right, phase = rng.uniform(0.0, 0.5, (3, count, 1, 1, 1))
    places = np.arange(SIZE)
    waves = np.sin(down * places[:, None] + right * places + 6 * phase)
    noise = rng.normal(0.0, 0.02, waves.shape)
    return np.asarray((0.5 + 0.3 * waves + noise).clip(0, 1), dtype=np.float32)


def _blur() -> nn.Sequential:
    """Return two convolutions, of which each takes the mean of nine pixels."""
    layers = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 1, 3, padding=1)
    with torch.no_grad():
        for layer in layers:
            assert layer.bias is not None
            layer.weight.fill_(1 / 9 / layer.in_channels)
            layer.bias.zero_()
    return nn.Sequential(layers[0], nn.ReLU(), layers[1])
