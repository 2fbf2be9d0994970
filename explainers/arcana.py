"""ARCANA: the sparse correction that makes a sample reconstructable; its size is the
attribution.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le

from aexbench import Detector
from aexbench.detector import in_chunks
from aexbench.explainers import register
from aexbench.explainers.tools.confined import leaving_the_range
from aexbench.explainers.tools.gradients import require_gradient
from aexbench.explainers.tools.precision import precise
from aexbench.explainers.tools.units import Units

# A step keeps activations and their gradients: at most this many forward passes' memory.
GRAPH = 4


@register("arcana", version=1, own_error=True)  # b starts at x̂ − x
def arcana(
    detector: Detector,
    x: torch.Tensor,
    *,
    alpha: Annotated[float, Ge(0), Le(1)] = 0.8,
    steps: Annotated[int, Ge(0)] = 400,
    rate: Annotated[float, Gt(0)] = 1e-3,
    start: Literal["reconstruction", "zero"] = "reconstruction",
) -> torch.Tensor:
    """Return |b|, where b minimises `(1 − α) ½ mean((x + b − AE(x + b))²) + α mean|b|`, sample by
    sample, in units of the columns' ranges (`high` − `low` of the Features).

    The squared error is part of the method, whatever the detector's own loss: there is no `loss` to
    choose. Each sample takes `steps` + 1 forward and `steps` backward passes, by a float64 copy of
    the model where it has one: b crosses zero, where rounding turns its gradient round, and in
    single precision the batch that a sample comes in would decide on up to half of the greatest
    attribution. On a CPU a pass takes up to six times as long as in float32.

    Parameters
    ----------
    alpha
        Weight of sparsity: larger leaves fewer and smaller corrections.
    steps, rate
        Updates of Adam and its learning rate, a share of the range: no b_i moves by much more than
        `steps` × `rate`. One
        that reaches zero swings across it by about `rate`: less than that says nothing.
    start
        Where b starts: at AE(x) − x (the authors' implementation, `recon`), or at zero. The first
        term is square in the data's scale and the second is not, so that both are taken in units of
        the ranges (the authors' data are standardised). There the second
        outweighs at α = 0.8: b only shrinks, so that from `reconstruction` it ends as |x̂ − x| less
        up to `steps` × `rate`, and from `zero` hardly moves. A smaller α, such as 0.2, leaves the
        first term its say.

    Raises
    ------
    SkipError
        Where x̂ does not hang on x for autograd, or the model refuses gradients, or values outside
        of the features' `low` and `high`.

    References
    ----------
    Roelofs, Lutz, Faulstich, Vogt 2021, "Autoencoder-based anomaly root cause analysis for wind
    turbines", Energy and AI, doi:10.1016/j.egyai.2021.100065; start, factors, learning rate and
    steps are the defaults of the authors' package energy-fault-detector (`Arcana`). Adam: Kingma
    and Ba 2015, with its default β₁, β₂ and ε.
    """
    require_gradient(detector.with_loss("l2"), x)  # the copy is a new one at every call
    with torch.inference_mode(False):  # what it has made cannot meet autograd: a copy can
        squared = precise(detector.with_loss("l2"), tuple(x.shape[1:]))
        samples = x.double().clone()
        _, span = Units.of(detector.features, tuple(x.shape[1:])).tensors(samples)
    residual = (squared.reconstruct(samples) - samples) / span
    correction = residual if start == "reconstruction" else torch.zeros_like(residual)

    def optimised(pair: torch.Tensor) -> torch.Tensor:
        given, b = pair[:, 0], pair[:, 1].clone().requires_grad_()
        adam = torch.optim.Adam([b], lr=rate)
        for _ in range(steps):
            # A sum over samples, so that each one's gradient is its own.
            point = given + b * span
            error = squared.error_share(point / span, squared.reconstruct(point) / span)
            objective = (1 - alpha) / 2 * _sum(error) + alpha * b.abs().flatten(1).mean(1)
            (b.grad,) = torch.autograd.grad(objective.sum(), b)
            adam.step()
        return b.detach().abs()

    rows = max(1, squared.chunk_rows(samples) // GRAPH)
    confined = leaving_the_range("arcana", squared, samples)
    with confined, torch.inference_mode(False), torch.enable_grad():
        found = in_chunks(optimised, torch.stack([samples, correction], dim=1), rows)
    return found.to(torch.promote_types(x.dtype, torch.float32))


def _sum(values: torch.Tensor) -> torch.Tensor:
    return values.flatten(1).sum(1)
