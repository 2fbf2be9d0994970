"""Components: one plugin with its parameters, as suites, cells and records name it.

What counts is the name, the parameters with their defaults, the contents of files, and the version.
Paths do not, nor the source: that stands in the provenance of a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeGuard

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidatorFunctionWrapHandler

from aexbench import specs
from aexbench.digests import LEAST, MOST, file_digest, value_digest
from aexbench.errors import RequestError, plain, short
from aexbench.registry import Plugin, Registry
from aexbench.versions import stage

Entry = str | dict[str, Any]
TITLE = "title"  # in a table of a suite: what people see, and no parameter
MOST_TITLE = 60  # characters
MOST_READ = 10_000  # components that are kept to be read once


class Component(BaseModel):
    """One plugin with all its parameters; `text` is its name with brackets for people.

    One that was read from a record can be shown and compared, and not made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    parameters: dict[str, Any]
    version: str
    text: str
    _plugin: Plugin[Any] | None = PrivateAttr(default=None)
    _arguments: dict[str, Any] = PrivateAttr(default_factory=dict)
    _title: str = PrivateAttr(default="")

    @property
    def title(self) -> str:
        """What its suite calls it for people; empty where it calls it nothing, and of one that was
        read from a record.
        """
        return self._title

    @property
    def shown(self) -> str:
        """What people see of it: its title, or else its text."""
        return self._title or self.text

    def titled(self, title: str) -> Component:
        """Return it under a title, with which nothing else of it changes."""
        self._title = title
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """What counts."""
        return {"name": self.name, "parameters": self.parameters, "version": self.version}

    @cached_property
    def key(self) -> str:
        """The digest of what counts."""
        return value_digest(self.identity)

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def plugin(self) -> Plugin[Any]:
        """The registered function or class; RequestError where it is not known here."""
        if self._plugin is None:
            raise RequestError(f"{self.text} was read from a record: name it to make it")
        return self._plugin

    @property
    def arguments(self) -> dict[str, Any]:
        """The parameters as Python objects."""
        return self._arguments

    @property
    def source(self) -> str:
        """The digest of the source that makes it; empty where that is not known here."""
        return "" if self._plugin is None else self._plugin.digest

    def make(self, *context: Any, **offered: Any) -> Any:
        """Make it from its context, its parameters, and what the engine offers or adds."""
        return self.plugin.registry.make(self.plugin, context, {**offered, **self._arguments})


_read: dict[str, Component] = {}


def read_once(value: object, validate: ValidatorFunctionWrapHandler) -> Any:
    """Return a component of a record, checked where it is the first of its content: thousands of
    records name the same few.
    """
    if type(value) is not dict:
        return validate(value)
    content = repr(value)
    found = _read.get(content)
    if found is None:
        if len(_read) >= MOST_READ:
            _read.clear()
        found = _read[content] = validate(value)
    return found


def component(
    registry: Registry[Any, Any], entry: Entry, leave_out: frozenset[str] = frozenset()
) -> Component:
    """Return a suite's entry, a name with brackets or a table, as a checked component.

    A parameter in `leave_out` counts only where the entry sets it: the cell has it from elsewhere.
    """
    name, given = registry.read(entry) if isinstance(entry, str) else read_entry(entry)
    return of_plugin(registry.describe(name), given, leave_out).titled(title_of(entry))


def of_plugin(
    plugin: Plugin[Any], given: Mapping[str, Any], leave_out: frozenset[str] = frozenset()
) -> Component:
    """Return a plugin with parameters, completed with the defaults, as a component."""
    values = plugin.validate(given)
    counted = {k: value for k, value in values.items() if k not in leave_out or k in given}
    shown = {k: Path(v.name) if isinstance(v, Path) else v for k, v in counted.items()}
    made = Component(
        name=plugin.name,
        parameters=_parameters(plugin, counted),
        version=f"{stage(plugin.family)}.{plugin.version}",
        text=plugin.write(shown),
    )
    made._plugin, made._arguments = plugin, counted
    return made


def read_entry(entry: Entry) -> tuple[str, dict[str, Any]]:
    """Return name and parameters of a name with brackets, or of a table `{name = …, parameter =
    …}`; its title is none of them.
    """
    if isinstance(entry, str):
        return specs.parse(entry)
    if not isinstance(entry.get("name"), str):
        raise RequestError(
            f"a table in a suite needs a name: {{name = ..., parameter = ...}}; got {entry}"
        )
    return entry["name"], {k: value for k, value in entry.items() if k not in ("name", TITLE)}


def title_of(entry: Entry) -> str:
    """Return what a suite calls an entry for people, nothing where it does not say; RequestError
    where that is no short text.

    >>> title_of({"name": "wine", "title": "grapes"}), title_of("wine")
    ('grapes', '')
    """
    if isinstance(entry, str) or TITLE not in entry:
        return ""
    title = entry[TITLE]
    if not is_title(title):
        raise RequestError(
            f"a title is one line of 1 to {MOST_TITLE} characters that one can see, without blanks "
            f"around it; got {short(str(title))} for {entry.get('name')}"
        )
    return str(title)


def is_title(value: object) -> TypeGuard[str]:
    """Whether a value is a title: one line that one can see, not long, without blanks around it.

    >>> is_title("grapes"), is_title("grapes "), is_title("two\\nlines"), is_title(3)
    (True, False, False, False)
    """
    if not isinstance(value, str) or not 0 < len(value) <= MOST_TITLE:
        return False
    return value.strip() == value == plain(value)


def _parameters(plugin: Plugin[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON holds them; where a plugin declares which files it `reads`, these
    count, not the paths.

    `reads(**parameters)` returns the files by names of their own, wherever they lie.
    """
    reads = getattr(plugin.declaration, "reads", None)
    counted = {
        k: value
        for k, value in values.items()
        if (reads is None or not isinstance(value, Path | None))
        and plugin.parameters[k].counts(value)
    }
    plain = {key: _plain(value, f"{plugin.name}[{key}]") for key, value in counted.items()}
    if reads is None:
        return plain
    contents = sorted((name, file_digest(path)) for name, path in reads(**values).items())
    return plain | {"files": f"sha256:{value_digest(contents)}"}


def _plain(value: object, owner: str) -> Any:
    """Return a parameter as JSON holds it; a path becomes the digest of what it names."""
    if isinstance(value, Path):
        if not value.exists():
            raise RequestError(f"{owner}: there is no file {value}")
        return f"sha256:{file_digest(value)}"
    if isinstance(value, Mapping):
        return {str(key): _plain(item, owner) for key, item in value.items()}
    if isinstance(value, int) and not LEAST <= value <= MOST:
        raise RequestError(f"{owner}: an integer of more than 64 bits cannot stand in a cell")
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, owner) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise RequestError(
        f"{owner}: a {type(value).__name__} cannot stand in a cell; use numbers, text, lists or "
        "paths"
    )
