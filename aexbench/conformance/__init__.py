"""Does a plugin keep its contract? One function per family answers, for tests and for users.

Each tries a plugin and returns what becomes of every rule: a `Finding` whose problem is empty where
the rule is kept. An exception of the plugin's breaks the rule; only `SkipError` passes through.
"""

from aexbench.conformance.autoencoders import check_autoencoder
from aexbench.conformance.corruptions import check_corruption
from aexbench.conformance.datasets import check_dataset
from aexbench.conformance.explainers import check_explainer
from aexbench.conformance.findings import Finding
from aexbench.conformance.metrics import check_metric

__all__ = [
    "Finding",
    "check_autoencoder",
    "check_corruption",
    "check_dataset",
    "check_explainer",
    "check_metric",
]
