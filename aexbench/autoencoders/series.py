"""What autoencoders of windows share: a check of the shape, and steps that go through a code."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from aexbench.errors import RequestError

Output = Literal["sigmoid", "identity"]  # what ends a network: [0, 1], or any value


def ending(output: Output) -> nn.Module:
    """Return the last module."""
    return nn.Sigmoid() if output == "sigmoid" else nn.Identity()


class Recurrent(nn.Module):
    """An encoder whose last output becomes a code, and a decoder that reads the code at every step
    and writes the window backwards: its last row first (Malhotra et al. 2016).
    """

    def __init__(
        self,
        kind: type[nn.LSTM] | type[nn.GRU],
        width: int,
        units: int,
        code: int,
        output: Output = "sigmoid",
    ):
        super().__init__()
        self.encoder = kind(width, units, batch_first=True)
        self.code = nn.Linear(units, code)
        self.decoder = kind(code, units, batch_first=True)
        self.output = nn.Linear(units, width)
        self.ending = ending(output)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return windows of the shape of x (N, T, D)."""
        outputs, _ = self.encoder(x)
        code = self.code(outputs[:, -1:]).expand(-1, x.shape[1], -1)
        decoded, _ = self.decoder(code)
        made: torch.Tensor = self.ending(self.output(decoded))
        return made.flip(1)


class ByTime(nn.Module):
    """Layers on (N, D, T), given windows (N, T, D)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return windows of the shape of x (N, T, D)."""
        made: torch.Tensor = self.layers(x.transpose(1, 2)).transpose(1, 2)
        return made


def check_window(shape: tuple[int, ...], name: str, shrinks: int = 1) -> tuple[int, int]:
    """Return steps and channels of a window's shape.

    Raises
    ------
    RequestError
        Unless samples are windows (T, D) and T is divisible by `shrinks`.
    """
    if len(shape) != 2:
        raise RequestError(
            f"{name} takes windows (T, D) of series; samples have shape {shape}: give the data "
            "window=T, where they are rows in time order"
        )
    if shape[0] % shrinks:
        raise RequestError(f"{name} needs windows of a multiple of {shrinks} rows; got {shape[0]}")
    return shape[0], shape[1]
