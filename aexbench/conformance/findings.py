"""What a check returns: each rule of a contract, and how it is broken."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aexbench.errors import SkipError, line
from aexbench.registry import in_plugin_file


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
    except (Exception, SystemExit) as error:
        return f"{line(error)}{_place(error)}"


def _place(error: BaseException) -> str:
    """Return in brackets the line of a plugin file that an error comes from, if it is from one."""
    frames = traceback.walk_tb(error.__traceback__)
    own = [(frame.f_code.co_filename, at) for frame, at in frames if in_plugin_file(frame)]
    return f" ({Path(own[-1][0]).name}, line {own[-1][1]})" if own else ""
