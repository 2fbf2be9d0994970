"""The door to every explainer, function or class: what goes in is prepared, what comes out checked.

An explainer behind it is handed samples on the detector's device and of its type, detached, and at
least one. It must return finite floats of their shape and leave everything else as it was; what it
breaks is an error that says so. The attributions come back on the device of the samples that were
given, in float32 or better.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from aexbench.errors import RequestError

if TYPE_CHECKING:
    from aexbench.detector import Detector


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

    def __init__(self, explainer: Any, detector: Detector) -> None:
        self.__dict__.update(explainer=explainer, _detector=detector)

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
        own, before = samples.clone(), _state(self._detector)
        attributions = checked(self.explainer.explain(own), samples)
        if not torch.equal(own.nan_to_num(), samples.nan_to_num()):
            raise ValueError("the explainer changed the samples that it was given: copy them first")
        _complain(before, _state(self._detector), self._detector.noisy)
        return attributions.to(given.device)


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


def _state(detector: Detector) -> dict[str, Any]:
    """Return what a call may not change, by name; cheap enough for every call.

    A tensor is known by its place and its version, which every change counts but one through
    `.data`; that one is seen by `aexbench.conformance`.
    """
    modules = list(detector.model.modules())
    tensors = [t for m in modules for part in (m._parameters, m._buffers) for t in part.values()]
    hooks = [len(h) for m in modules for h in (m._forward_hooks, m._forward_pre_hooks)]
    _, words, *place = np.random.get_state()
    cuda = detector.device.type == "cuda"
    return {
        "the model's weights or buffers": [_version(t) for t in tensors if t is not None],
        "the model's training mode": [module.training for module in modules],
        "the hooks of the model": hooks,
        "the random state of torch": torch.random.get_rng_state(),
        "the random state of CUDA": torch.cuda.get_rng_state(detector.device) if cuda else None,
        "the random state of numpy": np.append(words, place),
        "the random state of random": random.getstate(),
        "torch's default type": torch.get_default_dtype(),
        "torch's number of threads": torch.get_num_threads(),
        "torch's gradient mode": torch.is_grad_enabled(),
    }


def _version(tensor: torch.Tensor) -> tuple[int, int]:
    version = 0 if tensor.is_inference() else tensor._version  # what inference mode made has none
    return tensor.data_ptr(), version


def _complain(before: Mapping[str, Any], after: Mapping[str, Any], noisy: bool) -> None:
    """Raise ValueError where something is not as it was; noise may be the model's own."""
    for name, value in before.items():
        if noisy and "random state" in name:
            continue
        same = (
            torch.equal(value, after[name])
            if isinstance(value, torch.Tensor)
            else np.array_equal(value, after[name])
            if isinstance(value, np.ndarray)
            else value == after[name]
        )
        if not same:
            way_out = ": use a generator of its own" if "random state" in name else ""
            raise ValueError(f"the explainer changes {name}{way_out}")
