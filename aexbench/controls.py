"""Controls of a detector: what an explainer scores without what the detector has learned (DESIGN,
decision 5).

Untrained twins are the same network at its initial weights, or with the elements of every trained
tensor permuted. The loss-ablated form keeps the weights and replaces the error map by a constant.
An explanation that scores no better than these does not come from the detector's knowledge.
"""

from __future__ import annotations

import copy

import torch

from aexbench.cells import Control
from aexbench.detector import Detector, LossAblated
from aexbench.errors import SkipError


def controlled(detector: Detector, control: Control, seed: int) -> Detector:
    """Return the control of a detector that an explainer is to be refitted on, or the detector
    itself for `none`.
    """
    if control == "none":
        return detector
    if control == "loss-ablated":
        return LossAblated(
            detector.model, detector.loss, detector.features, detector.scale, detector.report
        )
    model = copy.deepcopy(detector.model)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        _reset(model) if control == "initial" else _permute(model)
    return Detector(model, detector.loss, detector.features, detector.scale)


def _reset(module: torch.nn.Module, name: str = "model") -> None:
    """Put a module back to random initial weights by its own `reset_parameters`, or those of its
    parts.
    """
    if callable(reset := getattr(module, "reset_parameters", None)):
        reset()
        return
    if any(True for _ in module.parameters(recurse=False)):
        kind = type(module).__name__
        raise SkipError(
            f"no initial weights: {name} ({kind}) has parameters and no reset_parameters method"
        )
    for child_name, child in module.named_children():
        _reset(child, f"{name}.{child_name}")


def _permute(model: torch.nn.Module) -> None:
    """Shuffle the elements of everything that was trained, each tensor within itself; so too
    BatchNorm's statistics.
    """
    for tensor in (
        *model.parameters(),
        *(buffer for buffer in model.buffers() if buffer.is_floating_point()),
    ):
        order = torch.randperm(tensor.numel()).to(tensor.device)
        tensor.copy_(tensor.flatten()[order].reshape(tensor.shape))
