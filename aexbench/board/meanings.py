"""What scores mean, in words: a metric's docstring says it in its first sentence."""

from __future__ import annotations

from aexbench import families
from aexbench.board.table import bare
from aexbench.components import component
from aexbench.errors import RequestError
from aexbench.running.references import references


def of_explainer(name: str) -> str:
    """Return what an explainer or a reference says of itself, by its name with brackets; nothing
    where it is not known here.

    >>> of_explainer("feature-prior")
    'how often each column is the truth on the anomalies of other units; the sample itself is not \
looked at'
    """
    base = bare(name)
    for registry in (families.explainers, references):
        if base in registry.names():
            return registry.describe(base).summary.removeprefix("Return ").rstrip(".")
    return ""


def meaning(metric: str) -> str:
    """Return what a metric is, by its name with brackets; nothing where it is not known here.

    >>> meaning("recall[top=3]")
    'for each sample the share of its true features among the 3 highest attributions'
    """
    try:
        known = component(families.metrics, metric)
    except RequestError:  # of a plugin that is not loaded
        return ""
    said = known.plugin.summary.removeprefix("Return ").rstrip(".")
    values = {name: value for name, value in known.parameters.items() if f"`{name}`" in said}
    for name, value in values.items():
        if isinstance(value, int | float):
            said = said.replace(f"`{name}`", str(value))
    words = ", ".join(f"{k} = {v}" for k, v in values.items() if not isinstance(v, int | float))
    return said.replace("`", "") + (f" ({words})" if words else "")
