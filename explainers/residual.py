"""Residual: the reconstruction error of each feature by itself (the paper's baseline).

Also as the distance from what normal samples' residuals are, column by column, and smoothed over an
image.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import ArrayLike, NDArray

from aexbench import Detector, RequestError, SkipError
from aexbench.explainers import register
from aexbench.explainers.tools.baselines import normal_rows
from aexbench.explainers.tools.precision import at_least_float32
from aexbench.explainers.tools.segments import is_image
from aexbench.explainers.tools.smoothing import blur
from aexbench.explainers.tools.units import Units
from aexbench.rows import most, sample

LEAST_SPREAD = (
    1e-6  # of the error of a column that is off by its whole range: less comes from rounding
)
ROUNDING = 4  # times the type's precision, of a value: by how much x̂ may differ with the batch


@register("residual", version=1)
class Residual:
    """Return each feature's own share of the error, |x − x̂|/m (l1) or (x − x̂)²/m (l2), or how far
    it is from normal.

    Parameters
    ----------
    detector
        Whose error is explained.
    background : (B, …)
        Normal samples, the training split; `plain` needs none.
    loss
        The detector's own where it is left out.
    form
        Of the residual r of a column, beside those of normal samples in the same column, r₁ … r_B:
        `plain`: r. `standardised`: (r − mean) / spread of r₁ … r_B, where the spread is taken for
        at least 10⁻⁶ of what a column that is off by its whole range adds to the error. `p-value`:
        −log₁₀ of the share of normal samples whose residual is at least as large, (1 + count) / (1
        + B). What differs by no more than rounding counts as equal. Beyond the greatest of them all
        would tie at log₁₀(1 + B): there the tail goes on as an exponential one whose mean is that
        spread, which adds (r − greatest) / (spread · ln 10). What is further out in spreads ranks
        higher.
    sigma
        Of a Gaussian that smooths images' residuals, in pixels; before they are compared with
        normal ones, which are smoothed too. Edges are mirrored, which keeps the sum: see `blur`.
    nsamples
        How many normal samples are looked at, drawn with a fixed seed; fewer where samples ×
        columns pass 2²⁵.

    Raises
    ------
    RequestError
        If `form` needs a background and there is none.
    SkipError
        If something else than images is to be smoothed.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.1 and 4.2. Why 1 + count:
    Phipson and Smyth 2010, "Permutation P-values Should Never Be Zero".
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike | None = None,
        loss: Literal["l1", "l2"] | None = None,
        form: Literal["plain", "standardised", "p-value"] = "plain",
        sigma: Annotated[float, Ge(0)] = 0.0,
        nsamples: Annotated[int, Ge(1)] = 10_000,
    ) -> None:
        self.detector = detector.with_loss(loss)
        self.form, self.sigma = form, sigma
        if form != "plain":
            if background is None:
                raise RequestError(
                    f"residual[form={form}] compares with normal samples: give it a background"
                )
            self._learn(background, nsamples)

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the residuals (N, …) in the form that was asked for."""
        found = self._residuals(x)
        if self.form == "plain":
            return found
        flat = at_least_float32(found).flatten(1)
        compare = self._standardised if self.form == "standardised" else self._surprise
        return compare(flat).view(x.shape)

    def _residuals(self, x: torch.Tensor) -> torch.Tensor:
        found = self.detector.error_map(x)
        if self.sigma == 0:
            return found
        if not is_image(x):
            raise SkipError(
                "residual: sigma smooths images, and these samples are none: leave it at 0"
            )
        return blur(at_least_float32(found), self.sigma)

    def _learn(self, background: ArrayLike, nsamples: int) -> None:
        """Keep what the residuals of normal samples are: mean, spread, and for p-values all in
        order (M, B).
        """
        given = normal_rows(self.detector, background)
        rows, shape = sample(given, most(given, nsamples)), tuple(given.shape[1:])
        normal = at_least_float32(
            self._residuals(torch.tensor(rows, device=self.detector.device))
        ).flatten(1)
        units = Units.of(self.detector.features, shape)
        self.whole_range = self._error_of(units.span).to(normal)
        self.reach = self._error_of(units.reach).to(normal)
        spread, self.mean = torch.std_mean(normal, dim=0, correction=0)
        self.spread = torch.maximum(spread, LEAST_SPREAD * self.whole_range)
        if self.form == "p-value":
            self.normal = normal.T.contiguous().sort(dim=1).values

    def _error_of(self, distance: NDArray[np.float64]) -> torch.Tensor:
        """Return what columns that are off by so much add to the error (M,)."""
        given = torch.as_tensor(distance)[None]
        return self.detector.error_share(given, torch.zeros_like(given)).flatten()

    def _standardised(self, found: torch.Tensor) -> torch.Tensor:
        return (found - self.mean.to(found)) / self.spread.to(found)

    def _surprise(self, found: torch.Tensor) -> torch.Tensor:
        """Return −log₁₀ of the p-values of residuals (N, M)."""
        normal = self.normal.to(found)
        count = normal.shape[1]
        as_odd = count - torch.searchsorted(normal, self._rounded_down(found).T.contiguous()).T
        beyond = (found - normal[:, -1]).clamp_min(0) / self.spread.to(found)
        return math.log10(1 + count) - (1 + as_odd).to(found).log10() + beyond / math.log(10)

    def _rounded_down(self, found: torch.Tensor) -> torch.Tensor:
        """Return residuals (N, M) less what rounding may add: a normal sample must be as odd as
        itself in any batch.

        It is x − x̂ that loses digits, so that of |x − x̂| a share of the column's greatest regular
        value is taken.
        """
        share = ROUNDING * torch.finfo(self.detector.dtype).eps
        reach = self.reach.to(found)
        lost = reach if self.detector.loss == "l1" else 2 * (found * reach).sqrt()
        return found - share * (lost + found)
