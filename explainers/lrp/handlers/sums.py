"""Sums and averages."""

from __future__ import annotations

from aexbench.explainers.lrp.handlers.calls import Call, Handler, undestructive
from aexbench.explainers.lrp.handlers.nodes import DIFFERENCES, SUMS
from aexbench.explainers.lrp.handlers.routes import route
from aexbench.explainers.lrp.operations import Operation

MODES = (
    "nearest",
    "nearest-exact",
    "linear",
    "bilinear",
    "trilinear",
    "area",
)  # no weight is negative
_AVERAGES = (
    "mean",
    "sum",
    *("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"),
    *("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "col2im"),
    *(f"{kind}avg_pool{d}d" for d in (1, 2, 3) for kind in ("", "adaptive_")),
)


def average(call: Call) -> Operation:
    """Append what has fixed weights that are never negative: it keeps the sign of
    what it averages.
    """
    x = call.x
    return call.whole("average", (x,), not_negative=x.not_negative, from_input=x.from_input)


def interpolate(call: Call) -> Operation:
    """Append an upsampling: nearest neighbours are copies, the other modes averages."""
    mode = call.setting("mode", "nearest", "interpolate")
    if mode == "bicubic":
        return by_signs(call)
    if mode not in MODES:
        raise call.refused(f"{mode} interpolation")
    if mode not in ("nearest", "nearest-exact"):
        return average(call)
    made = route(call)
    made.doubles = call.setting("scale_factor", None) in (2, (2, 2), [2, 2])
    return made


def by_signs(call: Call) -> Operation:
    """Append an upsampling of which some weights are negative."""
    return call.whole("bicubic", (call.x,), undestructive(call))


def add(call: Call) -> Operation:
    """Append an addition or a subtraction; a constant operand is a bias and takes nothing."""
    if call.kwargs.get("alpha", 1) != 1:
        raise call.refused(f"{call.name} with alpha")
    sign, carrying = -1.0 if "sub" in call.name else 1.0, call.carrying
    if len(carrying) == 1:
        near = carrying[0].from_input
        return call.whole(
            "pass", (carrying[0],), undestructive(call), broadcasts=True, from_input=near
        )
    not_negative = sign > 0 and all(operand.not_negative for operand in carrying)
    signs = (1.0, sign)
    return call.whole(
        "sum", tuple(carrying), undestructive(call), signs=signs, not_negative=not_negative
    )


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(_AVERAGES, average),
    **dict.fromkeys(("interpolate", "upsample"), interpolate),
    **dict.fromkeys((*SUMS, *DIFFERENCES), add),
    "upsample_bicubic2d": by_signs,
}
