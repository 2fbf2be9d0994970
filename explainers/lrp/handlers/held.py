"""What takes no relevance: shapes and types, and what counts as a constant of its sample."""

from __future__ import annotations

from aexbench.explainers.lrp.handlers.calls import Call, Handler
from aexbench.explainers.lrp.handlers.nodes import ASKED, HELD, MADE_LIKE, SIZES
from aexbench.explainers.lrp.operations import Operation


def size(call: Call) -> Operation:
    """Append what asks for a shape, a type or a device: no value of the input is in it."""
    if call.name == "getattr" and call.args[1] not in ASKED:
        raise call.refused(f"attribute {call.args[1]!r}")
    return call.whole("held", ())


def held(call: Call) -> Operation:
    """Append what counts as a constant of its sample."""
    return call.whole("held", ())


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys((*SIZES, *MADE_LIKE), size),
    **dict.fromkeys(HELD, held),
}
