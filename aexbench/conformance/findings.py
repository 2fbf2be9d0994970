"""What a check returns: each rule of a contract, and how it is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aexbench.errors import SkipError


class Finding(NamedTuple):
    """One rule of the contract, and how it is broken; an empty problem says that it is kept."""

    rule: str
    problem: str


def tried(rules: Mapping[str, Callable[..., str]], *given: Any) -> list[Finding]:
    """Return what becomes of each rule: it is given the plugin and what to try it on.

    >>> tried({"at least one": lambda count: "" if count else "there is none"}, 0)
    [Finding(rule='at least one', problem='there is none')]
    """
    return [Finding(rule, _problem(broken, *given)) for rule, broken in rules.items()]


def _problem(rule: Callable[..., str], *given: Any) -> str:
    """Return how a rule is broken; an exception of the plugin's breaks it too."""
    try:
        return rule(*given)
    except SkipError:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}".split("\n")[0]
