"""The families of plugins: explainers, datasets, corruptions, metrics."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import ArrayLike, NDArray

from aexbench import registry
from aexbench.errors import RequestError
from aexbench.registry import Plugin, Registry

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class FunctionExplainer:
    """A registered function `(detector, x, **parameters) -> attributions` as an explainer."""

    function: Callable[..., Any]
    detector: Any
    parameters: Mapping[str, Any]

    def explain(self, x: torch.Tensor) -> torch.Tensor:
        """Return the function's attributions for x."""
        return explained(
            lambda samples: self.function(self.detector, samples, **self.parameters), x
        )


@dataclass(frozen=True)
class FunctionMetric:
    """A registered function `(attributions, truth, **parameters) -> scores` as a metric."""

    function: Callable[..., Any]
    parameters: Mapping[str, Any]

    def score(self, attributions: ArrayLike, truth: ArrayLike) -> NDArray[np.float64] | float:
        """Return the function's scores."""
        scores: NDArray[np.float64] | float = self.function(attributions, truth, **self.parameters)
        return scores


def explained(
    explain: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor | ArrayLike
) -> torch.Tensor:
    """Call `explain` with a tensor and check that the attributions have its shape and are floats on
    its device.
    """
    import torch

    samples = x if isinstance(x, torch.Tensor) else torch.as_tensor(np.asarray(x))
    samples = samples if samples.is_floating_point() else samples.to(torch.get_default_dtype())
    attributions = explain(samples)
    if not isinstance(attributions, torch.Tensor):
        raise TypeError(
            f"an explainer returns a torch tensor, this one a {type(attributions).__name__}"
        )
    if attributions.shape != samples.shape:
        raise ValueError(
            f"attributions have shape {tuple(attributions.shape)}, the samples "
            f"{tuple(samples.shape)}"
        )
    if not attributions.is_floating_point():
        raise TypeError(f"attributions are {attributions.dtype}, not floats")
    return attributions.detach().to(samples.device)


def _adapt_explainer(
    plugin: Plugin, context: tuple[Any, ...], values: dict[str, Any]
) -> FunctionExplainer:
    return FunctionExplainer(plugin.target, context[0], values)


def _adapt_explainer_class(target: Any) -> None:
    """Make `explain` of a class take arrays too and check what it returns."""
    explain = target.explain
    if hasattr(explain, "__wrapped__"):
        return

    @wraps(explain)
    def checked(self: Any, x: Any) -> Any:
        return explained(lambda samples: explain(self, samples), x)

    target.explain = checked


def _adapt_corruption(plugin: Plugin, _: tuple[Any, ...], values: dict[str, Any]) -> Any:
    from aexbench.single_feature import SingleFeature  # imports torch

    shared = {name: values.pop(name) for name in inspect.signature(_corruption_limits).parameters}
    return SingleFeature(
        plugin.name, plugin.target, values, **shared, asks_clean="clean" in plugin.offered
    )


def _corruption_limits(
    *,
    threshold: Annotated[float, Ge(0), Lt(1)] | Literal["strict"] = 0.3,
    count: Annotated[int, Ge(1)] = 100,
    max_draws: Annotated[int, Ge(1)] = 100_000,
) -> None:
    """Hold the parameters that all single-feature corruptions share; see
    `aexbench.single_feature.SingleFeature`.
    """


def _adapt_metric(plugin: Plugin, _: tuple[Any, ...], values: dict[str, Any]) -> FunctionMetric:
    return FunctionMetric(plugin.target, values)


explainers = Registry(
    "explainer",
    "aexbench.explainers",
    function_context=2,
    class_context=1,
    offered=frozenset({"background"}),
    adapt_function=_adapt_explainer,
    adapt_class=_adapt_explainer_class,
    declarable={"floor": False, "images": False},  # a floor on every board; of images alone
)
# images: samples are (N, C, H, W), so the floors of images apply. licence: of the data. download:
# an `aexbench.fetching.downloads.Download`, where `aexbench data get` can fetch them. reads: a
# function from the parameters to the files that are read, by name, where it is not the parameters
# alone that say which (see `cells.component`).
datasets = Registry(
    "data set",
    "aexbench.datasets",
    declarable={"images": False, "licence": "not stated", "download": None, "reads": None},
)
corruptions = Registry(
    "corruption",
    "aexbench.corruptions",
    function_context=4,
    offered=frozenset({"clean"}),
    adapt_function=_adapt_corruption,
    shared=_corruption_limits,
    declarable={"threshold": 0.3},
)
# title: the name in tables, with the parameters filled in; pooled: one value for many samples;
# without_each: of a pooled one, a function of the same arguments that returns the value without
# each sample in turn, faster than N calls.
metrics = Registry(
    "metric",
    "aexbench.metrics",
    function_context=2,
    adapt_function=_adapt_metric,
    declarable={"higher_is_better": True, "pooled": False, "title": "", "without_each": None},
)

FAMILIES = {
    "explainers": explainers,
    "datasets": datasets,
    "corruptions": corruptions,
    "metrics": metrics,
}


def load_plugin(path: str | Path) -> None:
    """Run a plugin file (`--plugin FILE`) that registers components of any family."""
    registry.load_file(Path(path), list(FAMILIES.values()))


def family(name: str) -> Registry:
    """Return the registry of a family by its plural name."""
    if name not in FAMILIES:
        raise RequestError(f"there is no family {name!r}; there are: {', '.join(FAMILIES)}")
    return FAMILIES[name]
