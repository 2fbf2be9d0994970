"""Convolutional autoencoders, for images: the paper's (Table 2), and one of transposed
convolutions.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from annotated_types import Ge
from torch import nn

from aexbench.autoencoders import register
from aexbench.errors import RequestError

PAPER = (1, 128, 128)
ENCODER = ((32, 5, 2), (32, 3, 2), (32, 3, 1), (64, 5, 2), (64, 3, 1), (128, 3, 2), (512, 3, 1))
"""Channels, kernel and stride of Conv 1 to 7."""
DECODER = ((3, 128), (3, 64), (2, 64), (2, 32), (2, 32), (2, 32))
"""Scale of the Upsample before Conv 8 to 13, and their channels."""
OUTPUTS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class ForRelu(nn.Sequential):
    """Layers whose initial weights suit ReLU (He et al. 2015)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw initial weights."""
        weighted = [layer for layer in self if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
        for layer in self:
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_parameters()
        for layer in weighted:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Output(ForRelu):
    """A last layer that starts near the constant 0.5, whatever comes in: a ReLU behind it lives.

    Otherwise the output of Table 2's network is all zero for about half of the seeds, and has no
    gradient to leave it.
    """

    def reset_parameters(self) -> None:
        """Draw initial weights."""
        super().reset_parameters()
        for layer in self:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
                layer.weight.data.mul_(0.1)
                nn.init.constant_(layer.bias, 0.5)


@register("conv", epochs=200, patience=10, batch_size=32, learning_rate=0.001)
def conv(
    shape: tuple[int, ...],
    *,
    output: Literal["relu", "sigmoid"] = "relu",
    narrow: Annotated[int, Ge(1)] = 1,
) -> nn.Module:
    """Return the paper's convolutional autoencoder for grey images of 128 × 128 pixels.

    Parameters
    ----------
    shape
        Of one sample: (1, 128, 128).
    output
        After the last layer; the paper's is ReLU.
    narrow
        Divides the number of channels inside, for quick trials.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Table 2; the scale of its third
    Upsample is 2.0: the printed 3.0 contradicts its own output size.
    """
    if shape != PAPER:
        raise RequestError(
            f"conv (Table 2) takes samples of shape {PAPER}; these have {shape}: use "
            "conv-transpose or unet"
        )
    layers: list[nn.Module] = []
    channels = 1
    for outputs, kernel, stride in ENCODER:
        layers += [nn.Conv2d(channels, max(1, outputs // narrow), kernel, stride), nn.ReLU()]
        channels = max(1, outputs // narrow)
    for scale, outputs in DECODER:
        layers += [nn.Upsample(scale_factor=float(scale), mode="nearest")]
        layers += [nn.Conv2d(channels, max(1, outputs // narrow), 3), nn.ReLU()]
        channels = max(1, outputs // narrow)
    return nn.Sequential(ForRelu(*layers), Output(nn.Conv2d(channels, 1, 3), OUTPUTS[output]()))


@register("conv-transpose", epochs=200, patience=10, batch_size=32, learning_rate=0.001)
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


def check_image(shape: tuple[int, ...], halvings: int, name: str) -> None:
    """Raise RequestError unless samples are images that can be halved so often."""
    if len(shape) != 3:
        raise RequestError(f"{name} takes images (C, H, W); samples have shape {shape}")
    if halvings < 1 or shape[1] % 2**halvings or shape[2] % 2**halvings:
        raise RequestError(
            f"{name}: height and width must be divisible by {2**halvings}; samples have shape "
            f"{shape}"
        )
