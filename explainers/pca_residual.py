"""PCA residual: a floor. What a linear autoencoder says that is no relative of the detector."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Lt
from numpy.typing import ArrayLike, NDArray

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools.baselines import normal_rows
from aexbench.rows import most, sample

LEAST_VARIANCE = 1e-12  # of the greatest: less along a direction comes from rounding


@register("pca-residual", version=1, floor=True)
class PCAResidual:
    """Return each column's own share of the error of a linear autoencoder, the projection on
    principal components of normal samples; the detector is not asked.

    What it finds is what any reconstruction of normal samples would find: an explanation that is no
    better says nothing of this detector. Components are those of the values as they are, not of
    standardised ones: they minimise the squared error, as the training of a linear autoencoder
    does. A constant column stands in no component and shows every change.

    Parameters
    ----------
    detector
        Asked only whether it takes the background's columns, and for the name of its loss.
    background
        Normal samples (B, …), the training split.
    loss
        |x − p|/m or (x − p)²/m, where p is the projection of x; the detector's own where it is left
        out. A loss that is a function counts as l2, by which components are chosen.
    variance
        As few components are taken as explain this share of the background's variance, and never
        all of them, which would reconstruct everything. An autoencoder is as narrow as its author
        made it, which a floor may not know; nine tenths leave a linear one what is common to normal
        samples, and their noise outside. Fewer than two normal samples have no variance: then p is
        their mean.
    nsamples
        How many normal samples are looked at, drawn with a fixed seed; fewer where samples ×
        columns pass 2²⁵.

    References
    ----------
    Why components are the best linear autoencoder: Baldi and Hornik 1989, "Neural Networks and
    Principal Component Analysis: Learning from Examples Without Local Minima".
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        loss: Literal["l1", "l2"] | None = None,
        variance: Annotated[float, Gt(0), Lt(1)] = 0.9,
        nsamples: Annotated[int, Ge(1)] = 1000,
    ) -> None:
        rows = normal_rows(detector, background)
        normal = sample(rows, most(rows, nsamples)).reshape(-1, np.prod(rows.shape[1:]))
        self.mean, self.components = principal(normal.astype(np.float64), variance)
        self.absolute = (detector.loss if loss is None else loss) == "l1"

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the shares (N, …), none below 0."""
        off = x.flatten(1).double().cpu().numpy() - self.mean
        left = off - off @ self.components.T @ self.components
        share = (np.abs(left) if self.absolute else np.square(left)) / len(self.mean)
        kind = torch.promote_types(x.dtype, torch.float32)
        return torch.as_tensor(share).view(x.shape).to(x.device, kind)


def principal(
    rows: NDArray[np.float64], variance: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean (M,) of rows (B, M), and as few of their principal components (K, M) as
    explain a share of their variance, K < M.
    """
    around = rows - rows[0]  # exactly 0 in constant columns, whose mean may be off by rounding
    shift = around.mean(axis=0)
    around -= shift
    few = len(around) < around.shape[1]  # the smaller of both products has the same eigenvalues
    values, vectors = np.linalg.eigh(around @ around.T if few else around.T @ around)
    values, vectors = values[::-1].clip(0), vectors[:, ::-1]
    count = min(
        1 + int(np.searchsorted(values.cumsum(), variance * values.sum())),
        int(np.count_nonzero(values > LEAST_VARIANCE * values[0])),
        around.shape[1] - 1,
    )
    chosen = vectors[:, :count]
    components = around.T @ chosen / np.sqrt(values[:count]) if few else chosen
    return rows[0] + shift, np.ascontiguousarray(components.T)
