"""Trying a component: its family's check on what it takes, rows or else images or windows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from aexbench.checking.remarks import Remark
from aexbench.components import Component, of_plugin
from aexbench.conformance import (
    Finding,
    check_autoencoder,
    check_corruption,
    check_dataset,
    check_explainer,
    check_metric,
)
from aexbench.errors import SkipError, unknown
from aexbench.registry import Plugin
from aexbench.signatures import REQUIRED

if TYPE_CHECKING:
    from aexbench.checking.grounds import Ground

SKIPS = "skips what it does not take"
ENDS = "comes to an end"  # where it does not, who watches says so
MOST_DRAWS = 10_000  # of a corruption, for twenty samples
Check = Callable[[Component], tuple[str, list[Finding]]]


@dataclass(frozen=True)
class Report:
    """What became of one component: its rules, or why it could not be tried.

    Attributes
    ----------
    family
        What one of its family is called: `explainer`.
    name
        With its parameters in brackets.
    on
        What it was tried on; empty where it needs nothing.
    findings
        What became of each rule; none where it was not tried.
    untried
        Why it was not; else empty.
    needs
        The parameters that it cannot be tried without.
    remarks
        What has shown beside the rules.
    """

    family: str
    name: str
    on: str = ""
    findings: list[Finding] = field(default_factory=list)
    untried: str = ""
    needs: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def broken(self) -> list[Finding]:
        """The rules that are broken."""
        return [finding for finding in self.findings if finding.problem]


def tried(plugin: Plugin[Any], given: Mapping[str, Any]) -> Report:
    """Return what a component makes of each rule of its contract.

    Parameters
    ----------
    plugin
        What is registered.
    given
        Its parameters that are not to have their defaults.

    Raises
    ------
    RequestError
        If it has no such parameter, or its value is wrong.

    Examples
    --------
    >>> from aexbench import families
    >>> report = tried(families.metrics.describe("recall"), {"top": 3})
    >>> report.name, report.broken, report.untried
    ('recall[top=3]', [], '')
    """
    for name in given:
        if name not in plugin.parameters:
            raise unknown(f"parameter of {plugin.family} {plugin.name}", name, plugin.parameters)
    required = [one.name for one in plugin.parameters.values() if one.default is REQUIRED]
    needs = tuple(name for name in required if name not in given)
    if needs:
        untried = f"it needs {' and '.join(needs)}, which {_have(needs)} no default"
        return Report(plugin.family, plugin.name, untried=untried, needs=needs)
    made = of_plugin(plugin, given)
    try:
        on, findings = CHECKS[plugin.family](made)
    except SkipError as error:
        return Report(plugin.family, made.text, untried=str(error))
    report = Report(plugin.family, made.text, on, findings)
    return report if report.broken else replace(report, remarks=_undeclared(made, on))


def _undeclared(made: Component, on: str) -> tuple[Remark, ...]:
    """Return remarks on what a component has not declared, of what it was tried on."""
    from aexbench.checking import ablation, grounds

    if made.plugin.family != "explainer":
        return ()
    every = (grounds.rows(), grounds.images(), grounds.windows())
    try:
        return tuple(ablation.undeclared(made, next(one for one in every if one.name == on)))
    except SkipError:  # of a control, where there is nothing to compare with
        return ()


def _have(needs: tuple[str, ...]) -> str:
    return "has" if len(needs) == 1 else "have"


def _explainer(made: Component) -> tuple[str, list[Finding]]:
    def on(ground: Ground) -> list[Finding]:
        def make(detector: Any) -> Any:
            return made.make(detector, background=ground.data.train)

        return check_explainer(make, ground.detector, ground.anomalies)

    return _on_what_it_takes(on)


def _corruption(made: Component) -> tuple[str, list[Finding]]:
    if "max_draws" in made.arguments:  # one that never passes its threshold would take minutes
        most = min(made.arguments["max_draws"], MOST_DRAWS)
        made = of_plugin(made.plugin, {**made.arguments, "max_draws": most})

    def on(ground: Ground) -> list[Finding]:
        return check_corruption(made.make(), ground.detector, ground.normal)

    return _on_what_it_takes(on)


def _on_what_it_takes(check: Callable[[Ground], list[Finding]]) -> tuple[str, list[Finding]]:
    """Try a component on rows; on images if it takes no rows, and on windows if none of them.

    That it does not is a broken rule where it fails on rows, rather than to raise SkipError, and
    keeps on images what it breaks on rows.
    """
    from aexbench.checking import grounds

    rows = grounds.rows()
    try:
        findings = check(rows)
    except SkipError:
        return _beside_rows(check)
    first = findings[0].problem
    if not _raised(first):
        return rows.name, findings
    images = grounds.images()
    try:
        on_images = check(images)
    except SkipError:
        return rows.name, findings
    if on_images[0].problem:
        return rows.name, findings
    return images.name, [*on_images, Finding(SKIPS, f"fails on rows: {first}")]


def _beside_rows(check: Callable[[Ground], list[Finding]]) -> tuple[str, list[Finding]]:
    """Try a component that takes no rows."""
    from aexbench.checking import grounds

    images = grounds.images()
    try:
        return images.name, check(images)
    except SkipError as skipped:
        windows = grounds.windows()
        try:
            return windows.name, check(windows)
        except SkipError:
            raise skipped from None


def _raised(problem: str) -> bool:
    """Whether a problem is an exception of the plugin's own: it names its line."""
    return re.search(r"\(.*, line \d+\)$", problem) is not None


def _metric(made: Component) -> tuple[str, list[Finding]]:
    declared = made.plugin.declaration
    on = "windows (T, D)" if declared.columns else ""
    return on, check_metric(made.make(), declared)


def _dataset(made: Component) -> tuple[str, list[Finding]]:
    return "", check_dataset(made.make)


def _autoencoder(made: Component) -> tuple[str, list[Finding]]:
    def on(ground: Ground) -> list[Finding]:
        x = ground.anomalies
        return check_autoencoder(lambda: made.make(tuple(x.shape[1:])), x)

    return _on_what_it_takes(on)


CHECKS: dict[str, Check] = {
    "explainer": _explainer,
    "corruption": _corruption,
    "metric": _metric,
    "data set": _dataset,
    "autoencoder": _autoencoder,
}
