"""Does a metric keep its contract?

It must return finite scores, one a sample or, where it pools, one in all; charge for ties what
chance costs; not depend on the order of samples or of columns, nor on the attributions' unit; think
higher attributions of true columns better, in the direction that it declares; and leave its inputs
and the random state as they were. One without truth has no chance and no best. One that asks the
model is given what its probe brings of a small detector, the same when it asks twice. One that sees
columns is tried on windows (T, D), whose steps have an order and whose channels have none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aexbench import families
from aexbench.components import component
from aexbench.conformance.findings import Finding, tried
from aexbench.conformance.probes import Linear, check_probe
from aexbench.conformance.states import random_states_changed
from aexbench.contracts import Metric
from aexbench.declarations import MetricDeclaration
from aexbench.errors import RequestError
from aexbench.families import FunctionMetric

LEVELS = 16  # that attributions take: there are ties, and another unit is exact in floating point
MAPS = 100  # random ones, whose mean score is what chance costs
STANDARD_ERRORS = 4  # of that mean
CLOSE = 1e-9
CHANNELS = 3  # of windows
Scores = NDArray[np.float64]


def check_metric(
    metric: Metric | str,
    declaration: MetricDeclaration | None = None,
    *,
    samples: int = 200,
    columns: int = 10,
    seed: int = 0,
) -> list[Finding]:
    """Return what a metric makes of each rule of its contract.

    Parameters
    ----------
    metric
        A name with brackets, or what `metrics.create` returns.
    declaration
        Whether it pools and what is better; the one that it was registered with where it is left
        out, and the defaults if it never was.
    samples, columns
        Of the attributions that it is tried on, at least 2 each. The truth holds one to three
        columns a sample. Who declares `columns` is given windows of so many steps and three
        channels, of which one to three steps are true, each in one channel.
    seed
        Of the attributions and the truth.

    Raises
    ------
    RequestError
        If the name is unknown, or samples or columns are too few.
    SkipError
        If the metric does not apply to these attributions.

    Examples
    --------
    >>> [finding for finding in check_metric("recall[top=3]") if finding.problem]
    []
    """
    if min(samples, columns) < 2:
        raise RequestError(f"samples={samples} and columns={columns} must be at least 2")
    made, declared, arguments = _resolved(metric)
    rng = np.random.default_rng(seed)
    declared = declared if declaration is None else declaration
    shape = (columns, CHANNELS) if declared.columns else (columns,)
    attributions = rng.integers(LEVELS, size=(samples, *shape)) / LEVELS
    truth = _late_truth(samples, columns, rng)
    if declared.columns:
        truth = _in_channels(truth, rng)
    if callable(getattr(made, "probe", None)):
        findings, outcome = check_probe(made, Linear(samples, columns, seed))
        trial = Trial(made, declared, arguments, outcome, truth, seed)
        return [*findings, *(tried(OF_OUTCOMES, trial) if len(outcome) else [])]
    rules = {rule: RULES[rule] for rule in RULES if not (declared.truthless and rule in OF_TRUTH)}
    return tried(rules, Trial(made, declared, arguments, attributions, truth, seed))


@dataclass(frozen=True, eq=False)
class Trial:
    """A metric, what it declares, its parameters, and what it is tried on."""

    metric: Metric
    declared: MetricDeclaration
    arguments: dict[str, Any]
    attributions: Scores
    truth: NDArray[np.bool_]
    seed: int

    def scores(self, attributions: Scores, truth: NDArray[np.bool_] | None = None) -> Scores:
        """Return the scores () or (N,) of attributions, which stay as they are."""
        true = self.truth if truth is None else truth
        return np.asarray(self.metric.score(attributions.copy(), true.copy()), dtype=np.float64)

    def mean(self, attributions: Scores) -> float:
        """Return the mean score, negated where lower is better."""
        sign = 1 if self.declared.higher_is_better else -1
        return sign * float(self.scores(attributions).mean())


def _resolved(metric: Metric | str) -> tuple[Metric, MetricDeclaration, dict[str, Any]]:
    """Return a metric, the declaration that it is registered with, and its parameters."""
    if isinstance(metric, str):
        named = component(families.metrics, metric)
        return named.make(), named.plugin.declaration, named.arguments
    target: Any = metric.function if isinstance(metric, FunctionMetric) else type(metric)
    arguments = metric.parameters if isinstance(metric, FunctionMetric) else {}
    plugins = map(families.metrics.describe, families.metrics.names())
    declared = (plugin.declaration for plugin in plugins if plugin.target is target)
    return metric, next(declared, MetricDeclaration()), dict(arguments)


def _late_truth(samples: int, columns: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a truth (N, M) of one to three columns of the last half, the more the later the
    sample: who breaks ties by place is far from chance.
    """
    places = rng.random((samples, columns))
    places[:, : columns // 2] += 1
    count = np.minimum(1 + 3 * np.arange(samples) // samples, columns - columns // 2)
    return np.asarray(places.argsort(axis=1).argsort(axis=1) < count[:, None])


def _in_channels(steps: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a truth (N, T, D) of steps (N, T) that are true, each in one of the channels."""
    channel = rng.integers(CHANNELS, size=steps.shape)
    return np.asarray(steps[..., None] & (channel[..., None] == np.arange(CHANNELS)))


def _finite(trial: Trial) -> str:
    for rows in (slice(None), slice(1)):  # all, and one alone
        given = trial.attributions[rows].copy(), trial.truth[rows].copy()
        scores = np.asarray(trial.metric.score(*given))
        wanted = () if trial.declared.pooled else (len(given[0]),)
        if scores.shape != wanted or scores.dtype.kind != "f":
            kind = f"{scores.dtype} of shape {scores.shape}"
            return f"returns {kind} for {len(given[0])} samples, not floats of shape {wanted}"
        if not np.isfinite(scores).all():
            return "scores are not finite"
    return ""


def _alone(trial: Trial) -> str:
    if trial.declared.pooled:
        return ""
    rows = [slice(row, row + 1) for row in range(len(trial.truth))]
    alone = [trial.scores(trial.attributions[row], trial.truth[row]) for row in rows]
    return _differ(np.concatenate(alone), trial.scores(trial.attributions))


def _samples_in_any_order(trial: Trial) -> str:
    order = np.random.default_rng(trial.seed).permutation(len(trial.truth))
    expected = trial.scores(trial.attributions)
    found = trial.scores(trial.attributions[order], trial.truth[order])
    return _differ(found, expected if trial.declared.pooled else expected[order])


def _columns_in_any_order(trial: Trial) -> str:
    order = np.random.default_rng(trial.seed).permutation(trial.truth.shape[-1])
    found = trial.scores(trial.attributions[..., order], trial.truth[..., order])
    return _differ(found, trial.scores(trial.attributions))


def _any_unit(trial: Trial) -> str:
    """Compare with attributions that are four times as great and, some of them, negative, unless
    zero is told apart.
    """
    changed = 4 * trial.attributions - (0 if trial.declared.from_zero else 2)
    return _differ(trial.scores(changed), trial.scores(trial.attributions))


def _ties(trial: Trial) -> str:
    """Compare a constant map with the mean of random ones, within four standard errors of it."""
    rng = np.random.default_rng(trial.seed)
    shape = trial.truth.shape
    random = np.array([trial.mean(rng.random(shape)) for _ in range(MAPS)])
    constant, mean = trial.mean(np.full(shape, 0.3)), random.mean()
    allowed = STANDARD_ERRORS * random.std(ddof=1) / MAPS**0.5 + _excess(trial) + CLOSE
    if abs(constant - mean) <= allowed:
        return ""
    return f"a constant map scores {abs(constant):.4f}, random ones {abs(mean):.4f} ± {allowed:.4f}"


def _excess(trial: Trial) -> float:
    """Return by how much a pooled score of random maps may pass the chance level.

    The average precision of n columns in random order lies above the share p of true ones, by about
    (1 − p)(1 + ln n) / n, which vanishes with n: 0.003 where n is 2,000.
    """
    if not trial.declared.pooled:
        return 0.0
    best, worst = (trial.mean(sign * trial.truth.astype(np.float64)) for sign in (1, -1))
    return float(abs(best - worst) * (1 + np.log(trial.truth.size)) / trial.truth.size)


def _direction(trial: Trial) -> str:
    truth = trial.truth.astype(np.float64)
    best, worst = trial.mean(truth), trial.mean(-truth)
    if best >= worst - CLOSE:
        return ""
    declared = "higher" if trial.declared.higher_is_better else "lower"
    scored = f"{abs(best):.4f}, its negative {abs(worst):.4f}"
    return f"{declared} is better, it says; the truth itself scores {scored}"


def _without_each(trial: Trial) -> str:
    fast = trial.declared.without_each
    if not trial.declared.pooled or fast is None:
        return ""
    kept = ~np.eye(len(trial.truth), dtype=bool)
    slow = [trial.scores(trial.attributions[rows], trial.truth[rows]) for rows in kept]
    given = trial.attributions.copy(), trial.truth.copy()
    return _differ(np.asarray(fast(*given, **trial.arguments)), np.array(slow))


def _inputs_kept(trial: Trial) -> str:
    attributions, truth = trial.attributions.copy(), trial.truth.copy()
    trial.metric.score(attributions, truth)
    pairs = {"attributions": (attributions, trial.attributions), "truth": (truth, trial.truth)}
    changed = [name for name, (now, before) in pairs.items() if not np.array_equal(now, before)]
    return f"changes the {' and the '.join(changed)}: copy them first" if changed else ""


def _random_state(trial: Trial) -> str:
    return random_states_changed(lambda: trial.scores(trial.attributions))


RULES: dict[str, Callable[[Trial], str]] = {
    "finite scores, one a sample or one in all": _finite,
    "a sample alone as in a batch": _alone,
    "samples in any order": _samples_in_any_order,
    "columns in any order": _columns_in_any_order,
    "attributions in any unit": _any_unit,
    "ties cost what chance costs": _ties,
    "the direction that it declares": _direction,
    "without each sample as without it": _without_each,
    "leaves its inputs": _inputs_kept,
    "leaves the random state": _random_state,
}
OF_TRUTH = ("ties cost what chance costs", "the direction that it declares")
OF_OUTCOMES = {  # of what a probe brings, which has no columns in common
    rule: RULES[rule]
    for rule in (
        "finite scores, one a sample or one in all",
        "a sample alone as in a batch",
        "samples in any order",
        "leaves its inputs",
        "leaves the random state",
    )
}


def _differ(found: Scores, expected: Scores) -> str:
    if found.shape != expected.shape:
        return f"scores have shape {found.shape}, not {expected.shape}"
    gap = float(np.abs(found - expected).max())
    return "" if gap <= CLOSE * max(1.0, float(np.abs(expected).max())) else f"differ by {gap:.1e}"
