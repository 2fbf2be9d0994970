"""Does an explainer keep its contract?

It must return finite floats of its samples' shape on their device; give the same sample the same
answer alone, in any batch and in any order, twice over; and leave the model, the samples and the
random state as they were.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch

from aexbench.conformance.findings import Finding, tried
from aexbench.conformance.states import model_changed, random_states_changed
from aexbench.contracts import Explainer
from aexbench.detector import Detector

Make = Callable[[Detector], Explainer]


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
    findings: list[Finding] = []
    for rule, broken in RULES.items():  # each on its own copies: what one has changed hides nothing
        given = make, copy.deepcopy(detector), x.clone(), tolerance
        findings += tried({rule: broken}, *given)
    return findings


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
    return random_states_changed(lambda: make(detector).explain(x))


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
    return model_changed(detector.model, lambda: make(detector).explain(x))


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
