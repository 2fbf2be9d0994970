"""A network in one line: its layers in the order in which its modules hold them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from aexbench.showing import shortened

if TYPE_CHECKING:
    import torch

MOST_LAYERS = 1000  # that are looked at
SIZES = (  # attributes of torch's layers that say what goes in and what comes out
    ("in_features", "out_features"),
    ("in_channels", "out_channels"),
    ("input_size", "hidden_size"),
)


def in_one_line(model: torch.nn.Module, width: int) -> str:
    """Return the layers of a network, in at most `width` columns.

    >>> import torch
    >>> in_one_line(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()), 60)
    'Linear 3-2 · ReLU'
    """
    found = list(islice(_layers(model, ()), MOST_LAYERS))
    parts = [_layer(module) for module in found]
    return shortened([*parts, *["…"] * (len(found) == MOST_LAYERS)], " · ", width)


def _layers(module: Any, above: tuple[Any, ...]) -> Iterator[Any]:
    """Yield the modules that hold no others, or that say their size; one that holds itself ends."""
    inside = [part for part in vars(module).get("_modules", {}).values() if part is not None]
    if not inside or _size(module):
        yield module
        return
    way = (*above, module)
    for part in inside:
        if all(part is not one for one in way):
            yield from _layers(part, way)


def _layer(module: Any) -> str:
    return " ".join(filter(None, (type(module).__name__, _size(module))))


def _size(module: Any) -> str:
    """Return what goes in and what comes out, of torch's layers; no code of the module runs."""
    for names in SIZES:
        values = [vars(module).get(name) for name in names]
        if all(isinstance(value, int) for value in values):
            return "-".join(map(str, values))
    return ""


def parameters(model: torch.nn.Module) -> int:
    """Return how many weights a network has."""
    return sum(parameter.numel() for parameter in model.parameters())
