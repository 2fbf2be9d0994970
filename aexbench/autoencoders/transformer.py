"""A transformer as autoencoder, for windows of series."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn

from aexbench.autoencoders import register
from aexbench.autoencoders.series import Output, check_window, ending
from aexbench.declarations import Later
from aexbench.errors import RequestError


class Attending(nn.Module):
    """Layers of attention over the steps, on either side of a narrow code of each step."""

    def __init__(
        self,
        shape: tuple[int, int],
        units: int,
        heads: int,
        layers: int,
        code: int,
        output: Output,
    ):
        super().__init__()
        self.embed = nn.Linear(shape[1], units)
        self.places = nn.Parameter(torch.empty(1, shape[0], units))
        self.encoder, self.decoder = (_layers(units, heads, layers) for _ in range(2))
        self.code, self.back = nn.Linear(units, code), nn.Linear(code, units)
        self.output, self.ending = nn.Linear(units, shape[1]), ending(output)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the places' initial values."""
        nn.init.normal_(self.places, std=0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return windows of the shape of x (N, T, D)."""
        code = self.code(self.encoder(self.embed(x) + self.places))
        decoded = self.decoder(self.back(code) + self.places)
        made: torch.Tensor = self.ending(self.output(decoded))
        return made


@register("transformer", version=1, images=False, epochs=100, patience=10, learning_rate=0.001)
def transformer(
    shape: tuple[int, ...],
    *,
    units: Annotated[int, Ge(1)] = 32,
    heads: Annotated[int, Ge(1)] = 4,
    layers: Annotated[int, Ge(1)] = 1,
    code: Annotated[int, Ge(1)] = 4,
    output: Annotated[Output, Later("sigmoid")] = "sigmoid",
) -> nn.Module:
    """Return layers of attention over the steps of a window, a narrow code of each step, and layers
    of attention back.

    Parameters
    ----------
    shape
        Of one sample: (T, D).
    units, heads, layers
        Of the attention on either side; the units are divided among the heads.
    code
        Numbers of each step in the bottleneck.
    output
        What ends the network: `sigmoid` reaches from 0 to 1, `identity` everywhere.

    References
    ----------
    Vaswani et al. 2017, "Attention Is All You Need" (its encoder, on either side).
    """
    steps, channels = check_window(shape, "transformer")
    if units % heads:
        raise RequestError(f"transformer: {units} units cannot be divided among {heads} heads")
    return Attending((steps, channels), units, heads, layers, code, output)


def _layers(units: int, heads: int, layers: int) -> nn.TransformerEncoder:
    one = nn.TransformerEncoderLayer(units, heads, 2 * units, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(one, layers, enable_nested_tensor=False)
