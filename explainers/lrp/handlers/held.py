"""What takes no relevance: shapes and types, and what is detached."""

from __future__ import annotations

from aexbench.explainers.lrp.handlers.calls import Call, Handler
from aexbench.explainers.lrp.operations import Operation

_SIZES = ("size", "dim", "numel", "ndimension", "getattr", "__len__", "len")
_MADE_LIKE = (
    "new_ones",
    "new_zeros",
    "new_full",
    "new_tensor",
    "ones_like",
    "zeros_like",
    "full_like",
)


def size(call: Call) -> Operation:
    """Append what asks for a shape, a type or a device: no value of the input is in it."""
    if call.name == "getattr" and call.args[1] not in ("shape", "ndim", "device", "dtype"):
        raise call.refused(f"attribute {call.args[1]!r}")
    return call.whole("held", ())


def held(call: Call) -> Operation:
    """Append what counts as a constant of its sample: it takes no relevance."""
    return call.whole("held", ())


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys((*_SIZES, *_MADE_LIKE), size),
    "detach": held,
}
