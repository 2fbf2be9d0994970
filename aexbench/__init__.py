"""aexbench: which explainer of an autoencoder's anomalies can be trusted, on which data, at what
cost?

Importing this package imports neither torch nor a plugin; names are loaded where they are first
used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aexbench.auditing import Audit, audit
    from aexbench.contracts import AnomalySet, Corruption, Dataset, Explainer, Metric
    from aexbench.detector import Detector
    from aexbench.errors import RequestError, SkipError
    from aexbench.evaluation import evaluate
    from aexbench.explaining import explain
    from aexbench.features import Features
    from aexbench.results import Results, open
    from aexbench.running.matrix import run
    from aexbench.single_feature import Proposal

__version__ = "0.1.0"

_HOMES = {
    "AnomalySet": "contracts",
    "Audit": "auditing",
    "Corruption": "contracts",
    "Dataset": "contracts",
    "Detector": "detector",
    "Explainer": "contracts",
    "Features": "features",
    "Metric": "contracts",
    "Proposal": "single_feature",
    "RequestError": "errors",
    "Results": "results",
    "SkipError": "errors",
    "audit": "auditing",
    "evaluate": "evaluation",
    "explain": "explaining",
    "open": "results",
    "run": "running.matrix",
}

_FAMILIES = ("autoencoders", "corruptions", "datasets", "explainers", "metrics")

__all__ = [
    "AnomalySet",
    "Audit",
    "Corruption",
    "Dataset",
    "Detector",
    "Explainer",
    "Features",
    "Metric",
    "Proposal",
    "RequestError",
    "Results",
    "SkipError",
    "audit",
    "evaluate",
    "explain",
    "open",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _FAMILIES:
        return importlib.import_module(f"aexbench.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'aexbench' has no attribute {name!r}")
    return getattr(importlib.import_module(f"aexbench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_FAMILIES})
