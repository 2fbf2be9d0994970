"""Does a plugin keep its contract? One function per family answers, for tests and for users.

An explainer must return finite floats of its samples' shape on their device; give the same sample
the same answer alone, in any batch and in any order, twice over; and leave the model, the samples
and the random state as they were.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from aexbench.contracts import Explainer
from aexbench.detector import Detector
from aexbench.errors import SkipError

Make = Callable[[Detector], Explainer]


class Finding(NamedTuple):
    """One rule of the contract, and how it is broken; an empty problem says that it is kept."""

    rule: str
    problem: str


def check_explainer(
    make: Make, detector: Detector, x: torch.Tensor, tolerance: float | None = None
) -> list[Finding]:
    """Return what an explainer makes of each rule of its contract.

    Parameters
    ----------
    make
        Makes the explainer for a detector: `lambda d: explainers.create(NAME, d, background=…)`.
    detector, x : (N, …)
        What to try it on; at least three different samples.
    tolerance
        Of the invariances, relative to the greatest attribution; the square root of the type's
        precision where it is left out.

    Raises
    ------
    SkipError
        If the explainer does not apply to this detector or these samples.

    Examples
    --------
    >>> from aexbench import explainers
    >>> detector = Detector(torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Linear(2, 4)))
    >>> make = lambda detector: explainers.create("residual", detector)
    >>> findings = check_explainer(make, detector, torch.rand(5, 4))
    >>> [finding for finding in findings if finding.problem]
    []
    """
    tolerance = torch.finfo(detector.dtype).eps ** 0.5 if tolerance is None else tolerance
    return [
        Finding(rule, _problem(broken, make, detector, x, tolerance))
        for rule, broken in RULES.items()
    ]


def _problem(rule: Callable[..., str], *given: Any) -> str:
    """Return how a rule is broken; an exception of the explainer's breaks it too."""
    try:
        return rule(*given)
    except SkipError:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}".split("\n")[0]


def _finite_floats(make: Make, detector: Detector, x: torch.Tensor, tolerance: float) -> str:
    found = make(detector).explain(x)
    if found.shape != x.shape or not found.is_floating_point() or found.device != x.device:
        return (
            f"{found.dtype} of shape {tuple(found.shape)} on {found.device} for samples "
            f"{tuple(x.shape)}"
        )
    if found.requires_grad:
        return "attributions carry a graph: detach them"
    return "" if bool(torch.isfinite(found).all()) else "attributions are not finite"


def _alone(make: Make, detector: Detector, x: torch.Tensor, tolerance: float) -> str:
    explainer = make(detector)
    alone = torch.cat([explainer.explain(one) for one in x.split(1)])
    return _differs(alone, explainer.explain(x), tolerance)


def _any_order(make: Make, detector: Detector, x: torch.Tensor, tolerance: float) -> str:
    explainer = make(detector)
    return _differs(explainer.explain(x.flip(0)).flip(0), explainer.explain(x), tolerance)


def _repeatable(make: Make, detector: Detector, x: torch.Tensor, tolerance: float) -> str:
    explainer = make(detector)
    first = explainer.explain(x)
    return _differs(explainer.explain(x), first, tolerance) or _differs(
        make(detector).explain(x), first, tolerance
    )


def _random_state(make: Make, detector: Detector, x: torch.Tensor, tolerance: float) -> str:
    before = _random_states()
    make(detector).explain(x)
    kept = [
        np.array_equal(one, other)
        for one, other in zip(before.values(), _random_states().values(), strict=True)
    ]
    broken = [name for name, same in zip(before, kept, strict=True) if not same]
    return (
        f"changes the random state of {', '.join(broken)}: use a generator of its own"
        if broken
        else ""
    )


def _arrays(make: Make, detector: Detector, x: torch.Tensor, tolerance: float) -> str:
    given = x.float() if x.dtype == torch.bfloat16 else x  # of which numpy knows nothing
    explainer: Any = make(detector)
    of_arrays = explainer.explain(given.cpu().numpy()).to(x.device)
    return _differs(of_arrays, explainer.explain(given), tolerance)


def _samples_kept(make: Make, detector: Detector, x: torch.Tensor, tolerance: float) -> str:
    given = x.clone()
    make(detector).explain(given)
    return "" if torch.equal(given, x) else "changes the samples that it is given: copy them first"


def _model_kept(make: Make, detector: Detector, x: torch.Tensor, tolerance: float) -> str:
    with _training(detector.model):
        before = _state(detector.model)
        make(detector).explain(x)
        after = _state(detector.model)
    changed = [key for key in before if not _equal(before[key], after.get(key))] + [
        k for k in after if k not in before
    ]
    return f"changes the model: {', '.join(changed[:3])}" if changed else ""


def _grad_mode(make: Make, detector: Detector, x: torch.Tensor, tolerance: float) -> str:
    expected = make(detector).explain(x)
    with torch.no_grad():
        within = make(detector).explain(x)
    return _differs(within, expected, tolerance)


RULES: dict[str, Callable[[Make, Detector, torch.Tensor, float], str]] = {
    "finite floats of the samples' shape": _finite_floats,
    "a sample alone as in a batch": _alone,
    "any order": _any_order,
    "repeatable": _repeatable,
    "leaves the random state": _random_state,
    "takes arrays": _arrays,
    "leaves the samples": _samples_kept,
    "leaves the model": _model_kept,
    "with and without autograd": _grad_mode,
}


def _differs(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> str:
    scale = float(expected.abs().max())
    gap = float((found - expected).abs().max()) / scale if scale > 0 else float(found.abs().max())
    return "" if gap <= tolerance else f"attributions differ by {gap:.1e} of the greatest"


def _random_states() -> dict[str, Any]:
    _, words, *place = np.random.get_state()  # one draw moves the place alone
    return {
        "torch": torch.random.get_rng_state(),
        "numpy": np.append(words, place),
        "random": random.getstate()[1],
    }


@contextmanager
def _training(model: torch.nn.Module) -> Iterator[None]:
    """Put a model in training mode for a while: an explainer must give back what it was given."""
    modes = {module: module.training for module in model.modules()}
    model.train()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _state(model: torch.nn.Module) -> dict[str, Any]:
    """Return all that an explainer could change of a model."""
    state: dict[str, Any] = {
        name: buffer.detach().clone() for name, buffer in model.named_buffers()
    }
    for name, parameter in model.named_parameters():
        gradient = None if parameter.grad is None else parameter.grad.clone()
        state |= {
            name: parameter.detach().clone(),
            f"{name}.requires_grad": parameter.requires_grad,
        }
        state[f"{name}.grad"] = gradient
    for name, module in model.named_modules():
        hooks = (
            module._forward_hooks,
            module._forward_pre_hooks,
            module._backward_hooks,
            module._backward_pre_hooks,
        )
        state |= {
            f"hooks of {name}": [len(kind) for kind in hooks],
            f"{name} attributes": sorted(module.__dict__),
        }
        state |= {f"{name}.{key}": value for key, value in module.__dict__.items() if _plain(value)}
    return state


def _plain(value: Any) -> bool:
    """Whether a value is a number, a string, a truth value, nothing, or a tuple of such."""
    return (
        all(map(_plain, value))
        if isinstance(value, tuple)
        else isinstance(value, str | complex | float | int | None)
    )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return type(one) is type(other) and bool(one == other)
