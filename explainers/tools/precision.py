"""Enough digits: float64 for methods that follow a path (rounding differs with the batch, and a
path leads far from where it turns), float32 at least for what is counted or compared.
"""

from __future__ import annotations

import torch

from aexbench.detector import Detector, is_out_of_memory
from aexbench.errors import RequestError, SkipError
from aexbench.models import copied


def doubled(detector: Detector, shape: tuple[int, ...]) -> Detector:
    """Return the detector with a copy of its model in float64, for samples of this shape; its
    weights take no gradient.

    Raises
    ------
    SkipError
        If the model cannot be copied, or if its copy does not run in float64.

    Examples
    --------
    >>> detector = Detector(torch.nn.Linear(3, 3))
    >>> doubled(detector, (3,)).dtype, detector.dtype
    (torch.float64, torch.float32)
    """
    try:
        with torch.inference_mode(False):
            model = copied(detector.model).double().eval().requires_grad_(False)
        made = detector.with_model(model)
        made.reconstruct(torch.zeros(1, *shape, dtype=torch.float64, device=detector.device))
    except RequestError:  # samples of another shape than the model takes
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise SkipError(f"the model has no copy in float64 ({reason})") from error
    return made


def precise(detector: Detector, shape: tuple[int, ...]) -> Detector:
    """Return the detector in float64, or itself where that is its type already or its model
    refuses.
    """
    if detector.dtype == torch.float64:
        return detector
    try:
        return doubled(detector, shape)
    except SkipError:
        return detector


def at_least_float32(values: torch.Tensor) -> torch.Tensor:
    """Return values in float32 at least: half precision rounds counts (bfloat16 stops at 256 when
    it counts one by one) and cannot be searched.

    >>> at_least_float32(torch.zeros(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))
