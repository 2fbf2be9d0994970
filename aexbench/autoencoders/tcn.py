"""A temporal convolutional autoencoder, for windows of series."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge
from torch import nn

from aexbench.autoencoders import register
from aexbench.autoencoders.series import ByTime, Output, check_window, ending
from aexbench.declarations import Later
from aexbench.errors import RequestError


@register("tcn", version=1, images=False, epochs=200, patience=10)
def tcn(
    shape: tuple[int, ...],
    *,
    channels: Annotated[int, Ge(1)] = 32,
    code: Annotated[int, Ge(1)] = 4,
    dilations: tuple[int, ...] = (1, 2, 4),
    pooled: Annotated[int, Ge(1)] = 2,
    output: Annotated[Output, Later("sigmoid")] = "sigmoid",
) -> nn.Module:
    """Return dilated convolutions along time, a code of few channels that is averaged over
    neighbouring steps, and dilated convolutions back, with ReLU inside.

    Parameters
    ----------
    shape
        Of one sample: (T, D), where T is divisible by `pooled`.
    channels
        Of each dilated convolution.
    code
        Channels of the bottleneck.
    dilations
        Of the convolutions of three steps, on either side.
    pooled
        Steps that are averaged.
    output
        What ends the network: `sigmoid` reaches from 0 to 1, `identity` everywhere.

    References
    ----------
    Thill, Konen, Wang and Bäck 2021, "Temporal convolutional autoencoder for unsupervised anomaly
    detection in time series"; without its skips.
    """
    if not dilations or min(dilations) < 1:
        raise RequestError(f"tcn needs dilations of at least 1; got {list(dilations)}")
    _, width = check_window(shape, "tcn", pooled)
    inward = [*_dilated(width, channels, dilations), nn.Conv1d(channels, code, 1)]
    outward = [*_dilated(code, channels, dilations[::-1]), nn.Conv1d(channels, width, 1)]
    middle = [nn.AvgPool1d(pooled), nn.Upsample(scale_factor=float(pooled))]
    return ByTime(*inward, *middle, *outward, ending(output))


def _dilated(inputs: int, channels: int, dilations: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for number, dilation in enumerate(dilations):
        width = channels if number else inputs
        layers += [nn.Conv1d(width, channels, 3, padding=dilation, dilation=dilation), nn.ReLU()]
    return layers
