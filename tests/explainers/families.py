"""Families of autoencoders from the literature on anomaly detection, as their papers describe them,
narrow: FAMILIES has a factory and the shape of one sample for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

FAMILIES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {}
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
WINDOW, SENSORS = 12, 4


def family(name: str, *shape: int) -> Callable[[Any], Any]:
    def add(factory: Any) -> Any:
        assert name not in FAMILIES
        FAMILIES[name] = (factory, shape)
        return factory

    return add


def made(name: str) -> nn.Module:
    """Return a family's network in evaluation, as if it had been trained: no bias is zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(sum(map(ord, name)))
        model = FAMILIES[name][0]()
        for key, parameter in model.named_parameters():
            if "bias" in key:
                nn.init.normal_(parameter, std=0.3)
        for norm in (module for module in model.modules() if isinstance(module, NORMS)):
            nn.init.normal_(norm.running_mean, std=0.3)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
            if norm.affine:
                nn.init.uniform_(norm.weight, 0.5, 1.5)
    return model.eval()


def samples(name: str, rows: int = 5) -> torch.Tensor:
    return torch.rand(rows, *FAMILIES[name][1], generator=torch.Generator().manual_seed(1))


def mlp(*sizes: int, act: Callable[[], nn.Module] = nn.ReLU) -> list[nn.Module]:
    """Return linear layers with an activation after each but the last."""
    layers = [part for pair in pairwise(sizes) for part in (nn.Linear(*pair), act())]
    return layers[:-1]


def conv_block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)
    )


def down_block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2, True)
    )


def up_block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.ReLU(True)
    )


def positions(length: int, width: int) -> torch.Tensor:
    """Return the sinusoids of Vaswani et al. (2017)."""
    turns = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
    return torch.stack([turns.sin(), turns.cos()], dim=2).flatten(1)[None]


# Tabular rows


@family("pyod-autoencoder", 20)
def pyod_autoencoder() -> nn.Module:
    """Return an AutoEncoder such as PyOD 2's (Zhao, Nasrullah, Li, 2019)."""
    sizes, layers = (20, 16, 8, 16, 20), []
    for inputs, outputs in pairwise(sizes):
        layers += [
            nn.Linear(inputs, outputs),
            nn.BatchNorm1d(outputs),
            nn.ReLU(),
            nn.Dropout(0.2),
        ]
    return nn.Sequential(*layers, nn.Linear(20, 20), nn.Sigmoid())


@family("vae", 20)
class VAE(nn.Module):
    """A variational autoencoder, its mean path in evaluation (Kingma, Welling, 2014)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*mlp(20, 16, 8), nn.ReLU())
        self.mu, self.log_var = nn.Linear(8, 3), nn.Linear(8, 3)
        self.decoder = nn.Sequential(*mlp(3, 8, 16, 20), nn.Sigmoid())

    def reparameterize(self, mu: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return mu
        return mu + torch.randn_like(mu) * torch.exp(0.5 * log_var)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.encoder(x)
        return self.decoder(self.reparameterize(self.mu(h), self.log_var(h)))


@family("usad", WINDOW, SENSORS)
class USAD(nn.Module):
    """AE2(AE1(x)) of two decoders with one encoder, over windows (Audibert et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        size = WINDOW * SENSORS
        self.encoder = nn.Sequential(*mlp(size, size // 2, size // 4, 6), nn.ReLU(True))
        self.decoder1, self.decoder2 = (
            nn.Sequential(*mlp(6, size // 4, size // 2, size), nn.Sigmoid()) for _ in range(2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        window = x.view(x.size(0), -1)
        w1 = self.decoder1(self.encoder(window))
        return self.decoder2(self.encoder(w1)).view(x.size(0), WINDOW, SENSORS)


@family("dagmm", 20)
class DAGMM(nn.Module):
    """The compression network, beside features for its mixture (Zong et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*mlp(20, 12, 6, 1, act=nn.Tanh))
        self.decoder = nn.Sequential(*mlp(1, 6, 12, 20, act=nn.Tanh))
        self.estimation = nn.Sequential(*mlp(3, 10, 2, act=nn.Tanh), nn.Softmax(dim=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.encoder(x)
        x_hat = self.decoder(z)
        distance = (x - x_hat).norm(2, dim=1) / x.norm(2, dim=1)
        cosine = F.cosine_similarity(x, x_hat, dim=1)
        self.estimation(torch.cat([z, distance.unsqueeze(-1), cosine.unsqueeze(-1)], dim=1))
        return x_hat


@family("sparse", 20)
def sparse() -> nn.Module:
    """Return a sparse autoencoder, wider inside than outside (Ng, 2011)."""
    return nn.Sequential(*mlp(20, 40, 20, act=nn.Sigmoid))


@family("denoising", 20)
class Denoising(nn.Module):
    """A denoising autoencoder, which adds noise in training alone (Vincent et al., 2008)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(*mlp(20, 12, 6, 12, 20, act=nn.Tanh))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            x = x + 0.1 * torch.randn_like(x)
        return self.net(x)


@family("contractive", 20)
class Contractive(nn.Module):
    """A contractive autoencoder with tied weights (Rifai et al., 2011)."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 6)
        self.out_bias = nn.Parameter(torch.zeros(20))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.sigmoid(self.fc(x))
        return F.linear(h, self.fc.weight.t(), self.out_bias)


@family("tied-weights", 20)
class TiedWeights(nn.Module):
    """Tied weights by products of matrices, stacked (Hinton, Salakhutdinov, 2006)."""

    def __init__(self) -> None:
        super().__init__()
        self.w1, self.w2 = nn.Parameter(torch.randn(12, 20) / 4), nn.Parameter(torch.randn(5, 12))
        self.bias1, self.bias2 = nn.Parameter(torch.zeros(12)), nn.Parameter(torch.zeros(20))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(x @ self.w1.t() + self.bias1)
        h = torch.tanh(h @ self.w2.t()) @ self.w2
        return torch.addmm(self.bias2, torch.tanh(h), self.w1)


class Masked(nn.Linear):
    """A linear layer, some of whose connections are left out for good."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.register_buffer("mask", (torch.rand(outputs, inputs) < 0.7).float())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight * self.mask, self.bias)


@family("randnet", 20)
def randnet() -> nn.Module:
    """Return one of an ensemble with random connections (Chen et al., 2017)."""
    layers = (Masked(20, 12), nn.Sigmoid(), Masked(12, 6), nn.ReLU(), Masked(6, 12), nn.ReLU())
    return nn.Sequential(*layers, Masked(12, 20), nn.Sigmoid())


@family("swish-mlp", 20)
class SwishMLP(nn.Module):
    """A perceptron with Swish written out (Ramachandran, Zoph, Le, 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(20, 12), nn.Linear(12, 6), nn.Linear(6, 12)])
        self.norms = nn.ModuleList([nn.LayerNorm(12), nn.LayerNorm(6), nn.LayerNorm(12)])
        self.out = nn.Linear(12, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(layer(x))
            x = x * torch.sigmoid(x)
        return self.out(x)


@family("selu-mlp", 20)
def selu_mlp() -> nn.Module:
    """Return a self-normalising autoencoder (Klambauer et al., 2017)."""
    layers = mlp(20, 12, 6, act=nn.SELU), mlp(6, 12, 20, act=nn.Mish)
    return nn.Sequential(*layers[0], nn.AlphaDropout(0.1), *layers[1])


@family("rsrae", 20)
class RSRAE(nn.Module):
    """A layer for the robust subspace, its codes normalised (Lai, Zou, Lerman, 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*mlp(20, 16, 10), nn.ReLU())
        self.A = nn.Parameter(torch.randn(10, 4) / 3)
        self.decoder = nn.Sequential(*mlp(4, 10, 16, 20))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = torch.matmul(self.encoder(x), self.A)
        return self.decoder(F.normalize(z, p=2, dim=-1))


@family("highway", 20)
class Highway(nn.Module):
    """Gated layers beside their inputs (Srivastava, Greff, Schmidhuber, 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Linear(20, 10), nn.Linear(10, 20)
        self.plain = nn.ModuleList(nn.Linear(10, 10) for _ in range(3))
        self.gate = nn.ModuleList(nn.Linear(10, 10) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.first(x)
        for plain, gate in zip(self.plain, self.gate, strict=True):
            t = torch.sigmoid(gate(h))
            h = t * F.relu(plain(h)) + (1 - t) * h
        return self.out(h)


@family("tabnet-like", 20)
class TabNetLike(nn.Module):
    """Steps with masks of the input, by softmax, and gated blocks (Arik, Pfister, 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.shared = nn.BatchNorm1d(20), nn.Linear(20, 16)
        self.attend = nn.ModuleList(nn.Linear(8, 20) for _ in range(2))
        self.own = nn.ModuleList(nn.Linear(8, 16) for _ in range(2))
        self.decoder = nn.Linear(8, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        prior, total = torch.ones_like(x), 0
        a = F.glu(self.shared(x))
        for attend, own in zip(self.attend, self.own, strict=True):
            mask = torch.softmax(attend(a) * prior, dim=-1)
            prior = prior * (1.3 - mask)
            h = F.glu(self.shared(mask * x))
            a = (h + F.glu(own(h))) * math.sqrt(0.5)
            total = total + F.relu(a)
        return self.decoder(total)


@family("maxout", 20)
class Maxout(nn.Module):
    """Layers that take the greatest of three (Goodfellow et al., 2013)."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.out = nn.Linear(20, 24), nn.Linear(8, 36), nn.Linear(12, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.down(x).view(x.shape[0], 8, 3).max(dim=2).values
        h, _ = self.up(h).view(x.shape[0], 12, 3).max(dim=-1)
        return self.out(h)


# Images


class DCEncoder(nn.Module):
    """An encoder of strided convolutions."""

    def __init__(self, code: int) -> None:
        super().__init__()
        first = nn.Conv2d(1, 4, 4, 2, 1), nn.LeakyReLU(0.2, True)
        self.net = nn.Sequential(*first, down_block(4, 8), nn.Conv2d(8, code, 4, 1, 0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


@family("ganomaly", 1, 16, 16)
class GANomaly(nn.Module):
    """The generator: an encoder, a decoder, and an encoder of x̂ (Akcay et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder1, self.encoder2 = DCEncoder(6), DCEncoder(6)
        start = nn.ConvTranspose2d(6, 8, 4, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(True)
        end = nn.ConvTranspose2d(4, 1, 4, 2, 1, bias=False), nn.Tanh()
        self.decoder = nn.Sequential(*start, up_block(8, 4), *end)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        code = self.encoder1(x)
        image = self.decoder(code)
        self.encoder2(image)
        return image


class SkipBlock(nn.Module):
    """A level of a U-Net that holds the next one."""

    def __init__(self, outer: int, inner: int, within: nn.Module | None = None) -> None:
        super().__init__()
        down = nn.Sequential(nn.LeakyReLU(0.2, True), nn.Conv2d(outer, inner, 4, 2, 1))
        width = inner if within is None else 2 * inner
        norm = nn.Identity() if within is None else nn.BatchNorm2d(inner)
        up = nn.ReLU(True), nn.ConvTranspose2d(width, outer, 4, 2, 1), nn.BatchNorm2d(outer)
        self.model = nn.Sequential(down, norm, within or nn.Identity(), *up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.model(x)], 1)


@family("skip-ganomaly", 1, 16, 16)
def skip_ganomaly() -> nn.Module:
    """Return a U-Net of nested blocks with Tanh (Akcay, Atapour-Abarghouei, Breckon, 2019)."""
    inner = SkipBlock(4, 8, SkipBlock(8, 8))
    out = nn.ReLU(True), nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh()
    return nn.Sequential(nn.Conv2d(1, 4, 4, 2, 1), inner, *out)


@family("riad", 1, 16, 16)
class RIAD(nn.Module):
    """The U-Net that inpaints, with strided convolutions (Zavrtanik, Kristan, Skočaj, 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2, self.c3 = conv_block(1, 4), conv_block(4, 6, 2), conv_block(6, 8, 2)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.u2, self.u1, self.out = conv_block(14, 6), conv_block(10, 4), nn.Conv2d(4, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        c1 = self.c1(x)
        c2 = self.c2(c1)
        u2 = self.u2(torch.cat((self.up(self.c3(c2)), c2), dim=1))
        return self.out(self.u1(torch.cat((self.up(u2), c1), dim=1)))


@family("draem", 1, 16, 16)
class DRAEM(nn.Module):
    """The reconstructive sub-network: pooling down, bilinear up (Zavrtanik et al., 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = nn.Sequential(conv_block(1, 4), conv_block(4, 4), nn.MaxPool2d(2))
        self.block2 = nn.Sequential(conv_block(4, 8), conv_block(8, 8), nn.MaxPool2d(2))
        up = [nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True) for _ in range(2)]
        self.up1 = nn.Sequential(up[0], conv_block(8, 4))
        self.up2 = nn.Sequential(up[1], conv_block(4, 4), nn.Conv2d(4, 1, 3, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up2(self.up1(self.block2(self.block1(x))))


class Memory(nn.Module):
    """Items that a code is replaced with, addressed by softmax and shrunk hard."""

    def __init__(self, items: int, width: int, threshold: float) -> None:
        super().__init__()
        self.weight, self.threshold = nn.Parameter(torch.randn(items, width)), threshold

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        w = F.softmax(F.linear(z, self.weight), dim=1)
        over = w - self.threshold
        w = F.relu(over) * w / (over.abs() + 1e-12)
        w = F.normalize(w, p=1, dim=1)
        return F.linear(w, self.weight.permute(1, 0))


@family("memae", 1, 16, 16)
class MemAE(nn.Module):
    """A memory between encoder and decoder (Gong et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(down_block(1, 4), down_block(4, 6))
        self.memory = Memory(10, 6, 0.05)
        self.decoder = nn.Sequential(up_block(6, 4), nn.ConvTranspose2d(4, 1, 4, 2, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = self.encoder(x)
        n, c, h, w = f.shape
        flat = f.permute(0, 2, 3, 1).contiguous().view(-1, c)
        return self.decoder(self.memory(flat).view(n, h, w, c).permute(0, 3, 1, 2))


@family("memae-rows", 20)
def memae_rows() -> nn.Module:
    """Return MemAE for rows (Gong et al., 2019)."""
    return nn.Sequential(*mlp(20, 12, 6, act=nn.Tanh), Memory(10, 6, 0.05), *mlp(6, 12, 20))


@family("mnad", 1, 16, 16)
class MNAD(nn.Module):
    """Memory read by cosine similarity and put beside the query (Park, Noh, Ham, 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(down_block(1, 4), down_block(4, 6))
        self.register_buffer("keys", F.normalize(torch.rand(10, 6), dim=1))
        self.decoder = nn.Sequential(up_block(12, 4), nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Tanh())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query = F.normalize(self.encoder(x), dim=1).permute(0, 2, 3, 1)
        score = torch.softmax(torch.matmul(query, self.keys.t()), dim=-1)
        read = torch.matmul(score, self.keys)
        return self.decoder(torch.cat((query, read), dim=3).permute(0, 3, 1, 2))


class Quantizer(nn.Module):
    """The nearest of a code book, with gradients straight through."""

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.book = nn.Embedding(codes, width)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        z = z.permute(0, 2, 3, 1).contiguous()
        flat = z.view(-1, self.book.embedding_dim)
        squares = flat.pow(2).sum(1, keepdim=True) + self.book.weight.pow(2).sum(1)
        distances = squares - 2 * torch.matmul(flat, self.book.weight.t())
        q = self.book(distances.argmin(dim=1)).view(z.shape)
        return (z + (q - z).detach()).permute(0, 3, 1, 2).contiguous()


class Residual(nn.Module):
    """A residual block with activations before its convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first = nn.ReLU(), nn.Conv2d(width, 4, 3, padding=1, bias=False)
        self.block = nn.Sequential(*first, nn.ReLU(), nn.Conv2d(4, width, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x)


@family("vq-vae", 1, 16, 16)
def vq_vae() -> nn.Module:
    """Return VQ-VAE with the straight-through estimator (van den Oord et al., 2017)."""
    encoder = nn.Conv2d(1, 6, 4, 2, 1), Residual(6), nn.ReLU(), nn.Conv2d(6, 5, 1)
    decoder = nn.Conv2d(5, 6, 3, padding=1), Residual(6), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1)
    out = nn.ReLU(), nn.ConvTranspose2d(4, 1, 4, 2, 1)
    return nn.Sequential(*encoder, Quantizer(12, 5), *decoder, *out)


@family("svdd-pretraining", 1, 16, 16)
class SVDDPretraining(nn.Module):
    """The autoencoder that Deep SVDD begins with: no biases (Ruff et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            nn.Conv2d(*io, 5, bias=False, padding=2) for io in ((1, 4), (4, 2))
        )
        self.bn1, self.bn2, self.bn3 = (
            nn.BatchNorm2d(c, eps=1e-4, affine=False) for c in (4, 2, 2)
        )
        self.pool, self.fc = nn.MaxPool2d(2, 2), nn.Linear(32, 8, bias=False)
        self.deconv1 = nn.ConvTranspose2d(2, 2, 3, bias=False, padding=1)
        self.deconv2 = nn.ConvTranspose2d(2, 1, 5, bias=False, padding=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(F.leaky_relu(self.bn1(self.conv1(x))))
        x = self.pool(F.leaky_relu(self.bn2(self.conv2(x))))
        x = self.fc(x.view(x.size(0), -1))
        x = F.interpolate(F.leaky_relu(x.view(x.size(0), 2, 2, 2)), scale_factor=4)
        x = F.interpolate(F.leaky_relu(self.bn3(self.deconv1(x))), scale_factor=2)
        return torch.sigmoid(self.deconv2(x))


class AttentionGate(nn.Module):
    """A gate from below that says which pixels of a skip pass."""

    def __init__(self, below: int, skip: int) -> None:
        super().__init__()
        self.wg = nn.Sequential(nn.Conv2d(below, 3, 1), nn.BatchNorm2d(3))
        self.wx = nn.Sequential(nn.Conv2d(skip, 3, 1), nn.BatchNorm2d(3))
        self.psi = nn.Sequential(nn.Conv2d(3, 1, 1), nn.BatchNorm2d(1), nn.Sigmoid())
        self.relu = nn.ReLU(inplace=True)

    def forward(self, g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return x * self.psi(self.relu(self.wg(g) + self.wx(x)))


@family("attention-u-net", 1, 16, 16)
class AttentionUNet(nn.Module):
    """Attention gates on the skips (Oktay et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2, self.pool = conv_block(1, 4), conv_block(4, 8), nn.MaxPool2d(2, 2)
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), conv_block(8, 4))
        self.gate, self.c3, self.out = AttentionGate(4, 4), conv_block(8, 4), nn.Conv2d(4, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x1 = self.c1(x)
        up = self.up(self.c2(self.pool(x1)))
        return self.out(self.c3(torch.cat((self.gate(g=up, x=x1), up), dim=1)))


class SEBlock(nn.Module):
    """A residual block with squeeze and excitation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in "12")
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(*mlp(width, width // 2, width), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        b, c, _, _ = out.size()
        y = self.fc(self.pool(out).view(b, c)).view(b, c, 1, 1)
        out = out * y.expand_as(out)
        out += x
        return F.relu(out)


@family("se-resnet", 1, 16, 16)
def se_resnet() -> nn.Module:
    """Return squeeze-and-excitation residual blocks (Hu, Shen, Sun, 2018)."""
    encoder = conv_block(1, 6, 2), SEBlock(6), conv_block(6, 8, 2), SEBlock(8)
    return nn.Sequential(*encoder, up_block(8, 6), SEBlock(6), nn.ConvTranspose2d(6, 1, 4, 2, 1))


class CBAM(nn.Module):
    """Attention to channels, then to places."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(width, 3, 1), nn.ReLU(), nn.Conv2d(3, width, 1))
        self.avg, self.max = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * torch.sigmoid(self.mlp(self.avg(x)) + self.mlp(self.max(x)))
        mean, (most, _) = torch.mean(x, dim=1, keepdim=True), torch.max(x, dim=1, keepdim=True)
        return x * torch.sigmoid(self.conv(torch.cat([mean, most], dim=1)))


@family("cbam", 1, 16, 16)
def cbam() -> nn.Module:
    """Return convolutional block attention modules (Woo et al., 2018)."""
    encoder = conv_block(1, 6, 2), CBAM(6), conv_block(6, 8, 2), CBAM(8)
    return nn.Sequential(*encoder, up_block(8, 6), CBAM(6), nn.ConvTranspose2d(6, 1, 4, 2, 1))


@family("pixel-shuffle", 1, 16, 16)
def pixel_shuffle() -> nn.Module:
    """Return an FCN with sub-pixel convolutions (Shi et al., 2016)."""
    encoder = nn.Conv2d(1, 4, 3, 2, 1), nn.PReLU(4), nn.Conv2d(4, 8, 3, 2, 1), nn.PReLU()
    decoder = nn.Conv2d(8, 16, 3, padding=1), nn.PixelShuffle(2), nn.Tanh()
    return nn.Sequential(*encoder, *decoder, nn.Conv2d(4, 4, 3, padding=1), nn.PixelShuffle(2))


class DenseLayer(nn.Module):
    """A layer that puts its channels beside all earlier ones."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(width), nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        return self.conv(F.relu(self.norm(torch.cat(features, 1))))


@family("densenet", 1, 16, 16)
class DenseNet(nn.Module):
    """A dense block and a transition (Huang et al., 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.layers = nn.ModuleList(DenseLayer(4 + 3 * i) for i in range(3))
        self.transition = nn.Sequential(nn.BatchNorm2d(13), nn.ReLU(), nn.Conv2d(13, 6, 1))
        self.out = nn.Sequential(nn.AvgPool2d(2), nn.ConvTranspose2d(6, 1, 2, 2), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [self.first(x)]
        for layer in self.layers:
            features.append(layer(features))
        return self.out(self.transition(torch.cat(features, 1)))


@family("smp-u-net", 3, 16, 16)
class SmpUNet(nn.Module):
    """A U-Net with a residual encoder and nearest upsampling, as in smp (Iakubovskii, 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([conv_block(3, 4), conv_block(4, 6, 2), conv_block(6, 8, 2)])
        self.blocks = nn.ModuleList([conv_block(14, 6), conv_block(10, 4)])
        self.head = nn.Sequential(nn.Conv2d(4, 3, 3, padding=1), nn.Identity(), nn.Identity())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        x, *skips = features[::-1]
        for block, skip in zip(self.blocks, skips, strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        return self.head(x)


@family("bilinear", 1, 16, 16)
class Bilinear(nn.Module):
    """A convolutional autoencoder that grows to the size of its input (Masci et al., 2011)."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(1, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1)
        self.c3, self.c4 = nn.Conv2d(8, 4, 3, padding=1), nn.Conv2d(4, 1, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.up(F.elu(self.c2(F.elu(self.c1(x)))))
        h = F.interpolate(F.elu(self.c3(h)), size=x.shape[-2:], mode="bilinear")
        return torch.sigmoid(self.c4(h))


@family("bicubic", 1, 16, 16)
class Bicubic(Bilinear):
    """The same, by bicubic interpolation, of which some weights are negative (Keys, 1981)."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bicubic", align_corners=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.up(torch.tanh(self.c2(F.elu(self.c1(x)))))
        h = F.interpolate(torch.tanh(self.c3(h)), size=x.shape[-2:], mode="bicubic")
        return torch.sigmoid(self.c4(h))


@family("segnet", 1, 16, 16)
class SegNet(nn.Module):
    """Pooling whose places are kept for unpooling (Badrinarayanan, Kendall, Cipolla, 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.e1, self.e2 = conv_block(1, 4), conv_block(4, 6)
        self.d2, self.d1 = conv_block(6, 4), nn.Conv2d(4, 1, 3, padding=1)
        self.pool, self.unpool = nn.MaxPool2d(2, 2, return_indices=True), nn.MaxUnpool2d(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, i1 = self.pool(self.e1(x))
        x, i2 = self.pool(self.e2(x))
        return self.d1(self.unpool(self.d2(self.unpool(x, i2)), i1))


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution, LayerNorm over channels, an inverted bottleneck, a layer scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm, self.mlp = (
            nn.LayerNorm(width),
            nn.Sequential(*mlp(width, 16, width, act=nn.GELU)),
        )
        self.gamma = nn.Parameter(torch.rand(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm(self.conv(x).permute(0, 2, 3, 1))
        return x + (self.gamma * self.mlp(h)).permute(0, 3, 1, 2)


@family("convnext", 1, 16, 16)
def convnext() -> nn.Module:
    """Return ConvNeXt blocks (Liu et al., 2022)."""
    encoder = nn.Conv2d(1, 6, 4, 4), ConvNeXtBlock(6), ConvNeXtBlock(6)
    return nn.Sequential(*encoder, nn.ConvTranspose2d(6, 1, 4, 4))


class PixelAttention(nn.Module):
    """Self-attention between the pixels of a map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(2, width)
        self.q, self.k, self.v, self.out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        z = self.norm(x)
        q, k, v = (layer(z).reshape(b, c, h * w) for layer in (self.q, self.k, self.v))
        weights = torch.softmax(torch.bmm(q.permute(0, 2, 1), k) * c**-0.5, dim=2)
        return x + self.out(torch.bmm(v, weights.permute(0, 2, 1)).reshape(b, c, h, w))


class SwishBlock(nn.Module):
    """A residual block with GroupNorm and Swish."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(2, inputs), nn.GroupNorm(2, outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2, self.skip = nn.Conv2d(outputs, outputs, 3, 1, 1), nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm1(x)
        h = self.norm2(self.conv1(h * torch.sigmoid(h)))
        return self.skip(x) + self.conv2(F.silu(h))


@family("kl-autoencoder", 1, 16, 16)
class KLAutoencoder(nn.Module):
    """The first stage of latent diffusion, its mean path (Rombach et al., 2022)."""

    def __init__(self) -> None:
        super().__init__()
        down = nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(6, 6, 3, 2)
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), SwishBlock(4, 6), *down)
        self.middle, self.moments = PixelAttention(6), nn.Conv2d(6, 8, 1)
        up = SwishBlock(4, 4), nn.Upsample(scale_factor=2.0, mode="nearest")
        self.decoder = nn.Sequential(*up, nn.GroupNorm(2, 4), nn.SiLU(), nn.Conv2d(4, 1, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, log_var = torch.chunk(self.moments(self.middle(self.encoder(x))), 2, dim=1)
        torch.exp(0.5 * torch.clamp(log_var, -30.0, 20.0))
        return self.decoder(mean)


class InvertedResidual(nn.Module):
    """A mobile block with Hardswish and a hard gate."""

    def __init__(self, width: int) -> None:
        super().__init__()
        expand = nn.Conv2d(width, 8, 1), nn.BatchNorm2d(8), nn.Hardswish(inplace=True)
        depth = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.Hardswish()
        self.wide, self.out = nn.Sequential(*expand, *depth), nn.Conv2d(8, width, 1)
        gate = nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 1)
        self.gate = nn.Sequential(*gate, nn.Hardsigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.wide(x)
        return x + self.out(self.gate(h) * h)


@family("mobilenet-v3", 1, 16, 16)
def mobilenet_v3() -> nn.Module:
    """Return mobile blocks (Howard et al., 2019)."""
    encoder = conv_block(1, 4, 2), InvertedResidual(4), InvertedResidual(4), nn.ReLU6()
    return nn.Sequential(*encoder, nn.ConvTranspose2d(4, 1, 2, 2))


class Shuffled(nn.Module):
    """Half of the channels are convolved, then all are shuffled by a view."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = conv_block(width // 2, width // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept, given = x.chunk(2, dim=1)
        x = torch.cat((kept, self.conv(given)), dim=1)
        n, c, h, w = x.size()
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)


@family("shufflenet-v2", 1, 16, 16)
def shufflenet_v2() -> nn.Module:
    """Return ShuffleNet's units (Ma et al., 2018)."""
    return nn.Sequential(
        conv_block(1, 6, 2), Shuffled(6), Shuffled(6), nn.ConvTranspose2d(6, 1, 2, 2)
    )


@family("capsules", 20)
class Capsules(nn.Module):
    """Capsules squashed by their lengths, without routing (Sabour, Frosst, Hinton, 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.primary, self.out = nn.Linear(20, 12), nn.Sequential(*mlp(12, 16, 20))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        caps = self.primary(x).view(-1, 3, 4)
        square = (caps**2).sum(dim=-1, keepdim=True)
        return self.out((square / (1 + square) * caps / torch.sqrt(square + 1e-8)).flatten(1))


# Windows of time series


@family("lstm-autoencoder", WINDOW, SENSORS)
class LSTMAutoencoder(nn.Module):
    """The encoder's last state, repeated (Srivastava, Mansimov, Salakhutdinov, 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(SENSORS, 8, num_layers=2, batch_first=True)
        self.decoder, self.out = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.encoder(x)
        repeated = hidden[-1].unsqueeze(1).repeat(1, x.shape[1], 1)
        decoded, _ = self.decoder(repeated)
        return self.out(decoded)


@family("encdec-ad", WINDOW, SENSORS)
class EncDecAD(nn.Module):
    """A decoder that is fed its own outputs, in reverse (Malhotra et al., 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(SENSORS, 8, batch_first=True)
        self.cell, self.out = nn.LSTMCell(SENSORS, 8), nn.Linear(8, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, (h, c) = self.encoder(x)
        h, c = h.squeeze(0), c.squeeze(0)
        outputs = [self.out(h)]
        for _ in range(x.size(1) - 1):
            h, c = self.cell(outputs[-1], (h, c))
            outputs.append(self.out(h))
        return torch.stack(outputs[::-1], dim=1)


@family("gru-autoencoder", WINDOW, SENSORS)
class GRUAutoencoder(nn.Module):
    """A GRU whose decoder reads zeros from the code as its first state (Cho et al., 2014)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.GRU(SENSORS, 8, batch_first=True)
        self.decoder, self.out = nn.GRU(SENSORS, 8, batch_first=True), nn.Linear(8, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, h = self.encoder(x)
        decoded, _ = self.decoder(torch.zeros_like(x), h)
        return self.out(decoded)


@family("gru-repeated", WINDOW, SENSORS)
class GRURepeated(nn.Module):
    """A GRU that reads its code at every step (Cho et al., 2014)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.GRU(SENSORS, 8, batch_first=True)
        self.decoder, self.out = nn.GRU(8, 8, batch_first=True), nn.Linear(8, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        code = self.encoder(x)[0][:, -1:]
        return self.out(self.decoder(code.expand(-1, x.size(1), -1))[0])


@family("bigru-vae", WINDOW, SENSORS)
class BiGRUVAE(nn.Module):
    """A bidirectional variational GRU, its mean path (Pereira, Silveira, 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.GRU(SENSORS, 6, batch_first=True, bidirectional=True)
        self.mean, self.deviation = nn.Linear(12, 4), nn.Sequential(nn.Linear(12, 4), nn.Softplus())
        self.decoder = nn.GRU(4, 6, batch_first=True, bidirectional=True)
        self.out = nn.Linear(12, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, h = self.encoder(x)
        h = torch.cat([h[0], h[1]], dim=1)
        z = self.mean(h)
        if self.training:
            z = z + self.deviation(h) * torch.randn_like(z)
        return self.out(self.decoder(z[:, None].repeat(1, WINDOW, 1))[0])


@family("omnianomaly", WINDOW, SENSORS)
class OmniAnomaly(nn.Module):
    """GRUs, dense layers and planar flows, the mean path (Su et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.qnet, self.pnet = (nn.GRU(i, 8, batch_first=True) for i in (SENSORS, 3))
        self.qdense, self.mean = nn.Sequential(*mlp(8, 8, 8)), nn.Linear(8, 3)
        self.u, self.w = nn.Parameter(torch.randn(2, 3)), nn.Parameter(torch.randn(2, 3, 1))
        self.flow_bias = nn.Parameter(torch.zeros(2))
        self.pdense, self.xmean = nn.Sequential(*mlp(8, 8, 8), nn.ReLU()), nn.Linear(8, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.mean(self.qdense(self.qnet(x)[0]))
        for u, w, b in zip(self.u, self.w, self.flow_bias, strict=True):
            z = z + u * torch.tanh(z @ w + b)
        return self.xmean(self.pdense(self.pnet(z)[0]))


class Chomp(nn.Module):
    """Cuts what causal padding leaves at the end."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, : -self.size].contiguous()


class TemporalBlock(nn.Module):
    """Two dilated causal convolutions beside a skip."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (inputs, outputs):
            conv = nn.Conv1d(width, outputs, 3, padding=2 * dilation, dilation=dilation)
            conv = nn.utils.parametrizations.weight_norm(conv)
            layers += [conv, Chomp(2 * dilation), nn.ReLU(), nn.Dropout(0.2)]
        self.net, self.relu = nn.Sequential(*layers), nn.ReLU()
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.net(x) + (x if self.skip is None else self.skip(x)))


@family("tcn-autoencoder", SENSORS, 16)
def tcn_autoencoder() -> nn.Module:
    """Return dilated causal convolutions, pooled and upsampled (Thill, Konen, Bäck, 2021)."""
    encoder = TemporalBlock(SENSORS, 6, 1), TemporalBlock(6, 6, 2), nn.Conv1d(6, 3, 1)
    middle = nn.AvgPool1d(4), nn.Upsample(scale_factor=4, mode="nearest")
    decoder = TemporalBlock(3, 6, 2), TemporalBlock(6, 6, 1), nn.Conv1d(6, SENSORS, 1)
    return nn.Sequential(*encoder, *middle, *decoder)


@family("conv1d-autoencoder", WINDOW, SENSORS)
class Conv1dAutoencoder(nn.Module):
    """Convolutions over time, as in Keras' example (Vijay, 2020)."""

    def __init__(self) -> None:
        super().__init__()
        down = nn.Conv1d(SENSORS, 8, 7, 2, 3), nn.ReLU(), nn.Conv1d(8, 4, 7, 2, 3), nn.ReLU()
        up = nn.ConvTranspose1d(4, 4, 7, 2, 3, 1), nn.ReLU(), nn.ConvTranspose1d(4, 8, 7, 2, 3, 1)
        self.net = nn.Sequential(*down, *up, nn.ReLU(), nn.Conv1d(8, SENSORS, 7, padding="same"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.transpose(1, 2)).transpose(1, 2)


class ConvLSTMCell(nn.Module):
    """One step of a convolutional LSTM, all gates by one convolution."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.width, self.conv = width, nn.Conv2d(inputs + width, 4 * width, 3, padding=1)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[Any, Any]:
        i, f, o, g = torch.split(self.conv(torch.cat([x, h], dim=1)), self.width, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


@family("conv-lstm", 3, 1, 8, 8)
class ConvLSTM(nn.Module):
    """Frames through a convolutional LSTM (Shi et al., 2015; Luo, Liu, Gao, 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.cell = nn.Conv2d(1, 3, 3, 2, 1), ConvLSTMCell(3, 4)
        self.up = nn.ConvTranspose2d(4, 1, 4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, _, rows, columns = x.shape
        h = torch.zeros(b, 4, rows // 2, columns // 2, device=x.device, dtype=x.dtype)
        c, frames = torch.zeros_like(h), []
        for step in range(t):
            h, c = self.cell(torch.tanh(self.down(x[:, step])), h, c)
            frames.append(self.up(h))
        return torch.stack(frames, dim=1)


class Positional(nn.Module):
    """Adds sinusoids, a buffer."""

    def __init__(self, width: int, length: int = 40) -> None:
        super().__init__()
        self.register_buffer("pe", positions(length, width))
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(x + self.pe[:, : x.size(1)])


class TransformerAutoencoder(nn.Module):
    """An embedding, positions, an encoder, and a layer back to the sensors."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.embed, self.positional = nn.Linear(SENSORS, 8), Positional(8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **settings)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(8, SENSORS)

    def forward(self, src: torch.Tensor) -> torch.Tensor:
        x = self.embed(src) * math.sqrt(8)
        return self.out(self.encoder(self.positional(x)))


@family("transformer", WINDOW, SENSORS)
def transformer() -> nn.Module:
    """Return a Transformer encoder over time (Vaswani et al., 2017; Zerveas et al., 2021)."""
    return TransformerAutoencoder()


@family("pre-norm-transformer", WINDOW, SENSORS)
def pre_norm_transformer() -> nn.Module:
    """Return norms first, with GELU (Xiong et al., 2020)."""
    return TransformerAutoencoder(norm_first=True, activation="gelu")


@family("transformer-decoder", WINDOW, SENSORS)
class TransformerDecoder(nn.Module):
    """nn.Transformer, whose decoder asks with learned queries (Vaswani et al., 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.positional = nn.Linear(SENSORS, 8), Positional(8)
        self.transformer = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        self.queries, self.out = nn.Parameter(torch.randn(1, WINDOW, 8)), nn.Linear(8, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        queries = self.queries.expand(x.size(0), -1, -1)
        return self.out(self.transformer(self.positional(self.embed(x)), queries))


class TranADBody(nn.Module):
    """One encoder of window and focus score, two decoders."""

    def __init__(self) -> None:
        super().__init__()
        width = 2 * SENSORS
        self.positional = Positional(width)
        encoder = nn.TransformerEncoderLayer(width, SENSORS, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(encoder, 1, enable_nested_tensor=False)
        self.decoder1, self.decoder2 = (
            nn.TransformerDecoder(nn.TransformerDecoderLayer(width, 4, 16, batch_first=True), 1)
            for _ in range(2)
        )
        self.fcn = nn.Sequential(nn.Linear(width, SENSORS), nn.Sigmoid())

    def encode(self, src: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        both = torch.cat((src, c), dim=2)
        memory = self.encoder(self.positional(both * math.sqrt(SENSORS)))
        return src.repeat(1, 1, 2), memory


@family("tranad-first", WINDOW, SENSORS)
class TranADFirst(TranADBody):
    """TranAD's first phase: the focus score is zero (Tuli, Casale, Jennings, 2022)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fcn(self.decoder1(*self.encode(x, torch.zeros_like(x))))


@family("tranad", WINDOW, SENSORS)
class TranAD(TranADBody):
    """TranAD: the second phase reads the first one's error (Tuli, Casale, Jennings, 2022)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x1 = self.fcn(self.decoder1(*self.encode(x, torch.zeros_like(x))))
        return self.fcn(self.decoder2(*self.encode(x, (x1 - x) ** 2)))


class SeriesAttention(nn.Module):
    """Series and prior associations, by einsum."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.sigma = nn.Linear(width, heads)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        b, length, d = x.shape
        q, k, v = (m(x).view(b, length, self.heads, -1) for m in (self.q, self.k, self.v))
        scores = torch.einsum("blhe,bshe->bhls", q, k) / math.sqrt(d // self.heads)
        series = torch.softmax(scores, dim=-1)
        sigma = torch.pow(3, torch.sigmoid(self.sigma(x) * 5) + 1e-5) - 1
        prior = 1.0 / (math.sqrt(2 * math.pi) * sigma.transpose(1, 2).unsqueeze(-1))
        joined = torch.einsum("bhls,bshd->blhd", series, v).contiguous()
        return self.out(joined.view(b, length, -1)), series, prior


class AnomalyLayer(nn.Module):
    """Attention, then convolutions of width 1, each with a norm after its sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = SeriesAttention(width, 2)
        self.conv1, self.conv2 = nn.Conv1d(width, 16, 1), nn.Conv1d(16, width, 1)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        new, series, prior = self.attention(x)
        x = y = self.norm1(x + new)
        y = self.conv2(F.gelu(self.conv1(y.transpose(-1, 1)))).transpose(-1, 1)
        return self.norm2(x + y), series, prior


@family("anomaly-transformer", WINDOW, SENSORS)
class AnomalyTransformer(nn.Module):
    """Series attention by einsum; what it says of associations is unused (Xu et al., 2022)."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.Conv1d(SENSORS, 8, 3, padding=1, padding_mode="circular", bias=False)
        self.token, self.positional = conv, Positional(8)
        self.layers = nn.ModuleList(AnomalyLayer(8) for _ in range(2))
        self.norm, self.out = nn.LayerNorm(8), nn.Linear(8, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.positional(self.token(x.permute(0, 2, 1)).transpose(1, 2))
        associations = []
        for layer in self.layers:
            x, series, prior = layer(x)
            associations.append((series, prior))
        return self.out(self.norm(x))


class ViTBlock(nn.Module):
    """A block as timm writes it: one layer for queries, keys and values."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.qkv, self.proj = (
            heads,
            nn.Linear(width, 3 * width),
            nn.Linear(width, width),
        )
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(*mlp(width, 2 * width, width, act=nn.GELU))

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        qkv = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        weights = ((q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, c))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))


@family("masked-autoencoder", 1, 16, 16)
class MaskedAutoencoder(nn.Module):
    """A vision Transformer with a class token, all patches visible (He et al., 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cls = nn.Conv2d(1, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        self.pos, self.decoder_pos = (nn.Parameter(torch.randn(1, 17, 8)) for _ in range(2))
        self.blocks, self.norm = nn.ModuleList([ViTBlock(8), ViTBlock(8)]), nn.LayerNorm(8)
        self.decoder_embed, self.decoder = nn.Linear(8, 8), nn.Sequential(ViTBlock(8))
        self.pred = nn.Linear(8, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2) + self.pos[:, 1:, :]
        cls = (self.cls + self.pos[:, :1, :]).expand(x.shape[0], -1, -1)
        x = torch.cat((cls, x), dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.decoder(self.decoder_embed(self.norm(x)) + self.decoder_pos)
        x = self.pred(x)[:, 1:, :].reshape(x.shape[0], 4, 4, 4, 4, 1)
        return torch.einsum("nhwpqc->nchpwq", x).reshape(x.shape[0], 1, 16, 16)


class MixerBlock(nn.Module):
    """Mixes tokens, then channels."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.tokens = nn.Sequential(*mlp(tokens, 8, tokens, act=nn.GELU))
        self.channels = nn.Sequential(*mlp(width, 12, width, act=nn.GELU))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm2(x))


@family("mlp-mixer", 1, 16, 16)
class MLPMixer(nn.Module):
    """Perceptrons over patches and over channels (Tolstikhin et al., 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Conv2d(1, 6, 4, 4), nn.ConvTranspose2d(6, 1, 4, 4)
        self.blocks = nn.Sequential(MixerBlock(16, 6), MixerBlock(16, 6), nn.LayerNorm(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.embed(x)
        y = self.blocks(torch.flatten(h, 2).mT)
        return self.out(y.mT.view(h.shape))


class WaveBlock(nn.Module):
    """A gated convolution with a residual and a skip."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.filter, self.gate = (
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation) for _ in range(2)
        )
        self.res, self.skip = nn.Conv1d(width, width, 1), nn.Conv1d(width, width, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
        return x + self.res(z), self.skip(z)


@family("wavenet", SENSORS, 16)
class WaveNet(nn.Module):
    """Gated dilated convolutions whose skips are summed (van den Oord et al., 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv1d(SENSORS, 6, 1), nn.Conv1d(6, SENSORS, 1)
        self.blocks = nn.ModuleList(WaveBlock(6, 2**i) for i in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, skips = self.first(x), []
        for block in self.blocks:
            x, skip = block(x)
            skips.append(skip)
        return self.last(F.relu(sum(skips)))


@family("gated-convolution", SENSORS, 16)
def gated_convolution() -> nn.Module:
    """Return convolutions with nn.GLU (Dauphin et al., 2017)."""
    encoder = nn.Conv1d(SENSORS, 12, 3, padding=1), nn.GLU(dim=1), nn.MaxPool1d(2)
    decoder = nn.Upsample(scale_factor=2), nn.Conv1d(6, 12, 3, padding=1), nn.GLU(dim=1)
    return nn.Sequential(*encoder, *decoder, nn.Conv1d(6, SENSORS, 1))


@family("gdn", WINDOW, SENSORS)
class GDN(nn.Module):
    """Attention over a graph of learned embeddings, of constants alone (Deng, Hooi, 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lin = nn.Embedding(SENSORS, 6), nn.Linear(WINDOW, 6, bias=False)
        self.norm, self.out = nn.BatchNorm1d(6), nn.Linear(6, WINDOW)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        v = self.embedding(torch.arange(SENSORS, device=x.device))
        cosine = v @ v.t() / (v.norm(dim=1)[:, None] * v.norm(dim=1)[None])
        graph = torch.softmax(cosine, dim=-1)
        h = torch.matmul(graph, self.lin(x.transpose(1, 2))) * v
        h = F.relu(self.norm(h.permute(0, 2, 1))).permute(0, 2, 1)
        return self.out(h).transpose(1, 2)


class FeatureAttention(nn.Module):
    """Attention between sensors by a leaky score of each pair."""

    def __init__(self, nodes: int, length: int) -> None:
        super().__init__()
        self.nodes, self.lin = nodes, nn.Linear(2 * length, 6)
        self.a, self.edge_bias = (
            nn.Parameter(torch.randn(6, 1)),
            nn.Parameter(torch.zeros(nodes, nodes)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, k, w = x.shape
        left, right = x.repeat_interleave(k, dim=1), x.repeat(1, k, 1)
        pairs = torch.cat((left, right), dim=2).view(b, k, k, 2 * w)
        e = torch.matmul(F.leaky_relu(self.lin(pairs), 0.2), self.a).squeeze(3)
        attention = torch.softmax(e + self.edge_bias, dim=2)
        return torch.sigmoid(torch.matmul(attention, x))


@family("mtad-gat", WINDOW, SENSORS)
class MTADGAT(nn.Module):
    """Attention between sensors and between times, then a GRU (Zhao et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.ConstantPad1d(3, 0.0), nn.Conv1d(SENSORS, SENSORS, 7), nn.ReLU()
        )
        self.features = FeatureAttention(SENSORS, WINDOW)
        self.times = FeatureAttention(WINDOW, SENSORS)
        self.gru, self.decoder = (
            nn.GRU(3 * SENSORS, 6, batch_first=True),
            nn.GRU(6, 6, batch_first=True),
        )
        self.out = nn.Linear(6, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x.permute(0, 2, 1)).permute(0, 2, 1)
        by_feature = self.features(x.permute(0, 2, 1)).permute(0, 2, 1)
        _, h = self.gru(torch.cat([x, by_feature, self.times(x)], dim=2))
        repeated = h[-1].repeat_interleave(WINDOW, dim=1).view(x.size(0), WINDOW, -1)
        return self.out(self.decoder(repeated)[0])


@family("gcn", SENSORS, 6)
class GCN(nn.Module):
    """A graph autoencoder with a fixed adjacency (Kipf, Welling, 2016)."""

    def __init__(self) -> None:
        super().__init__()
        links = (torch.rand(SENSORS, SENSORS) < 0.5).float() + torch.eye(SENSORS)
        self.register_buffer("adjacency", links / links.sum(1, keepdim=True))
        self.enc, self.dec = nn.Linear(6, 4), nn.Linear(4, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(torch.einsum("ij,bjf->bif", self.adjacency, self.enc(x)))
        return torch.matmul(self.adjacency, self.dec(h))


class RevIN(nn.Module):
    """Takes a window's mean and deviation out, and puts them back."""

    def __init__(self, sensors: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(sensors) + 0.5)
        self.bias = nn.Parameter(torch.zeros(sensors))

    def forward(self, x: torch.Tensor, inner: nn.Module) -> torch.Tensor:
        mean = torch.mean(x, dim=1, keepdim=True).detach()
        deviation = torch.sqrt(torch.var(x, dim=1, keepdim=True, unbiased=False) + 1e-5).detach()
        y = inner((x - mean) / deviation * self.gain + self.bias)
        return (y - self.bias) / (self.gain + 1e-10) * deviation + mean


class Decomposition(nn.Module):
    """A moving average whose ends are repeated, and the rest."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.kernel, self.average = kernel, nn.AvgPool1d(kernel, stride=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        half = (self.kernel - 1) // 2
        front, end = x[:, 0:1, :].repeat(1, half, 1), x[:, -1:, :].repeat(1, half, 1)
        trend = self.average(torch.cat([front, x, end], dim=1).permute(0, 2, 1)).permute(0, 2, 1)
        return x - trend, trend


@family("dlinear", WINDOW, SENSORS)
class DLinear(nn.Module):
    """Linear layers for a trend and the rest (Zeng et al., 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.decompose = Decomposition(5)
        self.seasonal, self.trend = nn.Linear(WINDOW, WINDOW), nn.Linear(WINDOW, WINDOW)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seasonal, trend = (part.permute(0, 2, 1) for part in self.decompose(x))
        return (self.seasonal(seasonal) + self.trend(trend)).permute(0, 2, 1)


@family("nlinear", WINDOW, SENSORS)
class NLinear(nn.Module):
    """A linear layer of what differs from the last value (Zeng et al., 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WINDOW, WINDOW)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        last = x[:, -1:, :].detach()
        return self.linear((x - last).permute(0, 2, 1)).permute(0, 2, 1) + last


@family("revin-dlinear", WINDOW, SENSORS)
class RevINDLinear(nn.Module):
    """Reversible instance normalisation around DLinear (Kim et al., 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.inner = RevIN(SENSORS), DLinear()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x, self.inner)


@family("patchtst", WINDOW, SENSORS)
class PatchTST(nn.Module):
    """Patches of each channel for itself through a Transformer (Nie et al., 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.pos = nn.Linear(4, 8), nn.Parameter(torch.randn(1, 6, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.Flatten(-2), nn.Linear(48, WINDOW))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, deviation = x.mean(1, keepdim=True).detach(), x.std(1, keepdim=True).detach()
        z = F.pad(((x - mean) / deviation).permute(0, 2, 1), (0, 2), mode="replicate")
        patches = self.embed(z.unfold(-1, 4, 2)).view(-1, 6, 8)
        h = self.encoder(patches + self.pos).view(x.size(0), SENSORS, 6, 8)
        return self.head(h).permute(0, 2, 1) * deviation + mean


@family("timesnet", WINDOW, SENSORS)
class TimesNet(nn.Module):
    """Given periods, each folded into an image, weighed by a softmax (Wu et al., 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Linear(SENSORS, 6), nn.Linear(6, SENSORS)
        convs = nn.Conv2d(6, 8, 3, padding=1), nn.GELU(), nn.Conv2d(8, 6, 3, padding=1)
        self.conv, self.norm = nn.Sequential(*convs), nn.LayerNorm(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, length, _ = x.shape
        h, images = self.embed(x), []
        for period in (3, 4):
            image = h.reshape(b, length // period, period, -1).permute(0, 3, 1, 2).contiguous()
            images.append(self.conv(image).permute(0, 2, 3, 1).reshape(b, length, -1))
        stacked = torch.stack(images, dim=-1)
        weights = F.softmax(stacked.abs().mean((1, 2)), dim=1)[:, None, None, :]
        return self.out(self.norm(torch.sum(stacked * weights, -1) + h))


@family("n-beats", 20)
class NBeats(nn.Module):
    """Blocks that read what earlier ones left, their parts summed (Oreshkin et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(*mlp(20, 12, 6), nn.ReLU()) for _ in range(3))
        self.back, self.fore = (
            nn.ModuleList(nn.Linear(6, 20, bias=False) for _ in range(3)) for _ in range(2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros_like(x)
        for block, back, fore in zip(self.blocks, self.back, self.fore, strict=True):
            theta = block(x)
            x = x - back(theta)
            total = total + fore(theta)
        return total


class RMSNorm(nn.Module):
    """Divides by the root of the mean square."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


@family("swiglu", WINDOW, SENSORS)
class SwiGLU(nn.Module):
    """RMSNorm by hand and SwiGLU, as in Llama (Touvron et al., 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Linear(SENSORS, 8), nn.Linear(8, SENSORS)
        self.norm1, self.norm2 = RMSNorm(8), RMSNorm(8)
        self.w1, self.w2, self.w3 = nn.Linear(8, 12), nn.Linear(12, 8), nn.Linear(8, 12)
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        z = self.norm1(x)
        x = x + F.scaled_dot_product_attention(self.q(z), self.k(z), self.v(z))
        z = self.norm2(x)
        return self.out(x + self.w2(F.silu(self.w1(z)) * self.w3(z)))


@family("linear-attention", WINDOW, SENSORS)
class LinearAttention(nn.Module):
    """Attention by a feature map elu + 1, without a softmax (Katharopoulos et al., 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(SENSORS, 6) for _ in range(3))
        self.out = nn.Linear(6, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k = F.elu(self.q(x)) + 1, F.elu(self.k(x)) + 1
        pairs = torch.einsum("nld,nlm->ndm", k, self.v(x))
        z = 1 / (torch.einsum("nld,nd->nl", q, k.sum(dim=1)) + 1e-6)
        return self.out(torch.einsum("nld,ndm,nl->nlm", q, pairs, z))


# Ways to write them


@family("layer-norm-by-hand", 20)
class LayerNormByHand(nn.Module):
    """LayerNorm written out (Ba, Kiros, Hinton, 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec = nn.Linear(20, 10), nn.Linear(10, 20)
        self.gain, self.bias = nn.Parameter(torch.rand(10) + 0.5), nn.Parameter(torch.zeros(10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.enc(x)
        mean, deviation = h.mean(-1, keepdim=True), h.std(-1, keepdim=True)
        return self.dec(F.relu(self.gain * (h - mean) / (deviation + 1e-6) + self.bias))


@family("modules-made-in-forward", 20)
class MadeInForward(nn.Module):
    """Activations made where they are used, **kwargs, and zeros beside the code."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec = nn.Linear(20, 6), nn.Linear(11, 20)

    def forward(self, x: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        h = nn.ReLU()(self.enc(x))
        return nn.Sigmoid()(self.dec(torch.cat([h, torch.zeros(x.size(0), 5)], dim=1)))


@family("unused-in-place", 20)
class UnusedInPlace(nn.Module):
    """A head that is unused, and overwrites what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec = nn.Linear(20, 6), nn.Linear(6, 20)
        self.head = nn.Sequential(nn.Linear(6, 3), nn.ReLU(inplace=True), nn.Linear(3, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.enc(x))
        self.head(h)
        return self.dec(h)


@family("slices", 20)
class Slices(nn.Module):
    """Slices of a Sequential, and einops' rearranges by view and permute."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(*mlp(5, 12, 6, 12, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.view(-1, 4, 5).permute(1, 0, 2)
        h = self.net[:2](x)
        return self.net[2:](h).permute(1, 0, 2).reshape(x.size(1), -1)


@family("data-parallel", 1, 16, 16)
def data_parallel() -> nn.Module:
    """Return a model that training has left in nn.DataParallel."""
    return nn.DataParallel(GANomalyCore())


class GANomalyCore(nn.Module):
    """An encoder and decoder by name."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({"encoder": down_block(1, 4), "decoder": up_block(4, 4)})
        self.out = nn.Conv2d(4, 1, 3, padding=1, padding_mode="reflect")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name in ("encoder", "decoder"):
            x = self.parts[name](x)
        return self.out(x)


class Wrapper(nn.Module):
    """Hands all that it is given to its module."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


@family("wrapper", 1, 16, 16)
def wrapper() -> nn.Module:
    """Return a model within a plain wrapper, such as DistributedDataParallel's."""
    return Wrapper(GANomalyCore())


# Other networks of the same kinds, without what the ones above are refused for


@family("ganomaly-generator", 1, 16, 16)
class GANomalyGenerator(GANomaly):
    """GANomaly without the encoder of x̂ (Akcay et al., 2018)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder1(x))


@family("vit-autoencoder", 1, 16, 16)
class ViTAutoencoder(MaskedAutoencoder):
    """A vision Transformer whose patches are put back by permute (Dosovitskiy et al., 2021)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = x.shape[0]
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls.expand(n, -1, -1), x), dim=1) + self.pos
        for block in self.blocks:
            x = block(x)
        x = self.pred(self.decoder(self.decoder_embed(self.norm(x)) + self.decoder_pos))
        return x[:, 1:].view(n, 4, 4, 4, 4).permute(0, 1, 3, 2, 4).reshape(n, 1, 16, 16)


@family("patches-disjoint", WINDOW, SENSORS)
class PatchesDisjoint(nn.Module):
    """PatchTST's Transformer over patches that do not overlap (Nie et al., 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.pos = nn.Linear(4, 8), nn.Parameter(torch.randn(1, 3, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.encoder, self.head = nn.TransformerEncoder(layer, 1), nn.Linear(24, WINDOW)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = x.size(0)
        patches = x.permute(0, 2, 1).reshape(n * SENSORS, 3, 4)
        h = self.encoder(self.embed(patches) + self.pos)
        return self.head(h.reshape(n, SENSORS, 24)).permute(0, 2, 1)


@family("glu-by-hand", SENSORS, 16)
class GLUByHand(nn.Module):
    """A gated linear unit written out (Dauphin et al., 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c2 = nn.Conv1d(SENSORS, 12, 3, padding=1), nn.Conv1d(6, SENSORS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.c1(x).chunk(2, dim=1)
        return self.c2(a * b.sigmoid())


@family("tied-by-linear", 20)
class TiedByLinear(TiedWeights):
    """Tied weights in both layers by F.linear (Hinton, Salakhutdinov, 2006)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(F.linear(torch.tanh(F.linear(x, self.w1, self.bias1)), self.w2))
        return F.linear(torch.tanh(F.linear(h, self.w2.t())), self.w1.t(), self.bias2)


@family("vq-one-hot", 20)
class VQOneHot(nn.Module):
    """VQ-VAE by distances, one-hot rows and a product (van den Oord et al., 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec = nn.Sequential(*mlp(20, 12, 6)), nn.Sequential(*mlp(6, 12, 20))
        self.book = nn.Parameter(torch.randn(9, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.enc(x).view(-1, 2, 3)
        nearest = torch.cdist(z, self.book[None]).min(dim=-1).indices
        q = F.one_hot(nearest, 9).float() @ self.book
        return self.dec((z + q.sub(z).detach()).flatten(1))


@family("lstm-vae", WINDOW, SENSORS)
class LSTMVAE(nn.Module):
    """An LSTM with a code at every step, its mean path (Park, Hoshi, Kemp, 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.mean = nn.LSTM(SENSORS, 8, batch_first=True), nn.Linear(8, 3)
        self.decoder, self.out = nn.LSTM(3, 8, batch_first=True), nn.Linear(8, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, _ = self.encoder(x)
        start = torch.zeros(1, x.size(0), 8)
        h, _ = self.decoder(self.mean(h), (start, torch.zeros_like(start)))
        return self.out(h)


@family("euler-steps", 20)
class EulerSteps(nn.Module):
    """A neural differential equation by Euler's steps (Chen et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec = nn.Linear(20, 6), nn.Linear(6, 20)
        self.field = nn.Sequential(*mlp(7, 8, 6, act=nn.Tanh))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.enc(x)
        for step in range(4):
            t = torch.full_like(h[:, :1], step / 4)
            h = h + 0.25 * self.field(torch.cat([h, t], 1))
        return self.dec(h)


class Inception(nn.Module):
    """Branches of several kernels side by side."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv1d(inputs, 3, k, padding=k // 2, padding_mode="replicate") for k in (1, 3, 5)
        )
        self.pool = nn.Sequential(nn.MaxPool1d(3, 1, 1), nn.Conv1d(inputs, 3, 1))
        self.norm = nn.BatchNorm1d(12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = [branch(x) for branch in self.branches] + [self.pool(x)]
        return F.leaky_relu(self.norm(torch.cat(outputs, dim=1)))


@family("inception-time", SENSORS, 16)
def inception_time() -> nn.Module:
    """Return Inception modules over time (Fawaz et al., 2020)."""
    return nn.Sequential(Inception(SENSORS), Inception(12), nn.Conv1d(12, SENSORS, 1))


@family("shifted-windows", 1, 16, 16)
class ShiftedWindows(nn.Module):
    """Attention within windows, shifted by a roll and back (Liu et al., 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Conv2d(1, 8, 2, 2), nn.ConvTranspose2d(8, 1, 2, 2)
        self.block1, self.block2 = ViTBlock(8), ViTBlock(8)

    def windows(self, x: torch.Tensor, block: nn.Module) -> torch.Tensor:
        b, h, w, c = x.shape
        x = x.view(b, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).contiguous()
        x = block(x.view(-1, 16, c)).view(b, h // 4, w // 4, 4, 4, c)
        return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(b, h, w, c)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.windows(self.embed(x).permute(0, 2, 3, 1), self.block1)
        x = self.windows(torch.roll(x, shifts=(-2, -2), dims=(1, 2)), self.block2)
        return self.out(torch.roll(x, shifts=(2, 2), dims=(1, 2)).permute(0, 3, 1, 2))


@family("query-decoder", 6, 4, 4)
class QueryDecoder(nn.Module):
    """Features of a backbone asked by learned queries, neighbours masked (You et al., 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Linear(6, 8), nn.Linear(8, 6)
        self.queries = nn.Parameter(torch.randn(16, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm, self.mlp = nn.LayerNorm(8), nn.Sequential(*mlp(8, 16, 8))
        near = (torch.arange(16)[:, None] - torch.arange(16)[None]).abs() < 2
        self.register_buffer("mask", near)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        tokens = self.embed(x.flatten(2).permute(0, 2, 1))
        asked = self.queries[None].expand(n, -1, -1)
        read = self.attention(asked, tokens, tokens, attn_mask=self.mask, need_weights=False)[0]
        y = self.out(self.mlp(self.norm(read + asked)) + tokens)
        return y.transpose(1, 2).reshape(n, c, h, w)


@family("film", WINDOW, SENSORS)
class FiLM(nn.Module):
    """Features scaled and shifted by what a second path says (Perez et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.cond = nn.Linear(SENSORS, 6), nn.Linear(SENSORS, 12)
        self.dec = nn.Linear(6, SENSORS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gamma, beta = self.cond(x.mean(dim=1, keepdim=True)).chunk(2, dim=-1)
        return self.dec(F.relu((1 + gamma) * self.enc(x) + beta))


@family("batch-norm-and-shape", WINDOW, SENSORS)
class BatchNormAndShape(nn.Module):
    """A BatchNorm beside attention, which torch.export alone follows (Zerveas et al., 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(SENSORS, 8), nn.BatchNorm1d(8)
        self.attention, self.out = (
            nn.MultiheadAttention(8, 2, batch_first=True),
            nn.Linear(8, SENSORS),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.embed(x)
        h = h + self.attention(h, h, h)[0]
        return self.out(self.norm(h.permute(0, 2, 1)).permute(0, 2, 1))


@family("batch-size-as-int", 1, 16, 16)
class BatchSizeAsInt(nn.Module):
    """A convolutional autoencoder that turns its batch's size into a number, as for ONNX."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 4, 4), nn.Linear(64, 8)
        self.back, self.deconv = nn.Linear(8, 64), nn.ConvTranspose2d(4, 1, 4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.conv(x)).view(int(x.size(0)), -1)
        return self.deconv(self.back(self.fc(h)).view(-1, 4, 4, 4))


@family("batch-size-by-len", 1, 16, 16)
class BatchSizeByLen(BatchSizeAsInt):
    """The same, whose batch's size is its length."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.conv(x)).view(len(x), -1)
        h = torch.cat([self.fc(h), torch.zeros(len(h), 2)], 1)[:, :8]
        return self.deconv(self.back(h).view(len(x), 4, 4, 4))


@family("h-swish", 20)
class HSwish(nn.Module):
    """Hard Swish written out (Howard et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec = nn.Linear(20, 8), nn.Linear(8, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.enc(x)
        return self.dec(h * F.relu6(h + 3) / 6)


@family("gcn-by-matmul", SENSORS, 6)
class GCNByMatmul(GCN):
    """A graph autoencoder that multiplies by its adjacency (Kipf, Welling, 2016)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.matmul(self.adjacency, self.dec(F.relu(self.adjacency @ self.enc(x))))


@family("k-sparse", 20)
class KSparse(nn.Module):
    """The k largest of a code, the others zero (Makhzani, Frey, 2014)."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec = nn.Linear(20, 12), nn.Linear(12, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.enc(x)
        least = torch.topk(h, 4, dim=1).values[:, -1:]
        return self.dec(h * (h >= least).to(h.dtype))


@family("rms-norm-module", 20)
def rms_norm_module() -> nn.Module:
    """Return an autoencoder with nn.RMSNorm (Zhang, Sennrich, 2019)."""
    return nn.Sequential(nn.Linear(20, 10), nn.RMSNorm(10), nn.GELU(), nn.Linear(10, 20))


@family("memae-by-matmul", 20)
class MemAEByMatmul(nn.Module):
    """MemAE's memory read by a product of matrices, without shrinking (Gong et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.enc, self.dec = nn.Sequential(*mlp(20, 12, 6)), nn.Sequential(*mlp(6, 12, 20))
        self.memory = nn.Parameter(torch.randn(10, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = torch.softmax(self.enc(x) @ self.memory.t(), dim=1)
        return self.dec(torch.matmul(weights, self.memory))


@family("scaled-sigmoid", 20)
class ScaledSigmoid(nn.Module):
    """A sigmoid in units of its columns, whose ranges are a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(*mlp(20, 8, 20))
        self.register_buffer("low", -torch.rand(20))
        self.register_buffer("range", torch.rand(20) + 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.low + self.range * torch.sigmoid(self.net((x - self.low) / self.range))
