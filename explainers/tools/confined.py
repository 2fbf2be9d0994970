"""Detectors that know regular values alone, such as a binary cross-entropy or a model that asserts
its range: methods that must ask about other values skip them, and say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from aexbench.detector import Detector, is_out_of_memory
from aexbench.errors import SkipError
from aexbench.explainers.tools.units import Units

BEYOND = 0.01  # of the range: so far outside of it a detector is asked
WAY_OUT = "use integrated-gradients, gradient-shap, repair or kernelshap"


@contextmanager
def leaving_the_range(name: str, detector: Detector, x: torch.Tensor) -> Iterator[None]:
    """Turn what fails where a detector knows regular values alone into a SkipError.

    It is asked only when something has failed, about samples x (N, …) within the range and outside.
    """
    try:
        yield
    except SkipError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or not _is_confined(detector, x[:1].detach()):
            raise
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise SkipError(
            f"{name} asks about values outside of the features' low and high, which the loss or "
            f"the model refuses ({reason}); {WAY_OUT}"
        ) from error


def _is_confined(detector: Detector, x: torch.Tensor) -> bool:
    """Whether a detector takes values within the range and refuses some outside."""
    low, span = Units.of(detector.features, tuple(x.shape[1:])).tensors(x)
    within = torch.minimum(torch.maximum(x, low), low + span)
    outside = (low - BEYOND * span, low + (1 + BEYOND) * span)
    return _answers(detector, within) and not all(
        _answers(detector, one.expand_as(x)) for one in outside
    )


def _answers(detector: Detector, x: torch.Tensor) -> bool:
    try:
        detector.error(x)
    except Exception:  # whatever the model's or the loss's own code raises
        return False
    return True
