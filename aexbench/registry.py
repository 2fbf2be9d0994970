"""Plugins: found, described, checked and made. One Registry per family, four verbs each.

A plugin is a function or a class, registered by decorator in a component folder, by an installed
distribution's entry point, or by a file named with `--plugin`. A broken distribution is reported
and the others load; a broken file, which somebody has named, is an error.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import pkgutil
import re
import shlex
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar

from aexbench import signatures, specs
from aexbench.beside import source_digest
from aexbench.contents import content_digest
from aexbench.declarations import Declaration
from aexbench.digests import value_digest
from aexbench.docstrings import sections
from aexbench.errors import RequestError, short, unknown
from aexbench.signatures import REQUIRED, Parameter
from aexbench.waiting import waiting

Target = TypeVar("Target", bound=Callable[..., Any])
Made = TypeVar("Made")
Declared = TypeVar("Declared", bound=Declaration)


RESERVED = frozenset(
    {"chance", "default", "feature-prior", "given", "labels", "oracle", "shuffled-truth"}
)


class PluginWarning(UserWarning):
    """A plugin did not load; the text holds its traceback."""


@dataclass(frozen=True)
class Plugin(Generic[Declared]):
    """A registered function or class: what it declares, and the parameters that a user may set."""

    registry: Registry[Any, Declared]
    name: str
    target: Callable[..., Any]
    parameters: Mapping[str, Parameter]
    offered: frozenset[str]
    declaration: Declared

    @property
    def family(self) -> str:
        """What one of its family is called: `explainer`."""
        return self.registry.family

    @property
    def is_class(self) -> bool:
        """Whether it is a class; else it is a function."""
        return inspect.isclass(self.target)

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return sections(self.target.__doc__)[""].split("\n\n")[0].replace("\n", " ")

    @property
    def source(self) -> str:
        """The docstring's References section: paper and equation."""
        return " ".join(sections(self.target.__doc__).get("References", "").split())

    @cached_property
    def digest(self) -> str:
        """A hash of the source: of what the plugin does, its file, and what it has beside it."""
        return value_digest([content_digest(self.target), source_digest(self.target)])

    @property
    def version(self) -> str:
        """The declared version of what it computes; its source where it declares none."""
        declared = self.declaration.version
        return f"sha256:{self.digest}" if declared is None else str(declared)

    def validate(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Return `given` checked and completed with the defaults, in the order of the signature."""
        for name in given:
            if name not in self.parameters:
                raise unknown(f"parameter of {self.family} {self.name}", name, self.parameters)
        missing = [
            p.name
            for p in self.parameters.values()
            if p.default is REQUIRED and p.name not in given
        ]
        if missing:
            raise RequestError(
                f"{self.family} {self.name} needs {missing[0]}: write {self.name}[{missing[0]}=...]"
            )
        owner = f"{self.family} {self.name}"
        return {
            p.name: p.validate(given[p.name], owner) if p.name in given else p.default
            for p in self.parameters.values()
        }

    def __repr__(self) -> str:
        from aexbench import summaries  # needs numpy

        return summaries.of_plugin(self).text()

    def _repr_html_(self) -> str:
        from aexbench import summaries

        return summaries.of_plugin(self).html()

    def write(self, values: Mapping[str, object]) -> str:
        """Return the name with those parameters in brackets that differ from their defaults."""
        changed = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in values.items()
            if name not in self.parameters or value != self.parameters[name].default
        }
        return specs.write(self.name, changed)


@dataclass(frozen=True)
class Called:
    """What a made object is called: its plugin, and the values of all parameters."""

    plugin: Plugin[Any]
    values: Mapping[str, Any]

    @property
    def given(self) -> dict[str, Any]:
        """The values that are not the default, in words where they are no plain ones."""
        known = self.plugin.parameters
        return {
            name: in_words(value)
            for name, value in self.values.items()
            if known[name].default is REQUIRED or in_words(value) != in_words(known[name].default)
        }

    @property
    def text(self) -> str:
        """The name with what was given in brackets."""
        return specs.write(self.plugin.name, self.given)


def in_words(value: Any) -> Any:
    """Return plain values as they are, and of others the kind or the name.

    >>> in_words([1, 2]), in_words(len), in_words(Path("/home/me/rows.csv"))
    ([1, 2], 'len', 'rows.csv')
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Path):
        return value.name
    if isinstance(value, list | tuple):
        return [in_words(part) for part in value]
    return str(getattr(value, "__name__", type(value).__name__))


@dataclass
class Registry(Generic[Made, Declared]):
    """The plugins of one family.

    Parameters
    ----------
    family
        What one of them is called: `explainer`.
    package
        The package whose modules register the built-in ones; empty where there is none.
    declaration
        What `register` may be told about a plugin, with the defaults: a frozen dataclass.
    finish
        Makes an object of the family out of (plugin, context, keywords) and of what it is to be
        called; without it the plugin is called with context and keywords.
    protocol
        Returns what a class of the family must be able to do: its methods and their parameters.
    function_context, class_context
        How many leading arguments the engine gives to a registered function and to a class.
    offered
        Keyword arguments that the engine gives to those plugins that ask for them.
    shared
        A dataclass whose fields are parameters of every registered function; `finish` gets it as
        the keyword `shared`.
    check
        Called with each plugin that registers; raises RequestError for one that cannot work.
    """

    family: str
    package: str
    declaration: type[Declared]
    finish: Callable[[Plugin[Declared], tuple[Any, ...], dict[str, Any], Called], Made] | None = (
        None
    )
    protocol: Callable[[], type] | None = None
    function_context: int = 0
    class_context: int = 0
    offered: frozenset[str] = frozenset()
    shared: type | None = None
    check: Callable[[Plugin[Declared]], None] | None = None
    broken: dict[str, str] = field(default_factory=dict)
    _plugins: dict[str, Plugin[Declared]] = field(default_factory=dict)
    _of_file: set[str] | None = None  # what the plugin file that runs now has registered
    _loaded: bool = False

    def register(self, name: str, **declaration: Any) -> Callable[[Target], Target]:
        """Return a decorator that registers a function or a class under `name`.

        The typed keyword parameters of the function, or of the class's `__init__`, become the
        plugin's parameters; those of a dataclass among them are its fields. What it may declare
        stands in `aexbench.declarations`. A plugin that cannot work is refused here.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
            raise RequestError(
                f"cannot register {name!r}: use lower-case letters, digits and hyphens"
            )

        if self.package and name in RESERVED:
            raise RequestError(f"cannot register {name!r}: the engine's own is called so")

        def decorate(target: Target) -> Target:
            plugin = self.adapt(target, name, **declaration)
            known = self._plugins.get(name)
            if known is not None and self._another(known.target, target, name):
                raise RequestError(
                    f"{self.family} {name!r} is registered already, by {_origin(known.target)}: "
                    "choose another name"
                )
            self._plugins[name] = plugin
            if self._of_file is not None:
                self._of_file.add(name)
            return target

        return decorate

    def _another(self, known: Callable[..., Any], target: Callable[..., Any], name: str) -> bool:
        """Whether a name is taken by another definition. One that is run again takes its own place,
        such as a notebook's; in one file a name has one definition.
        """
        twice = self._of_file is not None and name in self._of_file
        return known is not target and (twice or not _same(known, target))

    def adapt(
        self, target: Callable[..., Any], name: str = "", **declaration: Any
    ) -> Plugin[Declared]:
        """Return the plugin that a function or class makes, without registering it."""
        named = target.func if isinstance(target, partial) else target
        known_as = getattr(named, "__name__", type(named).__name__)
        name = name or known_as.replace("_", "-").lower()
        owner = f"{self.family} {name}"
        known = [field.name for field in fields(self.declaration)]
        for key in declaration:
            if key not in known:
                raise unknown(f"declaration of {owner}", key, known)
        declared = self.declaration(**declaration)
        skipped = self.class_context if inspect.isclass(target) else self.function_context
        parameters = signatures.parameters(target, skipped, owner)
        if self.shared is not None and not inspect.isclass(target):
            own = self.shared(**{f.name: getattr(declared, f.name) for f in fields(self.shared)})
            parameters += signatures.flattened(own, "shared")
        by_name = {parameter.name: parameter for parameter in parameters}
        if len(by_name) < len(parameters):
            names = [parameter.name for parameter in parameters]
            twice = next(name for name in names if names.count(name) > 1)
            raise RequestError(f"{owner}: {twice} is a parameter that all of its family have")
        asked = self.offered & by_name.keys()
        own_ones = {key: parameter for key, parameter in by_name.items() if key not in asked}
        signatures.check_read(target, own_ones.values(), owner)
        if self.protocol is not None and inspect.isclass(target):
            signatures.check_methods(target, self.protocol(), owner)
        plugin = Plugin(self, name, target, own_ones, frozenset(asked), declared)
        if self.check is not None:
            self.check(plugin)
        return plugin

    def _registered(self) -> list[Plugin[Declared]]:
        """Return what the plugin file that runs now has registered."""
        return [plugin for name, plugin in self._plugins.items() if name in (self._of_file or ())]

    def names(self) -> list[str]:
        """Return the names of all plugins of this family, sorted."""
        self.load()
        return sorted(self._plugins)

    def describe(self, name: str) -> Plugin[Declared]:
        """Return what is known of a plugin: `summary`, `source`, `parameters` with types and
        defaults.
        """
        self.load()
        if name not in self._plugins:
            self._check_no_file(name)
            error = unknown(self.family, name, self._plugins)
            hint = (
                f" ({len(self.broken)} did not load: {', '.join(self.broken)})"
                if self.broken
                else ""
            )
            raise RequestError(f"{error}{hint}")
        return self._plugins[name]

    def read(self, text: str) -> tuple[str, dict[str, object]]:
        """Split a name with brackets into the name and its parameters, see `specs.parse`; the name
        of a file in its place is told what to write.
        """
        self._check_no_file(text)
        return specs.parse(text)

    def _check_no_file(self, text: str) -> None:
        """Raise RequestError for the name of a file, perhaps with brackets, that a plugin reads."""
        self.load()
        path, _, inside = text.partition("[")
        for plugin in self._plugins.values():
            endings = getattr(plugin.declaration, "endings", ())
            if path not in self._plugins and path.strip().lower().endswith(endings):
                spec = specs.write(plugin.name, {"path": path.strip()})
                whole = shlex.quote(f"{spec[:-1]},{inside}" if inside else spec)
                raise RequestError(f"{short(path)} is a file, and no {self.family}: write {whole}")

    def create(self, name: str, /, *context: Any, **parameters: Any) -> Made:
        """Make a plugin by its name, which may carry parameters in brackets.

        `context` is what the family works on (a detector, for explainers); what the engine offers,
        such as `background`, may always be given and reaches those who ask.
        """
        base, bracketed = self.read(name)
        with waiting(f"making {self.family} {base}"):
            return self.make(self.describe(base), context, {**bracketed, **parameters})

    def make(
        self, plugin: Plugin[Declared], context: tuple[Any, ...], given: Mapping[str, Any]
    ) -> Made:
        """Make `plugin` from the context, its parameters and what is offered."""
        values = plugin.validate({k: v for k, v in given.items() if k not in self.offered})
        offered = {name: given[name] for name in plugin.offered if name in given}
        if plugin.is_class or self.shared is None:  # a corruption is given `clean` when it draws
            for name in sorted(plugin.offered - offered.keys()):
                asked = inspect.signature(plugin.target).parameters
                if asked[name].default is REQUIRED:
                    raise RequestError(f"{plugin.family} {plugin.name} needs {name}: give {name}=…")
        keywords = signatures.gathered(plugin.parameters.values(), values) | offered
        if self.finish is None:
            made: Made = plugin.target(*context, **keywords)
            return made
        return self.finish(plugin, context, keywords, Called(plugin, values))

    def load(self) -> None:
        """Import the built-in plugins and those of installed distributions, once."""
        if self._loaded:
            return
        self._loaded = True
        if not self.package:
            return
        for module in pkgutil.iter_modules(
            getattr(importlib.import_module(self.package), "__path__", []), f"{self.package}."
        ):
            if not module.name.endswith(".tools"):
                self._attempt(module.name, partial(importlib.import_module, module.name))
        for entry in importlib.metadata.entry_points(group=self.package):
            self._attempt(f"{entry.name} ({entry.value})", partial(self._load_entry, entry))

    def _load_entry(self, entry: importlib.metadata.EntryPoint) -> None:
        target = entry.load()
        if callable(target) and not any(_same(p.target, target) for p in self._plugins.values()):
            self.register(entry.name)(target)

    def _attempt(self, what: str, load: Callable[[], object]) -> None:
        """Load one plugin; a broken one is kept by name with its traceback, and warned of."""
        try:
            load()
        except (Exception, SystemExit):
            self.broken[what] = traceback.format_exc()
            warnings.warn(PluginWarning(f"{what} did not load:\n{self.broken[what]}"), stacklevel=3)


def load_file(path: Path, families: Sequence[Registry[Any, Any]]) -> list[Plugin[Any]]:
    """Run a plugin file, and return what it registers; that is there afterwards.

    Raises
    ------
    RequestError
        If there is none, or it breaks: its file and line, and why. Nothing of it is registered.
    """
    path = path.resolve()
    if not os.path.isfile(path):  # nor is what is too long for a path
        raise RequestError(f"there is no plugin file {path}")
    name = f"aexbench_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}"
    content = path.read_bytes()
    if name in sys.modules and getattr(sys.modules[name], "__aexbench__", content) == content:
        return list(getattr(sys.modules[name], "__registered__", []))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RequestError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    module.__aexbench__ = content  # type: ignore[attr-defined]  # edited since, it is run again
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # helpers that lie beside it
    for family in families:
        family.load()
    before = [dict(family._plugins) for family in families]
    for family in families:
        family._of_file = set()
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        for family, plugins in zip(families, before, strict=True):  # what it has registered goes
            family._plugins = plugins
        raise RequestError(f"plugin {_place(error, path)}: {_reason(error)}") from error
    else:
        found = [plugin for family in families for plugin in family._registered()]
        module.__registered__ = found  # type: ignore[attr-defined]  # for who asks again
        return found
    finally:
        for family in families:
            family._of_file = None


def in_plugin_file(frame: FrameType) -> bool:
    """Whether what runs in a frame was defined in a plugin file."""
    return "__aexbench__" in frame.f_globals


def _place(error: BaseException, path: Path) -> str:
    """Return the file and line of a plugin where an error comes from."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}, line {error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
    return f"{path.name}, line {frames[-1].lineno}" if frames else path.name


def _reason(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    first = str(text).partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _origin(target: Any) -> str:
    """Return where a target is defined: a plugin file with its line, or a module."""
    module = sys.modules.get(target.__module__)
    if module is None or not hasattr(module, "__aexbench__"):
        return str(target.__module__)
    try:
        _, line = inspect.getsourcelines(target)
    except (OSError, TypeError):  # made by something else than a definition
        return str(module.__file__)
    return f"{module.__file__}, line {line}"


def _same(one: Any, other: Any) -> bool:
    """Whether two targets are one definition, perhaps imported twice."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
