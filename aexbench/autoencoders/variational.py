"""A variational autoencoder; what is explained is its mean path."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn

from aexbench.autoencoders import register
from aexbench.errors import RequestError


class Variational(nn.Module):
    """Encodes to a mean and a log-variance; draws from them in training, and takes the mean
    otherwise.
    """

    def __init__(self, columns: int, widths: tuple[int, ...], latent: int, beta: float) -> None:
        super().__init__()
        self.encoder = _stack((columns, *widths))
        self.mean, self.log_variance = nn.Linear(widths[-1], latent), nn.Linear(widths[-1], latent)
        self.decoder = nn.Sequential(
            _stack((latent, *widths[::-1])), nn.Linear(widths[0], columns), nn.Sigmoid()
        )
        self.weight = beta / columns
        self._moments: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x̂ (N, …)."""
        hidden = self.encoder(x.flatten(1))
        code = self.mean(hidden)
        if self.training:
            self._moments = code, self.log_variance(hidden)
            code = code + torch.randn_like(code) * (self._moments[1] / 2).exp()
        decoded: torch.Tensor = self.decoder(code)
        return decoded.reshape(x.shape)

    def penalty(self) -> torch.Tensor:
        """Return the Kullback-Leibler divergence from a standard normal of the last codes,
        weighted: β KL / m.
        """
        if self._moments is None:
            raise RuntimeError("there is no penalty before a forward pass in training mode")
        mean, log_variance = self._moments
        self._moments = None
        divergence = (mean**2 + log_variance.exp() - 1.0 - log_variance).sum(dim=1) / 2
        return self.weight * divergence.mean()


def _stack(sizes: tuple[int, ...]) -> nn.Sequential:
    return nn.Sequential(
        *(part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU()))
    )


@register("variational", version=1, images=False)
def variational(
    shape: tuple[int, ...],
    *,
    widths: tuple[int, ...] = (64, 32),
    latent: Annotated[int, Ge(1)] = 8,
    beta: Annotated[float, Ge(0)] = 0.001,
) -> nn.Module:
    """Return a variational autoencoder of fully connected layers; samples of any shape are
    flattened.

    Parameters
    ----------
    shape
        Of one sample.
    widths
        Of the encoder's hidden layers; the decoder's are mirrored.
    latent
        Number of latent variables.
    beta
        Weight of the Kullback-Leibler divergence (summed over latent variables) beside the error
        summed over columns.

    References
    ----------
    Kingma and Welling 2014, "Auto-Encoding Variational Bayes", Eq. (10); Higgins et al. 2017,
    "beta-VAE".
    """
    if not widths or min(widths) < 1:
        raise RequestError(f"variational needs widths of at least 1; got {list(widths)}")
    return Variational(int(torch.Size(shape).numel()), widths, latent, beta)
