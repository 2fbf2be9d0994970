"""Images of 9 × 7 pixels, and a convolutional detector for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from aexbench import Detector

IMAGES = torch.as_tensor(np.random.default_rng(3).random((3, 2, 9, 7)))
NORMAL_IMAGES = np.random.default_rng(4).random((9, 2, 9, 7)).astype(np.float32)


def convolutions() -> Detector:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (
            nn.Conv2d(2, 3, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(3, 2, 3, padding=1),
            nn.Sigmoid(),
        )
        return Detector(nn.Sequential(*layers).double())
