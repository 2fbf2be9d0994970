"""What scores mean, in words: a metric's docstring says it in its first sentence."""

from __future__ import annotations

from aexbench import families
from aexbench.components import component
from aexbench.errors import RequestError


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
