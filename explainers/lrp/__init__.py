"""LRP for autoencoders: the paper's method. `rules.py` holds the equations, this file composes them."""

from __future__ import annotations

from typing import Literal

import torch

from aexbench import Detector, SkipError
from aexbench.detector import evaluation_mode
from aexbench.explainers import register
from aexbench.explainers.lrp.rules import LinearRule, SquaredWeights, ZBox, ZPlus

PASSED_ON = (torch.nn.ReLU, torch.nn.Sigmoid, torch.nn.Tanh, torch.nn.Identity, torch.nn.Dropout)
NOT_NEGATIVE = (torch.nn.ReLU, torch.nn.Sigmoid)


@register("lrp")
class LRP:
    """Layer-wise relevance propagation of the reconstruction error, from x̂ back to the input.

    The output layer's relevance is the error map, |x − x̂|/m or (x − x̂)²/m with x held constant (Eq. 13, 14). Each
    linear layer hands it on by its rule, activations pass it through unchanged, and biases take none, so that the
    attributions of a sample sum to its error e(x, x̂).

    Parameters
    ----------
    detector
        Its model is a stack (`torch.nn.Sequential`) of Linear, ReLU, Sigmoid and Tanh.
    loss
        The detector's own where it is left out.
    first
        The rule of the first layer: `w2` (the paper's for tables), `z-box` (for images), `z-plus`.
    rule
        The rule of all other layers.
    low, high
        The box of `z-box`; the Features' bounds where left out. A sample outside widens its own box.

    Raises
    ------
    SkipError
        If the model has a module without a rule.

    References
    ----------
    "Unlocking Layer-wise Relevance Propagation for Autoencoders", Sec. 3.4 and Eq. (13), (14); rules: Montavon et al.,
    "Explaining nonlinear classification decisions with deep Taylor decomposition", 2017.

    Examples
    --------
    >>> import torch, aexbench
    >>> from aexbench import explainers
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU(), torch.nn.Linear(2, 4), torch.nn.Sigmoid())
    >>> detector = aexbench.Detector(model)
    >>> x = torch.rand(3, 4)
    >>> relevance = explainers.create("lrp", detector, first="z-box").explain(x)
    >>> bool(torch.allclose(relevance.sum(1), detector.error(x)))
    True
    """

    def __init__(
        self,
        detector: Detector,
        *,
        loss: Literal["l1", "l2"] | None = None,
        first: Literal["w2", "z-box", "z-plus"] = "w2",
        rule: Literal["z-plus", "w2"] = "z-plus",
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        self.detector = detector.with_loss(loss)
        self.low, self.high = low, high
        self.modules = list(_stack(detector.model))
        self.linear = {i: module for i, module in enumerate(self.modules) if isinstance(module, torch.nn.Linear)}
        if not self.linear:
            raise SkipError("lrp has nothing to propagate through: the model has no Linear layer")
        self.rules = {i: self._rule(i, first if i == min(self.linear) else rule) for i in self.linear}

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the relevance (N, M) of each column; sums to e(x, x̂) per sample."""
        with torch.no_grad(), evaluation_mode(self.detector.model.modules()):
            inputs = [x.to(self.detector.device, self.detector.dtype)]
            for module in self.modules:
                inputs.append(module(inputs[-1]))
            relevance = self.detector.error_share(inputs[0], inputs[-1])
            for i in reversed(self.rules):
                relevance = self.rules[i].propagate(inputs[i], relevance)
            return relevance.to(x.device)

    def _rule(self, i: int, name: str) -> LinearRule:
        weight = self.linear[i].weight.detach()
        if name == "w2":
            return SquaredWeights(weight)
        if name == "z-plus":
            return ZPlus(weight, signed=not self._input_not_negative(i))
        low, high = self.detector.features.bounds((weight.shape[1],))
        bounds = [torch.as_tensor(b.copy() if own is None else own) for b, own in ((low, self.low), (high, self.high))]
        return ZBox(weight, *(b.to(weight).expand(weight.shape[1]) for b in bounds))

    def _input_not_negative(self, i: int) -> bool:
        """Whether what enters module i has passed ReLU or Sigmoid, unchanged since."""
        before = [m for m in self.modules[:i] if not isinstance(m, torch.nn.Identity | torch.nn.Dropout)]
        return bool(before) and isinstance(before[-1], NOT_NEGATIVE)


def _stack(module: torch.nn.Module, name: str = "model") -> list[torch.nn.Module]:
    """Return the modules of nested Sequentials in their order, or say which one has no rule."""
    if isinstance(module, torch.nn.Sequential):
        return [m for child_name, child in module.named_children() for m in _stack(child, f"{name}.{child_name}")]
    if isinstance(module, (*PASSED_ON, torch.nn.Linear)):
        return [module]
    kinds = "Linear, ReLU, Sigmoid, Tanh, Dropout and Identity"
    raise SkipError(f"lrp has no rule for {type(module).__name__} at {name}: it explains a Sequential of {kinds}")
