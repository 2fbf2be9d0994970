"""The paper's convolutional autoencoder, for images (Table 2)."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge
from torch import nn

from aexbench.autoencoders import register
from aexbench.autoencoders.layers import ForRelu, Output, Sparse, Start, channels_last
from aexbench.declarations import Later
from aexbench.errors import RequestError

PAPER = (1, 128, 128)
ENCODER = ((32, 5, 2), (32, 3, 2), (32, 3, 1), (64, 5, 2), (64, 3, 1), (128, 3, 2), (512, 3, 1))
"""Channels, kernel and stride of Conv 1 to 7."""
DECODER = ((3, 128), (3, 64), (2, 64), (2, 32), (2, 32), (2, 32))
"""Scale of the Upsample before Conv 8 to 13, and their channels."""
OUTPUTS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}


@register(
    "conv", version=2, images=True, epochs=200, patience=10, batch_size=32, learning_rate=0.001
)
def conv(
    shape: tuple[int, ...],
    *,
    output: Literal["relu", "sigmoid"] = "relu",
    narrow: Annotated[int, Ge(1)] = 1,
    start: Annotated[Start, Later("he")] = "he",
    l1: Annotated[float, Ge(0), Later(0.0)] = 0.0,
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
    start
        Initial weights: `he` (normal, for ReLU) or `glorot` (uniform). The last layer's are a tenth
        of that, around a constant 0.5.
    l1
        λ of a penalty on the weights, λ Σ |w|, beside the training loss, which is a mean over
        pixels.

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
    last = Output(nn.Conv2d(channels, 1, 3), OUTPUTS[output](), start=start)
    parts = (ForRelu(*layers, start=start), last)
    model = Sparse(l1, *parts) if l1 > 0 else nn.Sequential(*parts)
    return channels_last(model)
