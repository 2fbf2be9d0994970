"""What probes ask, answered: one explainer of one detector, by arrays."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench.detector import Detector
from aexbench.features import Features
from aexbench.rows import Array, moments
from aexbench.running.cascade import permuted_from_the_end
from aexbench.running.controls import twin_seed

if TYPE_CHECKING:
    from aexbench.running.cells import Cell


class Asking:
    """A cell's explainer on a detector; see `aexbench.probes.Asked`."""

    def __init__(self, cell: Cell, detector: Detector, background: Any, x: Array) -> None:
        self.cell, self.detector, self.background, self.x = cell, detector, background, x
        self.features: Features = detector.features
        self.seed: int = cell.explainer_seed
        self._by_its_loss = detector.with_loss(cell.explainer.parameters.get("loss"))
        self._explainer = cell.made(detector, background)

    @cached_property
    def attributions(self) -> NDArray[Any]:
        """What the explainer says of x, summed over feature groups."""
        return self.explain(self.x)

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        """The mean training row."""
        return moments(self.background)[0]

    def explain(self, x: Array) -> NDArray[Any]:
        """Return what the explainer says of samples, summed over feature groups."""
        return self._summed(self._explainer, x)

    def explain_randomised(self, share: float) -> NDArray[Any]:
        """Return what it says of x on the detector with that share of its last layers permuted."""
        seed = twin_seed(self.cell.detector_seed, self.cell.explainer_seed)
        other = permuted_from_the_end(self.detector, share, seed, self._tensor(self.x[:1]))
        return self._summed(self.cell.made(other, self.background), self.x)

    def error(self, x: Array) -> NDArray[np.float64]:
        """Return e(x, x̂) by the explainer's loss."""
        return np.asarray(self._by_its_loss.error(self._tensor(x)).double().cpu().numpy())

    def reconstruct(self, x: Array) -> NDArray[Any]:
        """Return x̂."""
        return np.asarray(self.detector.reconstruct(self._tensor(x)).cpu().numpy())

    def _summed(self, explainer: Any, x: Array) -> NDArray[Any]:
        found = explainer.explain(self._tensor(x)).cpu().numpy()
        return np.asarray(self.features.sum_groups(found))

    def _tensor(self, x: Array) -> torch.Tensor:
        return torch.as_tensor(np.asarray(x)).to(self.detector.device, self.detector.dtype)


def outcome(cell: Cell, detector: Detector, background: Any, x: Array) -> NDArray[Any]:
    """Return what a cell's probe brings of samples x (N, …): an array (N, …).

    Raises
    ------
    ValueError
        If it is not finite, or not of one entry a sample.
    """
    assert cell.probe is not None
    ask = partial(cell.probe.make().probe, Asking(cell, detector, background, x))
    found = np.asarray(ask())
    if found.shape[:1] != (len(x),) or found.dtype.kind not in "biuf":
        raise ValueError(
            f"{cell.probe.text} brings {found.dtype} {found.shape}, not numbers of {len(x)} samples"
        )
    if not np.isfinite(found).all():
        raise ValueError(f"{cell.probe.text} brings numbers that are not finite")
    return found
