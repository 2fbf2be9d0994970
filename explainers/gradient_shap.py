"""GradientSHAP: gradients averaged between a sample and normal ones; captum's formula with draws by
the sample's content.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import ArrayLike

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools import baselines
from aexbench.explainers.tools.averaging import Points, averaged
from aexbench.rows import sample

REFERENCES = 1000  # samples of the background that gradient-shap draws from, at most


@register("gradient-shap", version=1)
class GradientShap:
    """Return the mean of (x − b) · ∂e/∂x at b + α (x − b), with b from the background and α from
    [0, 1] at random.

    In expectation the attributions sum to e(x) − E e(b) over the background.

    Parameters
    ----------
    detector
        Whose error is explained.
    background : (B, …)
        Normal samples, the training split. Of a larger one than 1000 a seeded sample of so many is
        taken.
    nsamples
        Pairs of b and α for each sample.
    seed
        Of the sample of the background, and along with each sample's content of its pairs.
    loss
        The detector's own where it is left out.

    Raises
    ------
    SkipError
        Where x̂ does not hang on x for autograd, or the model refuses gradients.

    References
    ----------
    Erion et al. 2021, "Improving performance of deep learning models with axiomatic attribution
    priors and expected gradients", definition of expected gradients; `GradientExplainer` of shap
    and `GradientShap` of captum.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        nsamples: Annotated[int, Ge(1)] = 200,
        seed: Annotated[int, Ge(0)] = 0,
        loss: Literal["l1", "l2"] | None = None,
    ) -> None:
        self.detector = detector.with_loss(loss)
        self.references = sample(baselines.normal_rows(detector, background), REFERENCES, seed)
        self.nsamples, self.seed = nsamples, seed

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean over `nsamples` pairs (N, …)."""
        return averaged(self.detector, x, self.nsamples, self.seed, self._pairs)

    def _pairs(self, part: torch.Tensor, generators: list[np.random.Generator]) -> Points:
        rows = np.stack(
            [
                generator.integers(len(self.references), size=self.nsamples)
                for generator in generators
            ]
        )
        alphas = torch.as_tensor(
            np.stack([generator.random(self.nsamples) for generator in generators])
        ).to(part)

        def points(draws: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            normal = torch.as_tensor(self.references[rows[:, draws.numpy()]]).to(part)
            difference = part[:, None] - normal
            alpha = alphas[:, draws.to(alphas.device)].view(
                *normal.shape[:2], *[1] * (part.dim() - 1)
            )
            return normal + alpha * difference, difference

        return points
