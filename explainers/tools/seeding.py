"""Randomness that depends on a sample's content alone: neither its batch nor its place there
matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from aexbench.explainers.tools.units import Units
from aexbench.features import Features


def content_seeds(x: torch.Tensor, seed: int, features: Features | None = None) -> list[list[int]]:
    """Return for each sample (N, …) a seed for numpy's generators, made of its values and of
    `seed`.

    Values count as float32, in units of the features' ranges where these are given: equal values
    give equal seeds, whatever their type, device and unit; −0 equals 0.

    >>> one, other = content_seeds(torch.tensor([[1.0], [2.0]]), seed=0)
    >>> one == content_seeds(torch.tensor([[1.0]]), seed=0)[0], one == other
    (True, False)
    """
    exact = x.detach().cpu().to(torch.float64)
    scaled = exact if features is None else Units.of(features, tuple(x.shape[1:])).scaled(exact)
    rounded = scaled.to(torch.float32).to(torch.float64).contiguous() + 0.0
    contents = [row.tobytes() for row in rounded.numpy()]
    digests = [hashlib.blake2b(content, digest_size=16).digest() for content in contents]
    return [[seed, int.from_bytes(digest, "little")] for digest in digests]


def generators(
    x: torch.Tensor, seed: int, features: Features | None = None
) -> list[np.random.Generator]:
    """Return a random generator for each sample (N, …)."""
    return [np.random.default_rng(entropy) for entropy in content_seeds(x, seed, features)]


@contextmanager
def rewound(drawing: list[np.random.Generator]) -> Iterator[None]:
    """Put generators back to where they were if what they have drawn is lost: whoever tries again
    draws the same.

    >>> generator = np.random.default_rng(0)
    >>> try:
    ...     with rewound([generator]):
    ...         drawn = generator.random(3)
    ...         raise MemoryError
    ... except MemoryError:
    ...     print(np.array_equal(generator.random(3), drawn))
    True
    """
    states = [generator.bit_generator.state for generator in drawing]
    try:
        yield
    except BaseException:
        for generator, state in zip(drawing, states, strict=True):
            generator.bit_generator.state = state
        raise
