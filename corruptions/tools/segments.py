"""Segments of series: some steps of one channel or of several, in windows (T, D)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from aexbench import Detector, Features, Proposal, RequestError, SkipError
from aexbench.rows import Array, moments

LEAST_SPREAD = 1e-6  # of its range, of a constant channel: it has no size of its own
OWN_DRAWS = 2  # of a segment, beside one for the order of each channel


class Segment(NamedTuple):
    """A segment of each window, and what was drawn with it."""

    cells: NDArray[np.bool_]  # (B, T, D)
    steps: NDArray[np.int64]  # (B, T), counted from the segment's first, which is 0
    uniform: NDArray[np.float64]  # (B, more), in [0, 1)


def drawn(
    rng: np.random.Generator, mask: torch.Tensor, length: int, channels: int = 1, more: int = 0
) -> Segment:
    """Draw a segment of `length` steps in each window, which meets the feature of its mask.

    A cell of the feature is drawn, each as likely, then one of the places that hold its step and
    lie in the window; channels beside its own are drawn at random.

    Parameters
    ----------
    mask : (B, T, D)
        The cells of the feature that each window was given.
    more
        How many uniform numbers a window needs for something else. They come from one row of draws,
        so that windows do not depend on those that are drawn with them.

    Raises
    ------
    SkipError
        If samples are no windows (T, D).
    RequestError
        If windows have fewer steps or channels.
    """
    _check(tuple(mask.shape[1:]), length, channels)
    count, steps, width = mask.shape
    uniform = rng.random((count, OWN_DRAWS + width + more))
    own, order, rest = np.split(uniform, [OWN_DRAWS, OWN_DRAWS + width], axis=1)
    step, channel = np.divmod(_cell(mask.cpu().numpy(), own[:, 0]), width)
    since = np.arange(steps) - _start(step, steps, length, own[:, 1])[:, None]
    order[np.arange(count), channel] = -1.0
    chosen = np.argsort(np.argsort(order, axis=1), axis=1) < channels
    inside = (since >= 0) & (since < length)
    return Segment(inside[:, :, None] & chosen[:, None, :], since, rest)


def _check(shape: tuple[int, ...], length: int, channels: int) -> None:
    """Raise an error where windows of a shape have no such segments."""
    if len(shape) != 2:
        raise SkipError(
            f"samples of shape {shape} are no series (T, D): ask for windows of rows in time "
            "order, such as smd[window=32]"
        )
    for name, asked, there in zip(("length", "channels"), (length, channels), shape, strict=True):
        if asked > there:
            kind = "steps" if name == "length" else name
            raise RequestError(f"{name}={asked}: these windows have {there} {kind}")


def _cell(mask: NDArray[np.bool_], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number (B,) of one of the true cells of each mask (B, T, D).

    >>> _cell(np.array([[[True, False], [True, True]]]).repeat(3, axis=0), np.array([0, 0.5, 0.9]))
    array([0, 2, 3])
    """
    places = np.cumsum(mask.reshape(len(mask), -1), axis=1)
    wanted = (uniform * places[:, -1]).astype(np.int64)
    return np.asarray((places > wanted[:, None]).argmax(axis=1))


def _start(
    step: NDArray[np.int64], steps: int, length: int, uniform: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return where segments (B,) begin that hold a step and lie within the window.

    >>> _start(np.array([0, 4, 4, 9]), 10, 3, np.array([0.9, 0.0, 0.9, 0.5]))
    array([0, 2, 4, 7])
    """
    first = np.maximum(step - length + 1, 0)
    last = np.minimum(step, steps - length)
    return np.asarray(first + (uniform * (last - first + 1)).astype(np.int64))


def spreads(clean: Array, features: Features) -> NDArray[np.float64]:
    """Return each channel's standard deviation (D,) over clean windows (N, T, D) and their steps:
    the unit that sizes are counted in. That of a constant channel is a millionth of its range.

    >>> spreads(np.array([[[0.0, 1.0], [4.0, 1.0]]]), Features(low=0.0, high=5.0))
    array([2.e+00, 5.e-06])
    """
    mean, spread = moments(clean)
    low, high = features.bounds(clean.shape[1:])
    span = np.where(np.isfinite(high - low), high - low, 1.0).max(axis=0)
    own = np.sqrt(np.square(spread).mean(axis=0) + mean.var(axis=0))
    return np.asarray(np.maximum(own, LEAST_SPREAD * span))


def signs(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for uniform numbers (B, D) up or down: ±1 (B, 1, D).

    >>> signs(np.array([[0.2, 0.7]]))
    array([[[-1.,  1.]]])
    """
    return np.where(uniform < 0.5, -1.0, 1.0)[:, None, :]


def added(
    detector: Detector,
    x: torch.Tensor,
    mask: torch.Tensor,
    segment: Segment,
    amount: NDArray[np.float64],
    bounded: bool,
) -> Proposal:
    """Return windows (B, T, D) with an amount added within the segment, kept between the features'
    low and high where they are bounded.
    """
    values = x.cpu().double().numpy() + amount
    if bounded:
        values = values.clip(*detector.features.bounds(tuple(x.shape[1:])))
    return replaced(x, mask, segment, torch.as_tensor(values).to(x))


def replaced(
    x: torch.Tensor, mask: torch.Tensor, segment: Segment, there: torch.Tensor
) -> Proposal:
    """Return windows (B, T, D) with the values that are there within the segment.

    The truth holds the cells whose values are others then. Where the feature that was given has
    none of these, the window stays as it is, and its draw does not count.
    """
    cells = torch.as_tensor(segment.cells, device=x.device)
    moved = cells & (there != x)
    counts = (moved & mask).flatten(1).any(dim=1)[:, None, None]
    return Proposal(torch.where(moved & counts, there, x), {}, torch.where(counts, moved, cells))
