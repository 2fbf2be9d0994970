"""No figure of a component changes without a new version.

Where a test here fails, either something was changed that should not have been, or the component
(or the stage of the engine) needs its next version: raise it, and `python -m tests.golden` takes
the figures anew. Figures of other versions of the libraries that had a part are not compared.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest

from aexbench.families import FAMILIES
from tests.golden import choices, figures

TOLERANCE = 1e-5  # of the greatest figure of a case: other processors round otherwise


@functools.cache
def kept() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(figures.PATH.read_text(encoding="utf-8"))
    return found


def differs(found: list[float], expected: list[float]) -> bool:
    if len(found) != len(expected):
        return True
    gap = np.abs(np.subtract(found, expected)).max(initial=0.0)
    return bool(gap > TOLERANCE * np.abs(expected).max(initial=1e-12))


@pytest.mark.parametrize(("family", "name"), figures.names())
def test_no_figure_changes_without_a_new_version(family, name):
    known, version = kept()[family][name], figures.version(family, name)
    assert version == known["version"], f"version {version} of {name}: python -m tests.golden"
    if family == "explainers" and known["libraries"] != figures.libraries(name):
        pytest.skip(f"{name}: figures are of {known['libraries']}")
    found = figures.OF[family](name)
    assert list(found) == list(known["figures"])
    changed = [case for case in found if differs(found[case], known["figures"][case])]
    assert not changed, f"{family} {name}: figures changed, and version {version} did not"


def test_nothing_is_left_out():
    assert [(family, name) for family in kept() for name in kept()[family]] == figures.names()


def shown(cases: dict[str, list[float]], text: str) -> dict[str, list[float]]:
    """Return a case's figures by the kind of data that they are of."""
    return {c.removeprefix(text): v for c, v in cases.items() if c.removeprefix(text)[:1] in " ,"}


@pytest.mark.parametrize("family", ["explainers", "corruptions", "metrics", "autoencoders"])
def test_every_documented_choice_changes_figures(family):
    """A parameter whose choices all give one figure would be without effect, or not be tried."""
    for name, one in kept()[family].items():
        plugin = FAMILIES[family].describe(name)
        default, *others = choices.cases(plugin)
        plain = shown(one["figures"], plugin.write(default))
        for case in others:
            changed = {k for k in case if case[k] != default.get(k, plugin.parameters[k].default)}
            if changed & (choices.WITHOUT_EFFECT.get(name, set()) | choices.LONGER | {"loss"}):
                continue
            assert shown(one["figures"], plugin.write(case)) != plain, (name, case)
