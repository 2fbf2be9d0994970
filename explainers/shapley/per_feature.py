"""Per-feature SHAP: which inputs have brought about the worst reconstructed features?"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from numpy.typing import ArrayLike

from aexbench import Detector, SkipError
from aexbench.explainers import register
from aexbench.explainers.shapley.regression import Regression
from aexbench.explainers.shapley.values import Worth
from aexbench.explainers.tools.baselines import representatives
from aexbench.explainers.tools.segments import Segments, is_image, spread


@register("per-feature-shap", version=1, own_error=True)
class PerFeatureShap:
    """KernelSHAP of the reconstructions x̂_i of the worst reconstructed features, aggregated over
    them.

    The worst features are those with the greatest |x_i − x̂_i| whose squared errors together reach
    `share` of the sample's. For each, Shapley values φ_j of the *reconstruction* x̂_i say which
    inputs j moved it. The authors list the features in that order, each followed by the inputs
    whose |φ_j| is above the mean; a number per input is our reading: the sum of |φ_j| over the
    worst features (`combine="absolute"`), or only of what moved x̂_i away from x_i
    (`"contributing"`, the authors' name for those inputs; the others are "offsetting"). An
    anomalous input often pulls its own reconstruction towards itself and is "offsetting" there:
    with few worst features `contributing` can rank the cause last.

    Parameters
    ----------
    detector
        What is explained; its loss does not matter.
    background
        Normal samples (B, M), the training split; a seeded sample of it stands for features that
        are left out.
    nsamples
        Coalitions per sample, shared by all of its outputs.
    rows
        Of the background; 200, as the authors take.
    share
        Of the sample's squared error that the worst features explain.
    combine
        See above.
    seed
        Of the coalitions and of the background's rows.

    Raises
    ------
    SkipError
        For images: there is one reconstruction per pixel.

    References
    ----------
    Antwarg, Miller, Shapira & Rokach, "Explaining anomalies detected by autoencoders using Shapley
    Additive Explanations", Expert Systems with Applications 186, 2021 (arXiv:1903.02407), and the
    program that they published.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        nsamples: Annotated[int, Ge(1)] = 1000,
        rows: Annotated[int, Ge(1)] = 200,
        share: Annotated[float, Gt(0), Le(1)] = 0.5,
        combine: Literal["absolute", "contributing"] = "absolute",
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        worth = Worth(detector, representatives(detector, background, rows, seed), "reconstruction")
        self.detector, self.regression = detector, Regression(worth, nsamples, seed, "shap")
        self.share, self.combine = share, combine

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the aggregated Shapley values (N, M), none of them negative."""
        if is_image(x):
            raise SkipError(
                "per-feature-shap explains the reconstruction of single features; use "
                "kernelshap-batched"
            )
        numbers = Segments().numbers(x, self.detector.features)
        gap = (x - self.detector.reconstruct(x)).flatten(1).double()
        wanted = worst(gap, self.share)

        def aggregated(values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
            """Return one number for each player of values (n, P, M), those of each player for each
            output.
            """
            if self.combine == "contributing":  # away from x_i: down where x̂_i is below it
                values = (-values * gap[rows].sign()[:, None]).clamp_min_(0)
            return (values.abs() * wanted[rows][:, None]).sum(2)

        return spread(self.regression.solve(x, numbers, aggregated), numbers).to(x.dtype)


def worst(gap: torch.Tensor, share: float) -> torch.Tensor:
    """Return which features (N, M) have the greatest |gap|, as few as have `share` of the sum of
    squares.

    >>> worst(torch.tensor([[1.0, -3.0, 2.0]]), 0.9)
    tensor([[False,  True,  True]])
    """
    squares, order = gap.square().sort(dim=1, descending=True, stable=True)
    before = squares.cumsum(1) - squares
    wanted = before < share * squares.sum(1, keepdim=True)
    return torch.zeros_like(wanted).scatter_(1, order, wanted)
