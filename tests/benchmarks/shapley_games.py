"""Games whose Shapley values are asked for: data sets with a detector, anomalies and a background
each, groups of columns, and superpixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from aexbench import Dataset, Detector, corruptions, datasets, explainers
from aexbench.explainers.tools.baselines import representatives
from aexbench.explainers.tools.segments import Players

SHARED = Path(__file__).parents[3] / "shared" / "data"  # is not everywhere
SAMPLES = 8
ENUMERATED = 14  # players whose Shapley values are exact; those of more are the mean of
REFERENCES, REFERENCE_ROWS = 30, 100_000  # runs of so many rows
OF_IMAGES = 10  # runs, which cost more


@dataclass(frozen=True)
class Game:
    """What is asked about: `players` are the features, groups or segments of one sample."""

    detector: Detector
    background: np.ndarray
    x: torch.Tensor
    players: int
    given: dict[str, Any]  # of every explainer that is asked

    def asked(self, name: str, **parameters: Any) -> Any:
        given = {"background": self.background, **self.given, **parameters}
        return explainers.create(name, self.detector, **given)

    def by_player(self, values: torch.Tensor) -> list[torch.Tensor]:
        """Values of columns (N, …) as those of each sample's players."""
        numbers = Players(**self.given).numbers(self.x, self.detector.features)
        return [
            torch.zeros(int(own.max()) + 1, dtype=torch.float64).index_add_(0, own, one.double())
            for own, one in zip(numbers.flatten(1), values.flatten(1), strict=True)
        ]

    def truth(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Shapley values by enumeration, or by many draws with seeds of their own, and their
        standard errors (N, …).
        """
        if self.players <= ENUMERATED:
            rows = {"nsamples": 2**self.players, "rows": len(self.background)}
            exact = self.asked("kernelshap-batched", **rows).explain(self.x).double()
            return exact, torch.zeros_like(exact)
        runs = range(1000, 1000 + (REFERENCES if self.x.dim() == 2 else OF_IMAGES))
        given = {"nsamples": REFERENCE_ROWS}
        drawn = torch.stack(
            [self.asked("shapley-permutation", seed=s, **given).explain(self.x) for s in runs]
        ).double()
        return drawn.mean(0), drawn.std(0) / len(runs) ** 0.5


def of_dataset(data: Dataset) -> Game:
    """Anomalies of `random` on the data set's own detector; its representatives stand for it."""
    detector = data.detector(seed=0)
    made = corruptions.create("random")
    anomalies = made.generate(detector, data.test, count=SAMPLES, threshold="alarm", seed=0)
    normal = representatives(detector, data.train, None, 0).cpu().numpy()
    players = data.features.count(normal.shape[1:])
    return Game(detector, normal, torch.as_tensor(anomalies.x), players, {})


def real(name: str) -> Path:
    """The folder of data that are not the project's; without them a game is left out."""
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not here: its data are not the project's to hand on")
    return SHARED / name


def cardio(columns: int) -> Game:
    given = np.load(real("cardio") / "6_cardio.npz")
    frame = pd.DataFrame(given["X"][:, :columns]).add_prefix("column ")
    return of_dataset(Dataset.of(frame.assign(wrong=given["y"].astype(int)), label="wrong"))


def smd() -> Game:
    return of_dataset(datasets.create("smd", machine="1-7", root=real("smd")))


def superpixels(segments: int, network: Callable[[torch.Tensor], nn.Module]) -> Game:
    """Images of `defects` under a network made of those of training, by superpixels."""
    data = datasets.create("defects", images=30, per_damage=1, size=64, train_samples=100)
    normal = torch.as_tensor(np.asarray(data.train[:]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        detector = Detector(network(normal).eval(), features=data.features)
    x = torch.as_tensor(np.asarray(data.test[-2:]))
    return Game(detector, normal.numpy(), x, segments, {"count": segments})


def through_a_code(normal: torch.Tensor) -> nn.Module:
    """Sixteen principal components with a tanh: all pixels meet, superpixels depend on each
    other.
    """
    flat = normal.flatten(1)
    mean = flat.mean(0)
    _, spread, components = torch.linalg.svd(flat - mean, full_matrices=False)
    scale = 2 * spread[:16, None] / len(flat) ** 0.5
    encode, decode = nn.Linear(len(mean), 16), nn.Linear(16, len(mean))
    encode.weight.data, decode.weight.data = components[:16] / scale, (components[:16] * scale).T
    encode.bias.data, decode.bias.data = -encode.weight.data @ mean, mean
    return nn.Sequential(
        nn.Flatten(), encode, nn.Tanh(), decode, nn.Unflatten(1, normal.shape[1:])
    )  # fmt: skip


def local(normal: torch.Tensor) -> nn.Module:
    """Convolutions: a pixel sees few others, the game is nearly the sum of its superpixels."""
    return nn.Sequential(
        nn.Conv2d(normal.shape[1], 6, 5, stride=2, padding=2), nn.Tanh(),
        nn.Conv2d(6, 4, 3, padding=1), nn.Tanh(),
        nn.ConvTranspose2d(4, normal.shape[1], 4, stride=2, padding=1), nn.Sigmoid(),
    )  # fmt: skip


GAMES: dict[str, Callable[[], Game]] = {
    "sql-workload": lambda: of_dataset(datasets.create("sql-workload", rows=20_000)),
    "cardio": lambda: cardio(21),
    "cardio, 14 columns": lambda: cardio(14),
    "smd 1-7": smd,
    "digits": lambda: of_dataset(datasets.create("digits")),
    "breast-cancer": lambda: of_dataset(datasets.create("breast-cancer")),
    "wine": lambda: of_dataset(datasets.create("wine")),
    "sql-workload in groups": lambda: of_dataset(
        datasets.create("sql-workload", rows=20_000, encoding="groups")
    ),
    "64 superpixels": lambda: superpixels(64, through_a_code),
    "256 superpixels": lambda: superpixels(256, through_a_code),
    "64 superpixels, local": lambda: superpixels(64, local),
}
