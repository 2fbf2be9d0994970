"""An autoencoder of strided and transposed convolutions, for images."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from aexbench.autoencoders import register
from aexbench.autoencoders.layers import ForRelu, Output, check_image


@register(
    "conv-transpose",
    version=1,
    images=True,
    epochs=200,
    patience=10,
    batch_size=32,
    learning_rate=0.001,
)
def conv_transpose(
    shape: tuple[int, ...], *, channels: tuple[int, ...] = (16, 32, 64)
) -> nn.Module:
    """Return strided convolutions and, mirrored, transposed ones, with BatchNorm, ReLU, and a
    sigmoid at the end.

    Parameters
    ----------
    shape
        Of one sample: (C, H, W), where H and W are divisible by 2 to the number of `channels`.
    channels
        After each layer of the encoder, which halves height and width.
    """
    check_image(shape, len(channels), "conv-transpose")
    sizes = (shape[0], *channels)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [
            nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    for inputs, outputs in pairwise(sizes[:0:-1]):
        layers += [
            nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    last = Output(nn.ConvTranspose2d(channels[0], shape[0], 4, 2, 1), nn.Sigmoid())
    return nn.Sequential(ForRelu(*layers), last)
