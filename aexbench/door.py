"""The door to every explainer, function or class: what goes in is prepared, what comes out checked.

An explainer behind it is handed samples on the detector's device and of its type, detached, and at
least one. It must return finite floats of their shape and leave everything else as it was; what it
breaks is an error that says so. The attributions come back on the device of the samples that were
given, in float32 or better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from aexbench import soundness, state, summaries
from aexbench.errors import RequestError
from aexbench.waiting import waiting

if TYPE_CHECKING:
    from aexbench.detector import Detector
    from aexbench.registry import Called


@dataclass(frozen=True)
class FunctionExplainer:
    """A registered function `(detector, x, **parameters) -> attributions` as an explainer."""

    function: Callable[..., Any]
    detector: Any
    parameters: Mapping[str, Any]

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the function's attributions for x."""
        found: torch.Tensor = self.function(self.detector, x, **self.parameters)
        return found


class Door:
    """An explainer whose every call is checked; its other attributes are reached through it.

    Parameters
    ----------
    explainer
        Has `explain(x)`.
    detector
        What it explains: gives the samples' device and type, and must stay as it is.
    called
        How it shows itself.

    Examples
    --------
    >>> from aexbench.detector import Detector
    >>> detector = Detector(torch.nn.Linear(2, 2))
    >>> summed = FunctionExplainer(lambda detector, x: x.sum(), detector, {})
    >>> Door(summed, detector).explain([[1, 2]])
    Traceback (most recent call last):
    ValueError: attributions have shape (), the samples (1, 2)
    """

    explainer: Any
    _detector: Detector
    _called: Called | None

    def __init__(self, explainer: Any, detector: Detector, called: Called | None = None) -> None:
        self.__dict__.update(explainer=explainer, _detector=detector, _called=called)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.explainer, name, value)

    def __getattr__(self, name: str) -> Any:
        if name == "explainer" or name.startswith("__"):  # a copy asks before it is filled
            raise AttributeError(name)
        return getattr(self.explainer, name)

    def explain(self, x: torch.Tensor | ArrayLike) -> torch.Tensor:
        """Return finite attributions (N, …) for samples (N, …), on their device.

        Raises
        ------
        RequestError
            If x is not (N, …).
        TypeError, ValueError
            If the explainer breaks its contract: the message says how.
        """
        given = x if isinstance(x, torch.Tensor) else torch.as_tensor(np.asarray(x))
        if given.dim() < 2:
            raise RequestError(f"samples have shape (N, …); got {tuple(given.shape)}")
        samples = given.detach().to(self._detector.device, self._detector.dtype)
        if len(samples) == 0:
            return _floats(torch.zeros_like(samples)).to(given.device)
        own, before = samples.clone(), state.marks(self._detector)
        attributions = checked(self._explained(own), samples)
        if not torch.equal(own.nan_to_num(), samples.nan_to_num()):
            raise ValueError("the explainer changed the samples that it was given: copy them first")
        _complain(self._broken(before, samples))
        return attributions.to(given.device)

    def _explained(self, samples: torch.Tensor) -> object:
        if len(samples) == 1:  # as often as a service asks: a bar has its price
            return self.explainer.explain(samples)
        with waiting(lambda: f"explaining {len(samples):,} samples by {self!r}"):
            return self.explainer.explain(samples)

    def _broken(self, before: dict[state.Key, Any], samples: torch.Tensor) -> set[state.Key]:
        """Return what a call has changed, and the model itself, when it is called, does not."""
        changed = state.changed(before, state.marks(self._detector)) - self._detector.own
        if changed:  # it may have become another model since it was looked at
            with torch.no_grad():
                soundness.watched(self._detector, samples[:2])
        return changed - self._detector.own

    def __repr__(self) -> str:
        if self._called is None:
            return f"Door({type(self.explainer).__name__})"
        return summaries.in_one_line(self._called)

    def _repr_html_(self) -> str | None:
        if self._called is None:
            return None
        return summaries.of_component(self._called, self.explainer).html()


def checked(attributions: object, samples: torch.Tensor) -> torch.Tensor:
    """Return attributions as finite floats of the samples' shape, without a graph, or raise."""
    if not isinstance(attributions, torch.Tensor):
        raise TypeError(f"an explainer returns a torch tensor, not a {type(attributions).__name__}")
    if attributions.shape != samples.shape:
        shapes = f"{tuple(attributions.shape)}, the samples {tuple(samples.shape)}"
        raise ValueError(f"attributions have shape {shapes}")
    if not attributions.is_floating_point():
        raise TypeError(f"attributions are {attributions.dtype}, not floats")
    if not bool(torch.isfinite(attributions).all()):
        raise ValueError("attributions are not finite")
    return _floats(attributions.detach())


def _floats(attributions: torch.Tensor) -> torch.Tensor:
    return attributions.to(torch.promote_types(attributions.dtype, torch.float32))


def _complain(changed: set[state.Key]) -> None:
    """Raise ValueError where something is not as it was."""
    for name, _ in sorted(changed):
        way_out = ": use a generator of its own" if "random state" in name else ""
        raise ValueError(f"the explainer changes {name}{way_out}")
