"""Which explainer answers, and why that one: the caller's, an audit's, or the default."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aexbench import families
from aexbench.components import Component, component, of_plugin
from aexbench.detector import Detector
from aexbench.digests import value_digest
from aexbench.errors import RequestError, plain
from aexbench.models import Picking
from aexbench.running.sources import identity

Entry = str | Callable[..., Any]
By = Literal["caller", "audit", "default"]

DEFAULT = "residual"
DEFAULT_REASON = (
    "the default, as on real alarms no explainer has been seen to be surely better "
    '(README, "What a ranking is worth")'
)
ASKED_REASON = "it was asked for"
AUDIT_FILE = "aexbench-audit.json"  # looked for in the current folder
OF_DATA = ("features", "scale")  # of a detector's identity: what data have given it


@dataclass(frozen=True)
class Choice:
    """An explainer, who chose it, and why."""

    component: Component
    by: By
    reason: str


def chosen(explainer: Entry | None, audit: object, detector: Detector) -> Choice:
    """Return the explainer that answers: the one asked for, else an audit's, else the default.

    Parameters
    ----------
    explainer
        A name with brackets, a function `(detector, x) -> attributions`, or a class.
    audit
        An object with `explainer` and `reason`, or the path of a JSON file with these keys.

    Raises
    ------
    RequestError
        If the explainer is unknown, or the audit cannot be read or is one of another detector.
    """
    if explainer is not None:
        return Choice(made(explainer), "caller", ASKED_REASON)
    if audit is None:
        return Choice(made(DEFAULT), "default", DEFAULT_REASON)
    name, reason, origin = _said(audit, detector)
    if name is None:
        said = f"{origin} names no explainer ({reason}); {DEFAULT_REASON}"
        return Choice(made(DEFAULT), "default", said)
    return Choice(made(name), "audit", f"chosen by {origin}: {reason.rstrip('.')}")


def made(entry: Entry) -> Component:
    """Return an explainer by its name with brackets, or of a function or class."""
    if isinstance(entry, str):
        return component(families.explainers, entry)
    if not callable(entry):
        raise RequestError(f"an explainer is a name, a function or a class, not {entry!r}")
    return of_plugin(families.explainers.adapt(entry), {})


def detector_digest(detector: Detector) -> str:
    """Return the digest that an audit names its detector by: weights, source, loss and output.

    The score scale and the Features do not count: data give them.
    """
    model = detector.model
    bare = model.model if isinstance(model, Picking) else model  # made at the first call, perhaps
    held = identity(detector.with_model(bare))
    return value_digest({key: value for key, value in held.items() if key not in OF_DATA})


def audit_here(detector: Detector) -> Path | None:
    """Return the current folder's audit file, if it is one of this detector."""
    path = Path(AUDIT_FILE)
    if path.is_file() and _read(path).get("detector") == detector_digest(detector):
        return path
    return None


def _said(audit: Any, detector: Detector) -> tuple[str | None, str, str]:
    """Return the explainer that an audit names, its reason, and what the audit is called."""
    if not isinstance(audit, str | Path):
        return audit.explainer, plain(audit.reason), "the audit"
    path = Path(audit)
    held = _read(path)
    if held.get("detector", detector_digest(detector)) != detector_digest(detector):
        raise RequestError(
            f"{path.name} is the audit of another detector: audit this one, or name an explainer"
        )
    return held["explainer"], plain(held["reason"]), f"the audit in {plain(path.name)}"


def _read(path: Path) -> dict[str, Any]:
    """Return what an audit's file holds, which may be a stranger's."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(f"there is no audit {path}") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise RequestError(f"{path.name} is no JSON file of an audit") from None
    if not isinstance(held, dict) or not _complete(held):
        raise RequestError(f'{path.name} is no audit: it lacks "explainer" or "reason"')
    return held


def _complete(held: dict[str, Any]) -> bool:
    named = isinstance(held.get("explainer", 0), str | None)
    return named and isinstance(held.get("reason"), str)
