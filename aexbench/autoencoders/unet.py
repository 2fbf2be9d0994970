"""A U-Net as autoencoder, for images: what a bottleneck loses, skips bring back."""

from __future__ import annotations

import torch
from torch import nn

from aexbench.autoencoders import register
from aexbench.autoencoders.layers import ForRelu, Output, channels_last, check_image


class Level(nn.Module):
    """Halves height and width, lets the deeper levels work, doubles them again, and puts its input
    beside the result.

    The outermost level leaves its input out: with it, the identity would be learned and no anomaly
    found.
    """

    def __init__(self, outside: int, channels: tuple[int, ...], outermost: bool = False) -> None:
        super().__init__()
        inside, *deeper = channels
        self.down = ForRelu(nn.Conv2d(outside, inside, 3, 2, 1), nn.ReLU())
        self.deeper = Level(inside, tuple(deeper)) if deeper else nn.Identity()
        self.up = ForRelu(nn.ConvTranspose2d(inside, inside, 4, 2, 1), nn.ReLU())
        self.skip = not outermost
        last = nn.Conv2d(inside + outside * self.skip, outside, 3, 1, 1)
        self.mix = Output(last, nn.Sigmoid()) if outermost else ForRelu(last, nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return maps of the shape of x."""
        inside = self.up(self.deeper(self.down(x)))
        mixed: torch.Tensor = self.mix(torch.cat([inside, x], dim=1) if self.skip else inside)
        return mixed


@register(
    "unet", version=2, images=True, epochs=200, patience=10, batch_size=32, learning_rate=0.001
)
def unet(shape: tuple[int, ...], *, channels: tuple[int, ...] = (16, 32, 64)) -> nn.Module:
    """Return a U-Net with skips on every level but the outermost, ReLU inside, and a sigmoid at the
    end.

    Parameters
    ----------
    shape
        Of one sample: (C, H, W), where H and W are divisible by 2 to the number of `channels`.
    channels
        Of each level, from the outermost.

    References
    ----------
    Ronneberger, Fischer and Brox 2015, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation".
    """
    check_image(shape, len(channels), "unet")
    return channels_last(Level(shape[0], channels, outermost=True))
