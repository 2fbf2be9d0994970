"""Cells: the frozen, readable description of one explainer on one anomaly set. Its hash names its
files.

Everything that shapes the result counts: names, parameters with their defaults, contents of files,
seeds, and the source of the components. Paths do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from aexbench import specs
from aexbench.digests import engine_source, file_digest, value_digest
from aexbench.errors import RequestError
from aexbench.registry import Plugin, Registry
from aexbench.running.controls import Control

Entry = str | dict[str, Any]
Role = Literal["explainer", "floor", "reference"]
"""What an explainer is on a board."""


class Component(BaseModel):
    """One plugin with all its parameters.

    `text` is its name with brackets for people, and `arguments` are the parameters as Python
    objects; neither counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    parameters: dict[str, Any]
    source: str
    text: str
    arguments: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)

    @property
    def identity(self) -> dict[str, Any]:
        """What counts."""
        return {"name": self.name, "parameters": self.parameters, "source": self.source}

    @cached_property
    def key(self) -> str:
        """The digest of what counts."""
        return value_digest(self.identity)


class Cell(BaseModel):
    """One explainer on one anomaly set, on the trained detector or on a control of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Component
    detector: Component
    corruption: Component
    explainer: Component
    control: Control = "none"
    control_seed: int = 0
    control_source: str = ""
    detector_seed: int = 0
    anomaly_seed: int = 0
    explainer_seed: int = 0

    @cached_property
    def detector_key(self) -> str:
        """The digest of the trained detector's description; names its weights in the store."""
        return value_digest([self.dataset.identity, self.detector.identity, self.detector_seed])

    @cached_property
    def anomaly_key(self) -> str:
        """The digest of the anomaly set's description; names its file in the store."""
        return value_digest([self.detector_key, self.corruption.identity, self.anomaly_seed])

    @cached_property
    def key(self) -> str:
        """The digest of the cell; names its record and its attributions."""
        control = [self.control, self.control_seed, self.control_source]
        return value_digest(
            [self.anomaly_key, self.explainer.identity, control, self.explainer_seed]
        )

    def __str__(self) -> str:
        on = "" if self.control == "none" else f" ({self.control} {self.control_seed})"
        return (
            f"{self.explainer.text}{on} on {self.dataset.text} / {self.corruption.text}, seed "
            f"{self.detector_seed}"
        )


def component(
    registry: Registry, entry: Entry, leave_out: frozenset[str] = frozenset()
) -> Component:
    """Return a suite's entry, a name with brackets or a table, as a checked component with all its
    parameters.

    A parameter in `leave_out` counts only where the entry sets it: the cell has it from elsewhere.
    """
    name, given = read_entry(entry)
    plugin = registry.describe(name)
    values = plugin.validate(given)
    counted = {key: value for key, value in values.items() if key not in leave_out or key in given}
    return Component(
        name=name,
        parameters=_parameters(plugin, counted),
        source=value_digest([plugin.digest, engine_source(registry.family)]),
        text=plugin.write(
            {k: Path(v.name) if isinstance(v, Path) else v for k, v in counted.items()}
        ),
        arguments=counted,
    )


def _parameters(plugin: Plugin, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON holds them; where a plugin declares which files it `reads`, these
    count, not the paths.

    `reads(**parameters)` returns the files by names of their own, wherever they lie.
    """
    reads = plugin.declaration.get("reads")
    counted = {
        key: value
        for key, value in values.items()
        if reads is None or not isinstance(value, Path | None)
    }
    plain = {key: _plain(value, f"{plugin.name}[{key}]") for key, value in counted.items()}
    if reads is None:
        return plain
    contents = sorted((name, file_digest(path)) for name, path in reads(**values).items())
    return plain | {"files": f"sha256:{value_digest(contents)}"}


def read_entry(entry: Entry) -> tuple[str, dict[str, Any]]:
    """Return name and parameters of a name with brackets, or of a table `{name = …, parameter =
    …}`.
    """
    if isinstance(entry, str):
        return specs.parse(entry)
    if not isinstance(entry.get("name"), str):
        raise RequestError(
            f"a table in a suite needs a name: {{name = ..., parameter = ...}}; got {entry}"
        )
    return entry["name"], {key: value for key, value in entry.items() if key != "name"}


def _plain(value: object, owner: str) -> Any:
    """Return a parameter as JSON holds it; a path becomes the digest of what it names."""
    if isinstance(value, Path):
        if not value.exists():
            raise RequestError(f"{owner}: there is no file {value}")
        return f"sha256:{file_digest(value)}"
    if isinstance(value, Mapping):
        return {str(key): _plain(item, owner) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, owner) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise RequestError(
        f"{owner}: a {type(value).__name__} cannot stand in a cell; use numbers, text, lists or "
        "paths"
    )
