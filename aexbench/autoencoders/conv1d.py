"""A convolutional autoencoder along time, for windows of series."""

from __future__ import annotations

from typing import Annotated

from torch import nn

from aexbench.autoencoders import register
from aexbench.autoencoders.series import ByTime, Output, check_window, ending
from aexbench.declarations import Later
from aexbench.errors import RequestError


@register("conv1d", version=1, images=False, epochs=200, patience=10)
def conv1d(
    shape: tuple[int, ...],
    *,
    channels: tuple[int, ...] = (32, 8),
    output: Annotated[Output, Later("sigmoid")] = "sigmoid",
) -> nn.Module:
    """Return convolutions along time that halve it at each layer, mirrored by nearest upsampling,
    with ReLU inside.

    Parameters
    ----------
    shape
        Of one sample: (T, D), where T is divisible by 2 to the number of `channels`.
    channels
        After each halving, the last of them the bottleneck.
    output
        What ends the network: `sigmoid` reaches from 0 to 1, `identity` everywhere.

    References
    ----------
    None: a plain form of convolutional autoencoders, such as Masci et al. 2011 have for images.
    """
    if not channels or min(channels) < 1:
        raise RequestError(f"conv1d needs channels of at least 1; got {list(channels)}")
    _, width = check_window(shape, "conv1d", 2 ** len(channels))
    layers: list[nn.Module] = []
    for inputs, outputs in zip((width, *channels), channels, strict=False):
        layers += [nn.Conv1d(inputs, outputs, 3, 2, 1), nn.ReLU()]
    back = channels[::-1]
    for inputs, outputs in zip(back, (*back[1:], back[-1]), strict=True):
        layers += [nn.Upsample(scale_factor=2.0), nn.Conv1d(inputs, outputs, 3, 1, 1), nn.ReLU()]
    return ByTime(*layers, nn.Conv1d(channels[0], width, 1), ending(output))
