"""Controls of a detector: what an explainer scores without what the detector has learned.

Untrained twins are the same network at its initial weights, or with the elements of every trained
tensor permuted. The loss-ablated form keeps the weights and replaces the error map by a constant.
An explanation that scores no better than these does not come from the detector's knowledge (DESIGN,
decision 5). All of them keep the detector's class, loss and report.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from aexbench.errors import SkipError

if TYPE_CHECKING:
    import torch

    from aexbench.detector import Detector
    from aexbench.rows import Array

Control = Literal["none", "initial", "permuted", "loss-ablated"]
ABLATED: Control = "loss-ablated"
OPAQUE = (
    "the model is a function, in which nothing can be drawn anew; Detector.of(…, fresh=function) "
    "makes one that is untrained"
)
LOOKED_AT = 8  # samples by which a twin is told from the trained network
TWINS: tuple[Control, ...] = ("initial", "permuted")


def controlled(detector: Detector, control: Control, seed: int) -> Detector:
    """Return the control of a detector that an explainer is to be refitted on, or the detector
    itself for `none`.

    Raises
    ------
    SkipError
        If there is no such control.
    """
    if control == "none":
        return detector
    return loss_ablated(detector) if control == ABLATED else _twin(detector, control, seed)


def check_untrained(detector: Detector, twin: Detector, x: Array) -> None:
    """Raise SkipError if a twin reconstructs samples x (N, …) as the trained network does."""
    one, other = detector.reconstruct(x[:LOOKED_AT]), twin.reconstruct(x[:LOOKED_AT])
    if bool((one == other).all()):
        raise SkipError(
            "an untrained twin reconstructs as the trained network does: what was trained are no "
            "parameters of torch, or do not matter; give Detector(..., fresh=function) that makes "
            "the model untrained"
        )


def twin_seed(detector_seed: int, control_seed: int) -> int:
    """Return the seed of a twin: another one for each seed of the detector, or the twins of all
    would be one sample.
    """
    seeds = np.random.SeedSequence([detector_seed, control_seed])
    return int(seeds.generate_state(1, np.uint64)[0] >> 1)  # torch takes signed ones


def loss_ablated(detector: Detector) -> Detector:
    """Return the detector with the error map 1/m: what is left of a method that ignores the error.

    Raises
    ------
    SkipError
        If the detector's class measures the error in a way of its own, past `error_share`.

    Examples
    --------
    >>> import torch, aexbench
    >>> loss_ablated(aexbench.Detector(torch.nn.Identity())).error_map(torch.ones(1, 4))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    kind: type[Detector] = type(detector)
    own = [name for name in ("error", "error_map") if getattr(kind, name) is not _plain(name)]
    if own:
        raise SkipError(
            f"{kind.__name__} has its own {own[0]}, which cannot be ablated: write its loss as "
            "error_share(x, x_hat), the share of each column"
        )

    class LossAblated(kind):  # type: ignore[misc,valid-type]  # of the detector's own class
        def error_share(self, x: torch.Tensor, x_hat: torch.Tensor) -> torch.Tensor:
            # written over x − x̂, it stays on the graph: its gradient is zero, not missing
            return (x - x_hat).fill_(1.0 / x.shape[1:].numel())

    ablated = copy.copy(detector)
    ablated.__class__ = LossAblated
    return ablated


def _plain(name: str) -> object:
    from aexbench.detector import Detector

    return getattr(Detector, name)


def _twin(detector: Detector, control: Control, seed: int) -> Detector:
    """Return the detector around an untrained model."""
    import torch

    from aexbench.models import copied
    from aexbench.running import untrained
    from aexbench.state import seeded

    with torch.inference_mode(False), torch.no_grad(), seeded(seed, detector.device):
        if control == "initial" and detector.fresh is not None:
            return untrained.initial(detector)
        if detector.opaque:
            raise SkipError(OPAQUE)
        if control == "initial":
            return untrained.initial(detector)
        model = copied(detector.model)
        permute(trained(model))
    return detector.with_model(model)


def trained(module: torch.nn.Module, recurse: bool = True) -> Iterator[torch.Tensor]:
    """Yield what was trained in a module, with its parts or without: parameters, and BatchNorm's
    statistics. Buffers that are not saved with the weights are constants.
    """
    from aexbench.running import untrained

    yield from module.parameters(recurse)
    yield from (b for b in untrained.saved_buffers(module, recurse) if b.is_floating_point())


def permute(tensors: Iterable[torch.Tensor]) -> None:
    """Shuffle the elements of tensors, each within itself, by torch's random state."""
    import torch

    for tensor in tensors:
        order = torch.randperm(tensor.numel()).to(tensor.device)
        tensor.copy_(tensor.flatten()[order].reshape(tensor.shape))
