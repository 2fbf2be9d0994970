"""What acts element by element, and normalisations: relevance passes as it is."""

from __future__ import annotations

from types import BuiltinFunctionType

import torch

from aexbench import SkipError
from aexbench.explainers.lrp.handlers.calls import Call, Handler, direct, undestructive
from aexbench.explainers.lrp.operations import Operation, flat

NOT_NEGATIVE = (
    *("relu6", "sigmoid", "sigmoid_", "softplus", "hardsigmoid", "expit"),
    *("softmax", "_softmax", "softmin", "abs", "exp", "square", "sqrt"),
)
_ACTIVATIONS = (
    *(
        "identity",
        "relu6",
        "leaky_relu",
        "leaky_relu_",
        "prelu",
        "rrelu",
        "elu",
        "elu_",
        "celu",
        "selu",
        "gelu",
    ),
    *(
        "silu",
        "mish",
        "sigmoid",
        "sigmoid_",
        "tanh",
        "tanh_",
        "softplus",
        "hardsigmoid",
        "hardswish",
        "logsigmoid",
    ),
    *("softsign", "clamp", "clamp_", "clip", "clamp_min", "clamp_max", "expit", "neg", "negative"),
    *(
        "softmax",
        "_softmax",
        "softmin",
        "abs",
        "threshold",
        "softshrink",
        "hardshrink",
        "tanhshrink",
    ),
    *("pow", "square", "sqrt", "exp", "log1p", "erf", "sin", "cos", "normalize"),
    *("log_sigmoid", "celu_", "selu_", "rrelu_", "neg_", "clip_", "clamp_min_", "clamp_max_"),
    *(
        "layer_norm",
        "rms_norm",
        "group_norm",
        "instance_norm",
        "contiguous",
        "clone",
        "float",
        "double",
    ),
)
_DROPOUTS = (
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
)
_KEEPS_VALUES = ("identity", "contiguous", "clone", "float", "double", *_DROPOUTS)


def relu(call: Call) -> Operation:
    """Append a ReLU, which may be floored where its readers are known."""
    compute = torch.relu if call.module is None else direct(call.module)
    return call.make(
        "pass",
        compute,
        args=(call.x,),
        inputs=(call.x,),
        not_negative=True,
        may_floor=compute is torch.relu,
    )


def activation(call: Call) -> Operation:
    """Append what acts element by element, or with statistics held constant: it hands on its
    relevance as it is.
    """
    x = call.x
    keeps = call.name in _KEEPS_VALUES
    not_negative = call.name in NOT_NEGATIVE or (keeps and x.not_negative)
    known = {"not_negative": not_negative, "from_input": keeps and x.from_input}
    larger = any(
        isinstance(leaf, Operation) for leaf in flat([call.args[1:], call.kwargs])
    )  # limits may be
    return call.whole("pass", (x,), undestructive(call), broadcasts=larger, **known)


def hardtanh(call: Call) -> Operation:
    """Append a Hardtanh, which may have no negative values."""
    return call.whole(
        "pass", (call.x,), undestructive(call), not_negative=call.setting("min_val", -1.0) >= 0
    )


def dropout(call: Call) -> Operation:
    """Append a dropout, which in evaluation does nothing."""
    if call.module is None and call.setting("training", True, "dropout"):
        raise SkipError(f"lrp: {call.place} behaves as in training: give it training=self.training")
    return activation(call)


def batch_norm(call: Call) -> Operation:
    """Append a BatchNorm, and let the weights of a layer that it alone follows have its factor: it
    may turn signs.
    """
    if isinstance(
        call.compute, BuiltinFunctionType
    ):  # torch.batch_norm takes its arguments in another order
        raise call.refused("torch.batch_norm (torch.nn.functional.batch_norm has one)")
    variance = call.setting("running_var", None)
    if variance is None or (call.module is None and call.setting("training", False)):
        raise SkipError(
            f"lrp: {call.place} uses the batch's statistics: give it its own, and "
            "training=self.training"
        )
    x, weight = call.x, call.setting("weight", None)
    deviation = (variance.detach() + call.setting("eps", 1e-5)).sqrt()
    factor = (torch.ones_like(deviation) if weight is None else weight.detach()) / deviation
    if x.own is not None and x.users == 1 and len(factor) == x.own.outputs:
        x.layer = x.own.scaled(factor)
    return call.whole("pass", (x,), from_input=x.from_input)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("relu", "relu_"), relu),
    **dict.fromkeys(_ACTIVATIONS, activation),
    **dict.fromkeys(("hardtanh", "hardtanh_"), hardtanh),
    **dict.fromkeys(_DROPOUTS, dropout),
    "batch_norm": batch_norm,
}
