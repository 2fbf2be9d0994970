"""Layer-wise relevance propagation through a whole autoencoder, with autograd as the postman.

Slow and obvious: every function that the model calls on something that depends on its input is
replaced by one whose backward hands on relevance instead of gradients. `torch.autograd.grad` then
carries the relevance along any graph.

Three notes are pinned to tensors on the way: `box` (low, high) on the input and its rearrangements,
`exists` (zero where an element is padding or another constant, which takes no relevance), and
`origin` on what a weighted function returned.
"""

import copy
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map

Share = Callable[[Tensor], tuple[Tensor, ...]]
Part = tuple[Callable[[Tensor], Tensor], Tensor]

WEIGHTED = {
    "linear",
    *(f"conv{n}d" for n in (1, 2, 3)),
    *(f"conv_transpose{n}d" for n in (1, 2, 3)),
}
PRODUCTS = {"matmul", "rmatmul", "mm", "bmm", "mv"}
# fmt: off
UNCHANGED = {
    "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish",
    "sigmoid", "logsigmoid", "hardsigmoid", "hardswish", "tanh", "hardtanh", "clamp", "softplus",
    "softsign", "layer_norm", "group_norm", "instance_norm", "rms_norm", "neg", "negative",
}
# fmt: on
SUMS = {"add": 1, "radd": 1, "iadd": 1, "sub": -1, "isub": -1, "subtract": -1, "rsub": -1}
FACTORS = {"mul", "rmul", "imul", "multiply", "div", "truediv", "itruediv", "divide", "true_divide"}
AVERAGES = {
    "mean",
    "sum",
    *(f"{kind}avg_pool{n}d" for kind in ("", "adaptive_") for n in (1, 2, 3)),
}
# fmt: off
REARRANGED = {
    "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "ravel", "permute",
    "transpose", "swapaxes", "movedim", "moveaxis", "t", "T", "mT", "squeeze", "unsqueeze",
    "contiguous", "clone", "pad", "getitem", "narrow", "select", "unbind", "chunk", "split",
    "tensor_split", "cat", "concat", "concatenate", "stack", "flip", "roll", "pixel_shuffle",
    "pixel_unshuffle", "to", "double", "float", "dropout", "dropout1d", "dropout2d",
    "dropout3d", "alpha_dropout",
}
# fmt: on
REPEATED = {"expand", "expand_as", "repeat", "repeat_interleave", "tile", "broadcast_to"} | {
    f"{name}{n}d{tail}"
    for n in (1, 2, 3)
    for name, tail in (
        ("max_pool", ""),
        ("adaptive_max_pool", ""),
        ("max_pool", "_with_indices"),
        ("max_unpool", ""),
    )
}


def explain(
    model: nn.Module,
    x: Tensor,
    *,
    loss: str = "l2",
    first: str = "z-box",
    rule: str = "z-plus",
    low: float | Tensor = 0.0,
    high: float | Tensor = 1.0,
) -> Tensor:
    """Relevance, shaped like the batch x, of every feature for the reconstruction error of its
    sample.
    """
    model = copy.deepcopy(model).to(x.dtype).eval().requires_grad_(False)
    x = x.detach().clone()
    box = (
        torch.minimum(torch.as_tensor(low).to(x), x),
        torch.maximum(torch.as_tensor(high).to(x), x),
    )
    start = x.clone().requires_grad_(True)
    pin(start, box=box)
    with Tape(first, rule):
        x_hat = first_tensor(model(start)).reshape(x.shape)
    with torch.no_grad():
        if not torch.allclose(x_hat, first_tensor(model(x.clone())).reshape(x.shape)):
            raise RuntimeError(
                "the tape computed another reconstruction than the model (in-place change, or "
                "noise?)"
            )
    return torch.autograd.grad(x_hat, start, output_relevance(x, x_hat.detach(), loss))[0]


def output_relevance(x: Tensor, x_hat: Tensor, loss: str) -> Tensor:
    """Relevance of the output layer, (x - x_hat)^2 / m or |x - x_hat| / m with m features per
    sample.
    """
    errors = {"l2": (x - x_hat) ** 2, "l1": (x - x_hat).abs()}
    return errors[loss] / x[0].numel()


def first_tensor(output: Any) -> Tensor:
    """The output itself, or the first of several."""
    return output if isinstance(output, Tensor) else tree_leaves(output)[0]


class Relay(torch.autograd.Function):
    """A value already computed, whose backward is a function from its relevance to that of its
    inputs.
    """

    @staticmethod
    def forward(ctx: Any, share: Share, value: Tensor, *inputs: Tensor) -> Tensor:
        ctx.share = share
        return value.clone()

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *ctx.share(relevance)


def relay(share: Share, value: Tensor, *inputs: Tensor) -> Tensor:
    """The value, as a tensor that hands its relevance on to the inputs."""
    result: Tensor = Relay.apply(share, value, *inputs)  # type: ignore[no-untyped-call]
    return result


@dataclass
class Origin:
    """A weighted function's output: how often it is used, and the scale (channels,) of a batch norm
    that follows.
    """

    uses: int = 0
    scale: Tensor | None = None


class Tape(TorchFunctionMode):
    """Replaces the functions of a model by ones whose backward carries relevance."""

    def __init__(self, first: str, rule: str) -> None:
        super().__init__()
        self.first, self.rule = first, rule

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if depends(leaf)]
        if not inputs:
            return func(*args, **kwargs)
        result = self.replaced(name_of(func), func, args, kwargs, inputs)
        if any(depends(leaf) for leaf in tree_leaves(result)):
            for tensor in inputs:
                if hasattr(tensor, "origin"):
                    tensor.origin.uses += 1
        return result

    def replaced(self, name: str, func: Any, args: Any, kwargs: Any, inputs: list[Tensor]) -> Any:
        """The function's result, wired by what the function is."""
        if name in WEIGHTED:
            return self.weighted(name, func, args, kwargs)
        if name in PRODUCTS and len(inputs) == 1:
            return self.product(func, args)
        if name == "batch_norm":
            return batch_norm(func, args, kwargs, inputs[0])
        if name in UNCHANGED or (
            (name in SUMS or name in FACTORS) and len(inputs) == 1 and depends(args[0])
        ):
            return unchanged(func, args, kwargs, inputs[0])
        if (
            name in {"add", "sub", "subtract", "mul", "multiply"} and len(inputs) == 1
        ):  # constant first
            return unchanged(func, args, kwargs, inputs[0])
        if name in SUMS:
            return summed(name, func, args, kwargs)
        if name in AVERAGES:
            return averaged(func, args, kwargs)
        if name in {"interpolate", "upsample"}:
            mode = (
                inspect.signature(F.interpolate)
                .bind(*args, **kwargs)
                .arguments.get("mode", "nearest")
            )
            if mode in {"linear", "bilinear", "trilinear", "area"}:
                return averaged(func, args, kwargs)
            if mode in {"nearest", "nearest-exact"}:
                return routed(func, args, kwargs, inputs, keep_box=False)
        if name in REARRANGED or name in REPEATED:
            return routed(func, args, kwargs, inputs, keep_box=name in REARRANGED)
        return blocked(name, func, args, kwargs)

    def weighted(self, name: str, func: Any, args: Any, kwargs: Any) -> Tensor:
        """Linear and (transposed) convolution: shares by the rule; the bias takes nothing."""
        named = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs
        x, weight = named.pop("input"), named.pop("weight")
        bias = named.pop("bias", None)
        if depends(weight) or depends(bias):
            return as_tensor(blocked(name, func, args, kwargs))

        def bilinear(v: Tensor, w: Tensor) -> Tensor:
            return as_tensor(func(v, w, None, *args[3:], **named))

        def scaled(scale: Tensor) -> Tensor:
            if not name.startswith("conv_transpose"):
                return as_tensor(weight * scale.reshape(-1, *[1] * (weight.dim() - 1)))
            groups = (
                scale.numel() // weight.shape[1]
            )  # weight is (in, out / groups, ...), inputs group by group
            rows = scale.reshape(groups, 1, -1).expand(groups, weight.shape[0] // groups, -1)
            return as_tensor(weight * rows.reshape(*weight.shape[:2], *[1] * (weight.dim() - 2)))

        value = as_tensor(func(*plain(args), **plain(kwargs)))
        foldable = name != "linear" or value.dim() == 2
        return self.ruled(bilinear, x, weight, value, scaled if foldable else None)

    def product(self, func: Any, args: Any) -> Tensor:
        """Matrix product with a constant on either side."""
        left = depends(args[0])
        x, weight = args if left else args[::-1]

        def bilinear(v: Tensor, w: Tensor) -> Tensor:
            return as_tensor(func(v, w) if left else func(w, v))

        value = func(*plain(args))
        foldable = (
            left and func is not torch.Tensor.__rmatmul__ and value.dim() == 2 == weight.dim()
        )
        return self.ruled(
            bilinear, x, weight, value, (lambda scale: weight * scale) if foldable else None
        )

    def ruled(
        self,
        bilinear: Callable[[Tensor, Tensor], Tensor],
        x: Tensor,
        weight: Tensor,
        value: Tensor,
        scaled: Callable[[Tensor], Tensor] | None,
    ) -> Tensor:
        """The value of a weighted function, wired by the first layer's rule on the input and by the
        rule elsewhere.
        """
        origin = Origin()
        box = getattr(x, "box", None)
        exists, x_value = exists_of(x), x.detach()

        def share(relevance: Tensor) -> tuple[Tensor]:
            w = weight
            if scaled is not None and origin.scale is not None and origin.uses == 1:
                w = scaled(origin.scale)
            name = self.rule if box is None else self.first
            stages = [parts_of(name, bilinear, x_value, w, exists, box)]
            if name in ("z-plus", "z-box"):
                stages.append(
                    leading(bilinear, x_value - (0.0 if name == "z-plus" else box[0]), w, exists)
                )
            stages += [
                parts_of(fallback, bilinear, x_value, w, exists, box) for fallback in ("w2", "flat")
            ]
            return (handed(stages, relevance),)

        return pin(relay(share, value, x), origin=origin)


def parts_of(
    name: str,
    bilinear: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    w: Tensor,
    exists: Tensor,
    box: tuple[Tensor, Tensor] | None,
) -> list[Part]:
    """The contributions of a rule, as linear maps and what enters them; all are non-negative."""

    def by(matrix: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda v: bilinear(v, matrix)

    if name == "z-plus":
        x = x * exists
        return [(by(w.clamp(min=0)), x.clamp(min=0)), (by(w.clamp(max=0)), x.clamp(max=0))]
    if name == "z-box" and box is not None:
        return [(by(w.clamp(min=0)), x - box[0]), (by(w.clamp(max=0)), x - box[1])]
    if name == "w2":
        return [(by(w**2), exists)]
    if name == "flat":
        return [(by(torch.ones_like(w)), exists)]
    raise ValueError(f"no rule {name!r} here")


def leading(
    bilinear: Callable[[Tensor, Tensor], Tensor], x: Tensor, w: Tensor, exists: Tensor
) -> list[Part]:
    """What is left of max(x, d) (w+ + d w^2 / max|w|) where nothing else contributes, to first
    order in a small d.
    """
    largest, active = w.abs().max(), x.clamp(min=0) * exists
    idle = (x <= 0) * exists
    return [
        (lambda v: bilinear(v, w**2 / largest), active),
        (lambda v: bilinear(v, w.clamp(min=0)), idle),
    ]


def handed(stages: Iterable[list[Part]], relevance: Tensor) -> Tensor:
    """Relevance of the input: stage by stage, each takes what the one before had no contribution
    for.
    """
    total = torch.zeros((), dtype=relevance.dtype)
    for parts in stages:
        z = torch.stack([function(v) for function, v in parts]).sum(0)
        s = torch.where(z > 0, relevance / torch.where(z > 0, z, 1.0), 0.0)
        total = total + torch.stack([v * vjp(function, v, s) for function, v in parts]).sum(0)
        relevance = torch.where(z > 0, 0.0, relevance)
    return total


def vjp(function: Callable[[Tensor], Tensor], v: Tensor, s: Tensor) -> Tensor:
    """The transposed linear function, applied to s."""
    with torch.enable_grad():
        v = v.detach().clone().requires_grad_(True)
        return torch.autograd.grad(function(v), v, s)[0]


def unchanged(func: Any, args: Any, kwargs: Any, x: Tensor) -> Tensor:
    """Activations, normalisations, constants added or multiplied: the relevance passes as it is."""
    value = func(*plain(args), **plain(kwargs))
    result = relay(lambda relevance: (relevance.sum_to_size(x.shape),), value, x)
    return pin(result, exists=exists_of(x).expand_as(value))


def batch_norm(func: Any, args: Any, kwargs: Any, x: Tensor) -> Tensor:
    """Passes the relevance as it is, and leaves its scale with the weighted function whose output
    it is applied to.
    """
    named = inspect.signature(F.batch_norm).bind(*args, **kwargs)
    named.apply_defaults()
    given = named.arguments
    if hasattr(x, "origin") and given["running_var"] is not None and not given["training"]:
        scale = 1 / torch.sqrt(given["running_var"] + given["eps"])
        x.origin.scale = scale if given["weight"] is None else scale * given["weight"]
    return unchanged(func, args, kwargs, x)


def summed(name: str, func: Any, args: Any, kwargs: Any) -> Tensor:
    """Sum or difference of two tensors: shares by the parts that have its sign; of a sum of zero
    by their sizes, equal ones where both are zero.
    """
    a, b = args[0], args[1] if len(args) > 1 else kwargs["other"]
    value = func(*plain(args), **plain(kwargs))
    factor = kwargs.get("alpha", 1)
    left, right = a.detach(), b.detach()
    if name == "rsub":
        left = -factor * left
    else:
        right = SUMS[name] * factor * right
    exists_a, exists_b = (exists_of(t).expand_as(value) for t in (a, b))
    left, right = left * exists_a, right * exists_b
    both = left + right
    same_a, same_b = (
        torch.where((t * both > 0) | (both == 0), t.abs(), 0.0) for t in (left, right)
    )

    def share(relevance: Tensor) -> tuple[Tensor, Tensor]:
        none = same_a + same_b == 0
        part_a = torch.where(none, exists_a, same_a)
        part_b = torch.where(none, exists_b, same_b)
        both = torch.where(part_a + part_b > 0, part_a + part_b, 1.0)
        return (
            (relevance * part_a / both).sum_to_size(a.shape),
            (relevance * part_b / both).sum_to_size(b.shape),
        )

    return pin(relay(share, value, a, b), exists=torch.maximum(exists_a, exists_b))


def averaged(func: Any, args: Any, kwargs: Any) -> Tensor:
    """Averages and linear interpolation: the inputs that have its sign, with the function's own
    non-negative weights, else those alone.
    """
    named = dict(kwargs)
    x = args[0] if args else named.pop("input")
    exists = exists_of(x)
    there = x.detach() * exists

    def linear(v: Tensor) -> Tensor:
        return as_tensor(func(v, *args[1:], **named))

    def share(relevance: Tensor) -> tuple[Tensor]:
        sign = linear(there).sign()
        total = torch.zeros_like(there)
        for kept, part in ((1, there.clamp(min=0)), (-1, -there.clamp(max=0)), (0, there.abs())):
            chosen = torch.where(sign == kept, relevance, 0.0)
            total = total + handed([[(linear, part)], [(linear, exists)]], chosen)
        return (total,)

    return pin(relay(share, linear(x.detach()), x), exists=(linear(exists) > 0).to(x.dtype))


def routed(func: Any, args: Any, kwargs: Any, inputs: list[Tensor], *, keep_box: bool) -> Any:
    """Functions that only move elements: autograd's own backward, and the notes moved along."""

    def moved(note: Callable[[Tensor], Tensor]) -> list[Any]:
        replaced = tree_map(lambda leaf: note(leaf) if depends(leaf) else leaf, (args, kwargs))
        return tree_leaves(func(*replaced[0], **replaced[1]))

    result = func(*args, **kwargs)
    pairs = zip(moved(exists_of), moved(torch.zeros_like), strict=True)
    notes: dict[str, list[Any]] = {"exists": [one - zero for one, zero in pairs]}
    if keep_box and all(hasattr(tensor, "box") for tensor in inputs):
        notes["box"] = list(
            zip(moved(lambda t: box_of(t)[0]), moved(lambda t: box_of(t)[1]), strict=True)
        )
    for index, leaf in enumerate(tree_flatten(result)[0]):
        if depends(leaf):
            pin(leaf, **{key: values[index] for key, values in notes.items()})
    return result


def blocked(name: str, func: Any, args: Any, kwargs: Any) -> Any:
    """Any other function: runs as it is, and refuses relevance only where some arrives."""

    def refuse(relevance: Tensor) -> tuple[Tensor]:
        raise NotImplementedError(f"no rule for {name}")

    def closed(leaf: Any) -> Any:
        return relay(refuse, leaf.detach(), leaf) if depends(leaf) else leaf

    return tree_map(closed, func(*args, **kwargs))


def name_of(func: Any) -> str:
    """Plain name of a function, method, operator or property: relu_, Tensor.relu and F.relu are all
    relu.
    """
    name = func.__self__.__name__ if func.__name__ == "__get__" else func.__name__
    return str(name).strip("_")


def depends(leaf: Any) -> bool:
    """Whether this is a tensor that depends on the model's input (parameters are frozen)."""
    return isinstance(leaf, Tensor) and leaf.requires_grad


def as_tensor(result: Any) -> Tensor:
    """The result of a function of which the type is not known, as the tensor it is."""
    assert isinstance(result, Tensor)
    return result


def plain(tree: Any) -> Any:
    """The same arguments, cut from the graph and copied, so that in-place functions
    harm nothing.
    """
    return tree_map(lambda leaf: leaf.detach().clone() if depends(leaf) else leaf, tree)


def box_of(tensor: Any) -> tuple[Tensor, Tensor]:
    """Low and high of the input or a rearrangement of it."""
    low, high = tensor.box
    return low, high


def exists_of(tensor: Tensor) -> Tensor:
    """One where an element depends on the input, zero where it is padding."""
    return getattr(tensor, "exists", torch.ones_like(tensor.detach()))


def pin(tensor: Tensor, **notes: Any) -> Tensor:
    """Pin notes to a tensor."""
    for name, note in notes.items():
        setattr(tensor, name, note)
    return tensor
