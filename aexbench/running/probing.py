"""Which metrics ask the model, and which cells hold what they have asked.

The probe of a metric is named by its parameters and by the version of what it asks: a new version
of what it makes of the outcome derives scores again, and asks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aexbench.components import Component
from aexbench.families import asks
from aexbench.versions import stage

if TYPE_CHECKING:
    from aexbench.running.cells import Cell


def probe_of(metric: Component) -> Component | None:
    """Return what a metric asks, as cells bear it; None where it scores attributions."""
    plugin = metric.plugin
    if not asks(plugin):
        return None
    declared = plugin.declaration.probe
    version = metric.version if declared is None else f"{stage('probe')}.{declared}"
    parameters = metric.parameters
    made = Component(name=metric.name, parameters=parameters, version=version, text=metric.text)
    made._plugin, made._arguments = plugin, metric.arguments
    return made


def probes_of(metrics: Iterable[Component]) -> list[Component]:
    """Return what some metrics ask, each once."""
    found = (probe_of(metric) for metric in metrics)
    return list({probe.key: probe for probe in found if probe is not None}.values())


def fits(metric: Component, cell: Cell) -> bool:
    """Whether a metric scores what a cell holds: attributions, or the outcome of its own probe."""
    probe = probe_of(metric)
    if probe is None or cell.probe is None:
        return probe is cell.probe
    return probe.key == cell.probe.key
