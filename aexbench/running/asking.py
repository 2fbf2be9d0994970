"""What probes ask, answered: one explainer of one detector, by arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench import probes
from aexbench.detector import Detector
from aexbench.features import Features
from aexbench.rows import Array, moments, sample
from aexbench.running.cascade import permuted_from_the_end
from aexbench.running.controls import twin_seed

if TYPE_CHECKING:
    from aexbench.running.cells import Cell


MOST_ROWS = 65_536  # training rows that a probe is shown


class Asking:
    """An explainer of a detector and the samples x (N, …) that it explains; see
    `aexbench.probes.Asked`.

    Parameters
    ----------
    make
        Makes the explainer for the detector, or for another one.
    background : (B, …)
        Training rows.
    loss
        By which the error is measured; the detector's own where it is left out.
    seed, twin
        Of what a probe draws, and of permutations.
    """

    def __init__(
        self,
        make: Callable[[Detector], Any],
        detector: Detector,
        x: Array,
        background: Any,
        *,
        loss: str | None = None,
        seed: int = 0,
        twin: int = 0,
    ) -> None:
        self.make, self.detector, self.background = make, detector, background
        self.x = np.asarray(x).view()
        self.x.flags.writeable = False  # others explain the same samples
        self.features: Features = detector.features
        self.seed, self.twin = seed, twin
        self._by_its_loss = detector.with_loss(loss)
        self._explainer = make(detector)

    @cached_property
    def attributions(self) -> NDArray[Any]:
        """What the explainer says of x, summed over feature groups."""
        return self.explain(self.x)

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        """The mean training row."""
        return moments(self.background)[0]

    @cached_property
    def training(self) -> Array:
        """Training rows, a sample of many."""
        return sample(self.background, MOST_ROWS)

    def explain(self, x: Array) -> NDArray[Any]:
        """Return what the explainer says of samples, summed over feature groups."""
        return self._summed(self._explainer, x)

    def explain_randomised(self, share: float) -> NDArray[Any]:
        """Return what it says of x on the detector with that share of its last layers permuted."""
        sample = self._tensor(self.x[:1])
        other = permuted_from_the_end(self.detector, share, self.twin, sample)
        return self._summed(self.make(other), self.x)

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
        return torch.as_tensor(np.array(x)).to(self.detector.device, self.detector.dtype)


def outcome(cell: Cell, detector: Detector, background: Any, x: Array) -> NDArray[Any]:
    """Return what a cell's probe brings of samples x (N, …): an array (N, …).

    Raises
    ------
    ValueError
        If it is not finite, or not of one entry a sample.
    """
    assert cell.probe is not None
    asked = Asking(
        lambda other: cell.made(other, background),
        detector,
        x,
        background,
        loss=cell.explainer.parameters.get("loss"),
        seed=cell.explainer_seed,
        twin=twin_seed(cell.detector_seed, cell.explainer_seed),
    )
    found = np.asarray(cell.probe.make().probe(asked))
    if problem := probes.wrong(found, len(x)):
        raise ValueError(f"{cell.probe.text} {problem}")
    return found
