"""Does an autoencoder keep its contract?

Its model must map samples to finite ones of the same shape, each by itself, and be the same again
from the same random state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from aexbench.conformance.findings import Finding, tried
from aexbench.contracts import Untrained
from aexbench.errors import RequestError, SkipError

CLOSE = 1e-5  # of float32, relative to the greatest


def check_autoencoder(make: Callable[[], Untrained], x: torch.Tensor) -> list[Finding]:
    """Return what an autoencoder makes of each rule of its contract.

    Parameters
    ----------
    make
        Makes it, three times: `lambda: autoencoders.create(NAME, x.shape[1:])`.
    x : (N, …)
        What to try it on.

    Raises
    ------
    SkipError
        If the autoencoder refuses samples of this shape, by a RequestError.

    Examples
    --------
    >>> from aexbench import autoencoders
    >>> findings = check_autoencoder(lambda: autoencoders.create("mlp", (4,)), torch.rand(5, 4))
    >>> [finding for finding in findings if finding.problem]
    []
    """
    return tried(RULES, make, x)


def _model(make: Callable[[], Untrained]) -> Any:
    """Return a model in evaluation mode, drawn from the same random state each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            return make().model.eval()
        except RequestError as error:  # so autoencoders say which shapes they take
            raise SkipError(str(error)) from error


def _shape(make: Callable[[], Untrained], x: torch.Tensor) -> str:
    with torch.no_grad():
        found = _model(make)(x)
    if not isinstance(found, torch.Tensor):
        return f"returns a {type(found).__name__}, not a tensor"
    if found.shape != x.shape:
        return f"returns shape {tuple(found.shape)} for samples {tuple(x.shape)}"
    return "" if bool(torch.isfinite(found).all()) else "reconstructions are not finite"


def _alone(make: Callable[[], Untrained], x: torch.Tensor) -> str:
    model = _model(make)
    with torch.no_grad():
        alone, together = torch.cat([model(one) for one in x.split(1)]), model(x)
    gap = float((alone - together).abs().max() / together.abs().max().clamp_min(1e-12))
    return "" if gap <= CLOSE else f"reconstructions differ by {gap:.1e} of the greatest"


def _again(make: Callable[[], Untrained], x: torch.Tensor) -> str:
    one, other = (_model(make).state_dict() for _ in range(2))
    wrong = [name for name in one if not torch.equal(one[name], other[name])]
    return f"{', '.join(wrong[:3])} differ from the same random state" if wrong else ""


RULES: dict[str, Callable[[Callable[[], Untrained], torch.Tensor], str]] = {
    "finite reconstructions of the samples' shape": _shape,
    "a sample alone as in a batch": _alone,
    "the same from the same random state": _again,
}
