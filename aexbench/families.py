"""The families of plugins: explainers, datasets, corruptions, metrics, autoencoders.

Each is a `Registry` that knows what one of its plugins may declare and how it is made. Nothing
heavy is imported before a plugin is asked for.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aexbench import registry
from aexbench.declarations import (
    AutoencoderDeclaration,
    CorruptionDeclaration,
    DatasetDeclaration,
    ExplainerDeclaration,
    Limits,
    MetricDeclaration,
    Training,
)
from aexbench.errors import RequestError
from aexbench.registry import Called, Plugin, Registry
from aexbench.signatures import REQUIRED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from aexbench.contracts import Corruption, Dataset, Explainer, Metric, Untrained

Context = tuple[Any, ...]
Keywords = dict[str, Any]


@dataclass(frozen=True)
class FunctionMetric:
    """A registered function `(attributions, truth, **parameters) -> scores` as a metric."""

    function: Callable[..., Any]
    parameters: Mapping[str, Any]
    called: Called

    def score(self, attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64] | float:
        """Return the function's scores."""
        scores: NDArray[np.float64] | float = self.function(attributions, truth, **self.parameters)
        return scores

    def __repr__(self) -> str:
        from aexbench import summaries  # needs numpy

        return summaries.in_one_line(self.called)

    def _repr_html_(self) -> str:
        from aexbench import summaries

        return summaries.of_component(self.called).html()


def _explainer(
    plugin: Plugin[Any], context: Context, keywords: Keywords, called: Called
) -> Explainer:
    """Make an explainer of a function or a class, behind the door that checks each of its calls."""
    from aexbench.door import Door, FunctionExplainer  # imports torch

    (detector,) = context
    if plugin.is_class:
        return Door(plugin.target(detector, **keywords), detector, called)
    return Door(FunctionExplainer(plugin.target, detector, keywords), detector, called)


def _corruption(
    plugin: Plugin[Any], context: Context, keywords: Keywords, called: Called
) -> Corruption:
    from aexbench.single_feature import SingleFeature  # imports torch

    if plugin.is_class:
        made: Corruption = plugin.target(**keywords)
        return made
    limits: Limits = keywords.pop("shared")
    return SingleFeature(plugin.name, plugin.target, keywords, limits, plugin.offered, called)


def _metric(plugin: Plugin[Any], context: Context, keywords: Keywords, called: Called) -> Metric:
    if plugin.is_class:
        made: Metric = plugin.target(**keywords)
        return made
    return FunctionMetric(plugin.target, keywords, called)


def asks(plugin: Plugin[Any]) -> bool:
    """Whether a metric asks the model (`aexbench.probes`), rather than to judge attributions."""
    return plugin.is_class and callable(getattr(plugin.target, "probe", None))


def _autoencoder(
    plugin: Plugin[Any], context: Context, keywords: Keywords, called: Called
) -> Untrained:
    from aexbench.contracts import Untrained

    training: Training = keywords.pop("shared")
    return Untrained(plugin.target(*context, **keywords), training)


def _title_formats(plugin: Plugin[MetricDeclaration]) -> None:
    """Raise RequestError where a metric's title does not format with its parameters."""
    title, known = plugin.declaration.title, plugin.parameters
    values = {n: 0 if p.default is REQUIRED else p.default for n, p in known.items()}
    try:
        named = () if callable(title) else string.Formatter().parse(title)
        for name in (name for _, name, _, _ in named if name is not None):
            if name not in known:
                raise RequestError(f"metric {plugin.name}: its title names {name!r}, no parameter")
        plugin.declaration.titled(values)
    except RequestError:
        raise
    except Exception as error:  # a title may be a function of its author's
        raise RequestError(f"metric {plugin.name}: its title does not format: {error}") from None


def _protocol(name: str) -> Callable[[], type]:
    """Return what imports a Protocol of `contracts`, which needs numpy."""

    def imported() -> type:
        from aexbench import contracts

        protocol: type = getattr(contracts, name)
        return protocol

    return imported


explainers: Registry[Explainer, ExplainerDeclaration] = Registry(
    "explainer",
    "aexbench.explainers",
    ExplainerDeclaration,
    finish=_explainer,
    protocol=_protocol("Explainer"),
    function_context=2,
    class_context=1,
    offered=frozenset({"background"}),
)
datasets: Registry[Dataset, DatasetDeclaration] = Registry(
    "data set", "aexbench.datasets", DatasetDeclaration
)
corruptions: Registry[Corruption, CorruptionDeclaration] = Registry(
    "corruption",
    "aexbench.corruptions",
    CorruptionDeclaration,
    finish=_corruption,
    protocol=_protocol("Corruption"),
    function_context=4,
    offered=frozenset({"clean", "alarms"}),
    shared=Limits,
)
metrics: Registry[Metric, MetricDeclaration] = Registry(
    "metric",
    "aexbench.metrics",
    MetricDeclaration,
    finish=_metric,
    protocol=_protocol("Metric"),
    function_context=2,
    check=_title_formats,
)
autoencoders: Registry[Untrained, AutoencoderDeclaration] = Registry(
    "autoencoder",
    "aexbench.autoencoders",
    AutoencoderDeclaration,
    finish=_autoencoder,
    function_context=1,
    shared=Training,
)

FAMILIES: dict[str, Registry[Any, Any]] = {
    "explainers": explainers,
    "datasets": datasets,
    "corruptions": corruptions,
    "metrics": metrics,
    "autoencoders": autoencoders,
}


files: dict[Path, None] = {}  # the plugin files that were run, in their order


def load_plugin(path: str | Path) -> list[Plugin[Any]]:
    """Run a plugin file (`--plugin FILE`), and return the components that it registers, of any
    family.
    """
    found = registry.load_file(Path(path), list(FAMILIES.values()))
    files[Path(path).resolve()] = None
    return found


def family(name: str) -> Registry[Any, Any]:
    """Return the registry of a family by its plural name."""
    if name not in FAMILIES:
        raise RequestError(f"there is no family {name!r}; there are: {', '.join(FAMILIES)}")
    return FAMILIES[name]
