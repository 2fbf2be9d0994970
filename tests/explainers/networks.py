"""Small autoencoders of every style, with random biases, for tests."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from aexbench import Detector, datasets


def table_2() -> nn.Sequential:
    """The paper's convolutional autoencoder (Appendix B.1, the third Upsample mended), 128 × 128
    grey images.
    """

    def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, kernel, stride), nn.ReLU()]

    layers = (
        conv(1, 32, 5, 2)
        + conv(32, 32, 3, 2)
        + conv(32, 32, 3)
        + conv(32, 64, 5, 2)
        + conv(64, 64, 3)
    )
    layers += conv(64, 128, 3, 2) + conv(128, 512, 3)
    for scale, inputs, outputs in (
        (3, 512, 128),
        (3, 128, 64),
        (2, 64, 64),
        (2, 64, 32),
        (2, 32, 32),
        (2, 32, 32),
    ):
        layers += [
            nn.Upsample(scale_factor=float(scale), mode="nearest"),
            *conv(inputs, outputs, 3),
        ]
    return nn.Sequential(*layers, *conv(32, 1, 3))


class UNet(nn.Module):
    """Skips by concatenation and by addition."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 8, 3, stride=2, padding=1)]
        )
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1)
        self.out = nn.Conv2d(12, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = F.relu(self.down[0](x))
        narrow = F.relu(self.down[1](wide), inplace=True)
        narrow = narrow + torch.relu(self.middle(narrow))
        return torch.sigmoid(self.out(torch.cat([self.up(narrow).relu(), wide], dim=1)))


class Transposed(nn.Module):
    """ConvTranspose with BatchNorm, groups, and factors of either sign."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(nn.Conv2d(1, 6, 4, 2, 1), nn.BatchNorm2d(6), nn.LeakyReLU(0.2, inplace=True)),
            *(nn.Conv2d(6, 8, 4, 2, 1, groups=2), nn.BatchNorm2d(8), nn.ELU()),
        )
        self.decoder = nn.Sequential(
            *(
                nn.ConvTranspose2d(8, 6, 4, 2, 1, groups=2),
                nn.BatchNorm2d(6),
                nn.GELU(),
                nn.Dropout2d(0.5),
            ),
            *(nn.ConvTranspose2d(6, 1, 4, 2, 1), nn.Sigmoid()),
        )
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x))


class Variational(nn.Module):
    """The mean path of a VAE: noise in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.moments = nn.Linear(64, 24), nn.Linear(24, 12)
        self.decoder, self.out = nn.Linear(6, 24), nn.Linear(24, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.encoder(x.view(x.size(0), -1)))
        mean, log_variance = self.moments(hidden).chunk(2, dim=1)
        if self.training:
            mean = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return torch.sigmoid(self.out(F.silu(self.decoder(mean)))).reshape(x.shape)


class Functional(nn.Module):
    """Parameters without modules, tied weights, constants."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.2 * torch.randn(9, 64))
        self.bias, self.shift = nn.Parameter(torch.randn(9)), nn.Parameter(torch.randn(64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.relu(F.linear(x.flatten(1), self.weight, self.bias))
        return ((F.linear(hidden, self.weight.t()) + self.shift) * 0.5 - 0.1).view(
            x.shape[0], 1, 8, 8
        )


class Residual(nn.Module):
    """Residual blocks around one module used twice, LayerNorm, bilinear interpolation, average
    pooling.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Conv2d(1, 5, 3, padding=1)
        self.block, self.norm = nn.Conv2d(5, 5, 3, padding=1), nn.LayerNorm([5, 4, 4])
        self.out = nn.Conv2d(5, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.avg_pool2d(F.softplus(self.inside(x)), 2)
        for _ in range(2):
            hidden = hidden + F.relu(self.block(hidden))
        hidden = self.norm(hidden)
        return F.hardtanh(self.out(F.interpolate(hidden, scale_factor=2, mode="bilinear")))


class Pooled(nn.Module):
    """Max pooling, cropping, subtraction, adaptive pooling, permutation."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.out = nn.Conv2d(1, 4, 3), nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1)
        self.mix = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.max_pool2d(torch.relu(self.inside(x)), 2, stride=1)[:, :, :4, 1:5]
        mixed = self.mix(hidden.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.out(torch.sigmoid(mixed) - F.adaptive_avg_pool2d(hidden, 4))


class Row(nn.Module):
    """One-dimensional convolutions with unusual padding, and BatchNorm1d."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(1, 4, 3, padding=1, padding_mode="circular")
        self.b = nn.Conv1d(4, 6, 3, stride=2, dilation=2, padding=2)
        self.norm = nn.BatchNorm1d(6)
        self.c = nn.ConvTranspose1d(6, 1, 4, stride=2, padding=1)
        nn.init.normal_(self.norm.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.elu(self.norm(self.b(F.silu(self.a(x.reshape(x.shape[0], 1, 64))))))
        return self.c(hidden).unflatten(2, (8, 8))


class Volume(nn.Module):
    """Three dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv3d(1, 3, 3, padding=1), nn.ConvTranspose3d(3, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.relu(self.a(x.view(x.shape[0], 1, 4, 4, 4)))
        return self.b(F.interpolate(F.max_pool3d(hidden, 2), scale_factor=2)).reshape(x.shape)


class Flat(nn.Module):
    """An MLP on images, with an activation that is one module used twice."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.Tanh()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 20), act, nn.Linear(20, 64), act, nn.Unflatten(1, (1, 8, 8))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


SMALL: list[type[nn.Module]] = [
    UNet,
    Transposed,
    Variational,
    Functional,
    Residual,
    Pooled,
    Row,
    Volume,
    Flat,
]


@functools.cache
def trained() -> tuple[Detector, np.ndarray, torch.Tensor]:
    """Return a float32 detector that was trained shortly on breast-cancer, its training rows, and
    other rows.
    """
    data = datasets.create("breast-cancer")
    train = torch.as_tensor(data.train)
    columns = train.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [
            nn.Linear(columns, 16),
            nn.ReLU(),
            nn.Linear(16, 4),
            nn.ReLU(),
            nn.Linear(4, 16),
            nn.ReLU(),
        ]
        model = nn.Sequential(*layers, nn.Linear(16, columns), nn.Sigmoid())
    adam = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(200):
        adam.zero_grad()
        (train - model(train)).square().mean().backward()
        adam.step()
    return Detector(model.requires_grad_(False).eval()), data.train, torch.as_tensor(data.test)
