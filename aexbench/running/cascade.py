"""A detector with its last layers permuted: one step of a cascade (Adebayo et al. 2018).

Layers are the modules that hold trained tensors themselves, in the order in which a forward pass
calls them; modules that it does not call come first, and are reached last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from aexbench.errors import SkipError
from aexbench.models import copied
from aexbench.running.controls import OPAQUE, permute, trained
from aexbench.state import seeded

if TYPE_CHECKING:
    from aexbench.detector import Detector


def permuted_from_the_end(detector: Detector, share: float, seed: int, x: torch.Tensor) -> Detector:
    """Return the detector with the elements of the trained tensors in a share of its layers
    permuted, from the output on, one layer at least; with one seed a greater share changes the same
    layers in the same way, and more.

    Parameters
    ----------
    share
        In (0, 1]; 1 is every layer.
    x : (1, …)
        A sample, to see the order of the layers.

    Raises
    ------
    SkipError
        If nothing is known of the inside of the model, or nothing in it is trained.
    """
    if detector.opaque:
        raise SkipError(OPAQUE)
    with torch.inference_mode(False), torch.no_grad():
        model = copied(detector.model)
        changed = detector.with_model(model)
        order = layers(changed, x)
        if not order:
            raise SkipError("the model has no trained tensors that could be permuted")
        with seeded(seed, detector.device):
            for layer in order[::-1][: math.ceil(share * len(order))]:
                permute(trained(layer, recurse=False))
    return changed


def layers(detector: Detector, x: torch.Tensor) -> list[torch.nn.Module]:
    """Return the modules of a detector that hold trained tensors, in the order of their calls."""
    holding = [m for m in detector.model.modules() if list(trained(m, recurse=False))]
    called: dict[torch.nn.Module, None] = {}
    hooks = [m.register_forward_pre_hook(lambda m, _: called.setdefault(m)) for m in holding]
    try:
        detector.reconstruct(x)
    finally:
        for hook in hooks:
            hook.remove()
    return [*(module for module in holding if module not in called), *called]
