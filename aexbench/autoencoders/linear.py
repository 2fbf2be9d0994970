"""A linear autoencoder whose weights are set by hand, so that the right answers about it are known.

Nothing of it is trained: `fitting.py` calibrates it and leaves it as it is.
"""

from __future__ import annotations

import torch
from torch import nn

from aexbench.autoencoders import register
from aexbench.errors import RequestError


@register("linear", version=1, images=False)
def linear(
    shape: tuple[int, ...],
    *,
    blocks: tuple[int, ...] = (),
    loadings: tuple[float, ...] = (),
    centre: float = 0.5,
) -> nn.Sequential:
    """Return x̂ = c + A Aᵀ (x − c): each block of columns follows one hidden value of its own.

    Column i of block b has A_ib = a_i / ‖a_b‖, by its loading a_i and those of its block, and 0 in
    all others; so A Aᵀ is a projection, and an error can only come from what is no multiple of the
    loadings within a block. A block of one column is reconstructed exactly, whatever its value; a
    column of loading 0 as c, whatever came in.

    Parameters
    ----------
    shape
        Of one sample: (M,).
    blocks
        For each column the number (0 … r − 1) of its block; left out, neighbours are pairs.
    loadings
        For each column; left out, 1: a column is reconstructed as the mean of its block.
    centre
        c, of every column.

    Raises
    ------
    RequestError
        If there is not one block and one loading a column, or a block has no loading but 0.

    Examples
    --------
    >>> model = linear((3,), blocks=(0, 0, 1), loadings=(1.0, 1.0, 0.5))
    >>> model(torch.tensor([[0.2, 0.4, 0.9]])).detach().round(decimals=3)
    tensor([[0.3000, 0.3000, 0.9000]])
    """
    directions = _directions(shape, blocks, loadings)
    columns, hidden = directions.shape
    encoder, decoder = nn.Linear(columns, hidden), nn.Linear(hidden, columns)
    with torch.no_grad():
        encoder.weight.copy_(directions.T)
        encoder.bias.copy_(-centre * directions.sum(0))
        decoder.weight.copy_(directions)
        decoder.bias.fill_(centre)
    return nn.Sequential(encoder, decoder).requires_grad_(False)


def _directions(
    shape: tuple[int, ...], blocks: tuple[int, ...], loadings: tuple[float, ...]
) -> torch.Tensor:
    """Return A (M, r) in float64."""
    if len(shape) != 1:
        raise RequestError(f"linear takes rows of features; samples have shape {shape}")
    blocks = blocks or tuple(column // 2 for column in range(shape[0]))
    loadings = loadings or (1.0,) * shape[0]
    for name, given in (("blocks", blocks), ("loadings", loadings)):
        if len(given) != shape[0]:
            raise RequestError(f"linear needs one of {name} for each of {shape[0]} columns")
    if sorted(set(blocks)) != list(range(len(set(blocks)))):
        raise RequestError("blocks of linear must be numbered 0, 1, 2, … without a gap")
    weights = torch.tensor(loadings, dtype=torch.float64)[:, None]
    found = weights * nn.functional.one_hot(torch.tensor(blocks))
    sizes = found.norm(dim=0)
    if not bool(sizes.all()):
        raise RequestError("a block of linear needs a loading that is not 0")
    return torch.div(found, sizes)
