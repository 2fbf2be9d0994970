"""Linear maps: what a weighted layer does without its bias, and the adjoint that carries relevance
back.

Linear, Conv1d/2d/3d and ConvTranspose1d/2d/3d with any stride, padding, dilation, groups and output
padding are one class: a rule needs `y = A(w) x` and `x = A(w)ᵀ y` and nothing else. It makes its
weights of the layer's, element by element, and has them `prepared` once: laid out and summed as
products take them fastest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property

import torch

aten = torch.ops.aten


@dataclass(frozen=True)
class Dense:
    """`y = x wᵀ`; weights (out, in), inputs (N, …, in); in `parts` maps that lie side by side."""

    weight: torch.Tensor
    parts: int = 1

    def prepared(self, weight: torch.Tensor) -> torch.Tensor:
        """Return weights as they are."""
        return weight

    def apply(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Return x wᵀ."""
        return torch.nn.functional.linear(x, weight)

    def adjoint(self, y: torch.Tensor, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return y w, of the shape of x."""
        return y @ weight

    @property
    def outputs(self) -> int:
        """How many columns come out."""
        return len(self.weight)

    @property
    def largest(self) -> torch.Tensor:
        """The greatest size of a weight in the map that an output belongs to (out, 1)."""
        each: torch.Tensor = self.weight.abs().unflatten(0, (self.parts, -1)).flatten(1).amax(1)
        return each.repeat_interleave(self.outputs // self.parts)[:, None]

    def scaled(self, factor: torch.Tensor) -> Dense:
        """Return this map followed by a factor (out,) on its outputs: a folded BatchNorm."""
        return replace(self, weight=self.weight * factor[:, None])


@dataclass(frozen=True)
class Convolution:
    """A convolution or, with `transposed`, its adjoint; weights (out, in / groups, …) or (in, out /
    groups, …).
    """

    weight: torch.Tensor
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]
    groups: int
    transposed: bool = False
    channels_last: bool = False

    def prepared(self, weight: torch.Tensor) -> torch.Tensor:
        """Return weights in the layout of the activations: a product goes by that of its weights
        too, and an image of one channel has none that could be told.
        """
        if self.channels_last:
            return weight.contiguous(memory_format=torch.channels_last)
        return weight

    def apply(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the convolution of x, without a bias unless one is given."""
        result: torch.Tensor = aten.convolution(x, weight, bias, *self._settings())
        return result

    def adjoint(self, y: torch.Tensor, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the adjoint applied to y, of the shape of x."""
        mask = (True, False, False)
        result: torch.Tensor = aten.convolution_backward(
            y, x, weight, None, *self._settings(), mask
        )[0]
        return result

    @property
    def largest(self) -> torch.Tensor:
        """The greatest size of a weight."""
        return self.weight.abs().amax()

    @property
    def outputs(self) -> int:
        """How many channels come out."""
        return self.weight.shape[1] * self.groups if self.transposed else len(self.weight)

    def scaled(self, factor: torch.Tensor) -> Convolution:
        """Return this map followed by a factor (out channels,) on its outputs: a
        folded BatchNorm.
        """
        weight = self.weight
        if self.transposed:  # (groups · in, out, …): the outputs of a group belong to its inputs
            grouped = weight.unflatten(0, (self.groups, -1))
            by_group = factor.view(self.groups, 1, -1, *(1,) * (weight.dim() - 2))
            weight = (grouped * by_group).flatten(0, 1)
        else:
            weight = weight * factor.view(-1, *(1,) * (weight.dim() - 1))
        return replace(self, weight=weight)

    def _settings(
        self,
    ) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], bool, tuple[int, ...], int]:
        return (
            self.stride,
            self.padding,
            self.dilation,
            self.transposed,
            self.output_padding,
            self.groups,
        )


@dataclass(frozen=True)
class Doubled:
    """Nearest upsampling by 2 and the convolution of 3 × 3 behind it, as one transposed convolution
    of 4 × 4 with stride 2: four products for each output in place of nine.

    Of the upsampled u_j = x_⌊j/2⌋ the convolution with padding p takes Σ_k w_k u_{y+k−p}. What it
    takes of x_i is, with t = y + 2 − p − 2 i, the sum of w_{2−t} and w_{3−t}, where there are such.
    """

    convolution: Convolution

    @property
    def weight(self) -> torch.Tensor:
        """The convolution's weights (out, in, 3, 3)."""
        return self.convolution.weight

    @property
    def largest(self) -> torch.Tensor:
        """The greatest size of a weight."""
        return self.convolution.largest

    @property
    def outputs(self) -> int:
        """How many channels come out."""
        return self.convolution.outputs

    @cached_property
    def transposed(self) -> Convolution:
        """The transposed convolution."""
        padding = tuple(2 - p for p in self.convolution.padding)
        none = (0, 0)
        return replace(
            self.convolution, stride=(2, 2), padding=padding, output_padding=none, transposed=True
        )

    def prepared(self, weight: torch.Tensor) -> torch.Tensor:
        """Return weights (out, in, 3, 3) summed to (in, out, 4, 4)."""
        taps = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
        summed = torch.einsum("tk,ul,oikl->iotu", taps, taps, weight)
        return self.transposed.prepared(summed)

    def apply(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the convolution of the upsampled x, without a bias unless one is given."""
        return self.transposed.apply(x, weight, bias)

    def adjoint(self, y: torch.Tensor, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the adjoint applied to y, of the shape of x."""
        return self.transposed.adjoint(y, weight, x)

    def scaled(self, factor: torch.Tensor) -> Doubled:
        """Return this map followed by a factor (out channels,) on its outputs."""
        return Doubled(self.convolution.scaled(factor))


def delta(like: torch.Tensor) -> float:
    """Return the δ of a tensor's type: its square is still far from underflow, and δ itself far
    below rounding.
    """
    return _delta(like.dtype)


@cache
def _delta(dtype: torch.dtype) -> float:
    return float(torch.finfo(dtype).tiny ** 0.25)


def floored_relu(x: torch.Tensor) -> torch.Tensor:
    """Return max(x, δ): a ReLU to within rounding, whose outputs a rule can share by
    as they are.
    """
    return x.clamp_min(delta(x))


def vjp(
    operation: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """Return y times the operation's Jacobian at x: the adjoint of a linear one, the winner's share
    of a maximum.
    """
    with torch.enable_grad():
        inputs = x.detach().requires_grad_()
        (result,) = torch.autograd.grad(operation(inputs), inputs, y)
    return result


LinearMap = Dense | Convolution | Doubled
