"""A function x -> x̂ on arrays as a module: it can be asked, and not looked into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from aexbench.errors import RequestError


class Opaque(torch.nn.Module):
    """Calls a function with an array (N, …); what it returns has no gradient.

    A function that returns a tuple or a mapping of arrays is picked from as a torch module's
    result is.

    >>> Opaque(lambda x: x / 2)(torch.ones(1, 2))
    tensor([[0.5000, 0.5000]])
    """

    opaque = True  # what `Detector.opaque` looks for

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        """Return what the function makes of x (N, …), as tensors of x's type on its device."""
        with torch.no_grad():
            return _tensors(self.function(x.detach().cpu().numpy()), x)


def _tensors(found: object, like: torch.Tensor) -> Any:
    """Return arrays as tensors, in a copy: a function may use one array for all its results."""
    if isinstance(found, Mapping):
        return {name: _tensors(part, like) for name, part in found.items()}
    if isinstance(found, tuple):
        return tuple(_tensors(part, like) for part in found)
    tensor = isinstance(found, torch.Tensor)
    array = found.detach().cpu().numpy() if tensor else np.asarray(found)  # type: ignore[attr-defined]
    if array.dtype.kind not in "biuf":
        shape = ", ".join(["N", *map(str, like.shape[1:])])
        raise RequestError(
            f"a function that reconstructs takes an array ({shape}) and returns x̂ of that shape; "
            f"this one returned a {type(found).__name__}"
        )
    return torch.tensor(array).to(like)
