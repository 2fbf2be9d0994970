"""What golden figures are taken from: weights, rows and images by a formula, none of it trained.

A sine of a running number stands for what is random elsewhere: the same on every machine.
"""

from __future__ import annotations

import functools
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench import Detector, Features
from aexbench.contracts import AnomalySet
from aexbench.datasets.tools.windows import By, features_of

COLUMNS, STEPS = 7, 16
GROUPS = (0, 1, 2, 2, 3, 4, 4)
CATEGORIES = Features(
    groups=(0, 0, 0, 1, 2, 2, 3), kinds=("onehot", "columns", "embedding", "columns")
)
CODES = ((0.1, 0.9), (0.6, 0.4), (0.8, 0.7))  # of the embedded category


def wave(shape: tuple[int, ...], step: float = 1.7) -> NDArray[np.float64]:
    """Return numbers in [−1, 1] that never repeat."""
    numbers = np.arange(1, int(np.prod(shape)) + 1, dtype=np.float64)
    return np.sin(step * numbers + 0.01 * numbers**2 % 7).reshape(shape)


def weighted(model: torch.nn.Module) -> torch.nn.Module:
    """Return a model in float64 whose parameters are waves of the size that layers like."""
    for number, parameter in enumerate(model.parameters()):
        inputs = max(1, parameter[0].numel())
        values = wave(tuple(parameter.shape), 1.7 + number / 10) * (2 / inputs) ** 0.5
        parameter.data = torch.as_tensor(values)
    return model.double().eval()


def rows(count: int, step: float = 1.7) -> NDArray[np.float32]:
    """Return rows (count, 7) in [0, 1] that hang together: three waves make seven columns."""
    hidden = (wave((count, 3), step) + 1) / 2
    mixed = hidden @ (np.abs(wave((3, COLUMNS), 2.3)) + 0.1)
    return (mixed / 3).clip(0, 1).astype(np.float32)


def categories(count: int, step: float = 1.7) -> NDArray[np.float32]:
    """Return rows (count, 7) whose first columns are one-hot, and whose fifth and sixth are a code:
    CATEGORIES describes them.
    """
    made = rows(count, step)
    place = (made[:, 3] * 30).astype(np.int64)
    made[:, :3] = np.eye(3, dtype=np.float32)[place % 3]
    made[:, 4:6] = np.array(CODES, dtype=np.float32)[place // 3 % 3]
    return made


def windows(count: int, step: float = 1.7) -> NDArray[np.float32]:
    """Return windows (count, 16, 7) of such rows."""
    return rows(count * STEPS, step).reshape(count, STEPS, COLUMNS)


def images(count: int) -> NDArray[np.float32]:
    """Return grey images (count, 1, 16, 16) in [0, 1] with smooth parts: SLIC needs something."""
    down, across = np.meshgrid(np.arange(16), np.arange(16), indexing="ij")
    waves = [np.sin(down / (2 + n % 5)) * np.cos(across / (3 + n % 4)) for n in range(count)]
    return ((np.array(waves) + 1) / 2).astype(np.float32)[:, None]


def swinging(count: int) -> NDArray[np.float32]:
    """Return windows (count, 16, 3) in [0, 1] of which each channel swings: every four, six and
    eight steps, but for a wave.
    """
    time = np.arange(16 * count).reshape(count, 16, 1)
    swings = np.sin(2 * np.pi * time / np.array([4, 6, 8]))
    return (0.5 + 0.3 * swings + 0.1 * wave((count, 16, 3), 1.1)).astype(np.float32)


@functools.cache  # whoever takes figures leaves it as it is
def of_rows(groups: tuple[int, ...] | None = None) -> Detector:
    """Return a calibrated detector of rows."""
    sizes = (COLUMNS, 6, 3, 6, COLUMNS)
    layers: list[torch.nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    model = weighted(torch.nn.Sequential(*layers[:-1], torch.nn.Sigmoid()))
    return Detector(model, "l2", Features(groups=groups)).calibrate(rows(60, 2.1))


@functools.cache
def of_categories() -> Detector:
    """Return a calibrated detector of rows that hold categories."""
    return Detector(of_rows().model, "l2", CATEGORIES).calibrate(categories(60, 2.1))


@functools.cache
def of_windows(by: By) -> Detector:
    """Return a calibrated detector of windows, step by step."""
    features = features_of(Features(), (STEPS, COLUMNS), by)
    return Detector(of_rows().model, "l2", features).calibrate(windows(60, 2.1))


@functools.cache
def of_images() -> Detector:
    """Return a calibrated detector of images."""
    layers = [torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU()]
    layers += [torch.nn.Conv2d(4, 1, 3, padding=1), torch.nn.Sigmoid()]
    return Detector(weighted(torch.nn.Sequential(*layers)), "l2").calibrate(images(12))


@functools.cache
def of_swinging() -> Detector:
    """Return a calibrated detector of windows that swing."""
    layers = [torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 3), torch.nn.Sigmoid()]
    return Detector(weighted(torch.nn.Sequential(*layers)), "l2").calibrate(swinging(12))


def anomalies(count: int = 12) -> AnomalySet:
    """Return anomalies of rows with one or two true columns, some of one unit."""
    x = rows(count, 1.3)
    truth = np.zeros(x.shape, dtype=bool)
    truth[np.arange(count), np.arange(count) * 3 % COLUMNS] = True
    truth[::3, 2] = True
    label = np.array(["one", "other"])[np.arange(count) % 2]
    unit = np.arange(count) // 2
    score = (wave((count,)) + 1) / 2
    return AnomalySet(x, truth, score, score / 10, label, unit, Features())


def damages() -> NDArray[np.bool_]:
    """Return a truth of images (3, 1, 16, 16): a block, a scratch, and a block with a speck."""
    truth = np.zeros((3, 1, 16, 16), dtype=bool)
    truth[0, 0, 3:11, 4:13] = truth[1, 0, 8, 2:14] = truth[2, 0, :6, 9:] = True
    truth[2, 0, 12, 3] = True
    return truth


def incidents() -> NDArray[np.bool_]:
    """Return a truth of windows (4, 12, 3): a segment, one at the beginning, two, and one step."""
    truth = np.zeros((4, 12, 3), dtype=bool)
    truth[0, 4:9, 1] = truth[1, :4, :2] = truth[2, 2:6, 0] = truth[2, 9:, 2] = truth[3, 7] = True
    return truth


def summary(values: object) -> list[float]:
    """Return figures (N, …) of a few samples in three numbers each: no change passes all."""
    array = np.asarray(values, dtype=np.float64)
    flat = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
    pattern = wave((flat.shape[1],), 0.9)
    return [float(f) for row in flat[:3] for f in (row.sum(), row @ pattern, row.max())]


def whole(values: object) -> list[float]:
    """Return a whole array in three numbers: its length, its sum, its product with a wave."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    return [float(len(flat)), float(flat.sum()), float(flat @ wave((len(flat),), 0.9))]
