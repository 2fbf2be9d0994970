"""KernelSHAP by the `shap` package, with the paper's settings: the reference that
`kernelshap-batched` is held to.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Ge
from numpy.typing import ArrayLike, NDArray

from aexbench import Detector
from aexbench.explainers import register
from aexbench.explainers.tools.baselines import representatives
from aexbench.explainers.tools.segments import Players, Segments, spread
from aexbench.explainers.tools.units import Units, error_unit
from aexbench.extras import optional
from aexbench.rows import most

CLUSTERED, CENTRES = (
    10_000,
    100,
)  # samples of the background at most, and what stands for them by default


@register("kernelshap", version=1)
class KernelShap:
    """KernelSHAP of the reconstruction error e(x), by `shap.KernelExplainer`, one sample after the
    other.

    `shap` keeps ten features by default (`l1_reg`); that would tie all others at zero, so it is off
    here. `shap` sets absolute values below 1e-10 to zero, and leaves out columns that differ from
    the background by less than 1e-8 and 1e-5 of its values: it is handed data scaled to [0, 1] by
    the Features, and the error in units of that of a sample off by its whole range.

    Parameters
    ----------
    detector
        What is explained.
    background
        Normal samples (B, …), the training split; a seeded sample of it stands for features that
        are left out.
    nsamples
        Coalitions per sample; with 755 rows of background, 755,000 evaluations of the detector at
        the default.
    rows
        Of the background; where it is left out 755 for tables (the paper's number), 5 for images,
        100 with `kmeans`.
    kmeans
        Let `rows` weighted centres of the background stand for it: of a seeded sample of 10,000,
        fewer where samples × columns pass 2²⁵.
    segments, count
        Of images: see `aexbench.explainers.tools.segments`.
    seed
        Of the coalitions, set anew for every sample, and of the background's rows.
    loss
        The detector's own where it is left out.

    Raises
    ------
    SkipError
        If `shap` is not installed.

    References
    ----------
    Lundberg & Lee, "A unified approach to interpreting model predictions", 2017; settings:
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 4.1.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        background: ArrayLike,
        nsamples: Annotated[int, Ge(1)] = 1000,
        rows: Annotated[int, Ge(1)] | None = None,
        kmeans: bool = False,
        segments: Segments = Players(),
        seed: Annotated[int, Ge(0)] = 0,
        loss: Literal["l1", "l2"] | None = None,
    ) -> None:
        self.shap, self.detector = optional("shap"), detector.with_loss(loss)
        self.nsamples, self.seed, self.segments = nsamples, seed, segments
        chosen = representatives(
            detector, background, most(background, CLUSTERED) if kmeans else rows, seed
        )
        self.shape = tuple(chosen.shape[1:])
        self.units = Units.of(detector.features, self.shape)
        self.unit = error_unit(self.detector, self.shape)
        self.background = self.units.scaled(chosen.double().cpu()).flatten(1).numpy()
        self.weights = np.ones(len(self.background))
        if kmeans:
            self.background, self.weights = _centres(self.background, rows or CENTRES, seed)

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return Shapley values (N, …); their sum is e(x) less the mean error of the background."""
        numbers = self.segments.numbers(x, self.detector.features).cpu()
        rows = self.units.scaled(x.double().cpu()).flatten(1).numpy()
        found = np.zeros((len(x), int(numbers.max()) + 1))
        for place, row, number in zip(found, rows, numbers.numpy(), strict=True):
            values = self._of_one(row[None], number.ravel())
            place[: len(values)] = values
        return spread(torch.as_tensor(found), numbers).to(x.dtype)

    def _of_one(self, sample: NDArray[Any], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the Shapley values (P,) of one sample's (1, M) segments, numbered (M,)."""
        groups = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
        names = [str(number) for number in range(len(groups))]
        data = optional("shap.utils._legacy").DenseData(
            self.background, names, groups, self.weights.copy()
        )
        with _numpy_seed(self.seed), _quiet():
            explainer = self.shap.KernelExplainer(self._error, data)
            values = explainer.shap_values(
                sample, nsamples=self.nsamples, l1_reg=False, silent=True
            )
        return np.asarray(values[0], dtype=np.float64) * self.unit

    def _error(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Return the errors of flat rows (R, M) in units of the ranges."""
        samples = self.units.low + self.units.span * rows.reshape(-1, *self.shape)
        errors = self.detector.error(samples)
        return np.asarray(errors.double().cpu().numpy()) / self.unit


def _centres(
    rows: NDArray[np.float64], count: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres of clusters of rows, and how many rows each stands for."""
    from sklearn.cluster import KMeans

    fitted = KMeans(min(count, len(rows)), n_init=1, random_state=seed).fit(rows)
    weights = np.bincount(fitted.labels_, minlength=len(fitted.cluster_centers_)).astype(np.float64)
    return np.asarray(fitted.cluster_centers_)[weights > 0], weights[weights > 0]


@contextmanager
def _numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, which `shap` draws from, and put it back."""
    state: Any = np.random.get_state()
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        np.random.set_state(state)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep `shap` from saying for every sample that so many rows of background take long."""
    log = logging.getLogger("shap")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
