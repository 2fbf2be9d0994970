"""Plugins: found, described, checked and made. One Registry per family, four verbs each.

A plugin is a function or a class, registered by decorator in a component folder, by an installed
distribution's entry point, or by a file named with `--plugin`. A broken one is reported and the
others load.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import pkgutil
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from aexbench import specs
from aexbench.digests import source_digest
from aexbench.errors import RequestError, unknown

Target = TypeVar("Target", bound=Callable[..., Any])
REQUIRED = inspect.Parameter.empty


class PluginWarning(UserWarning):
    """A plugin did not load; the text holds its traceback."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a plugin: its name, its type as text and as object, its default (`REQUIRED`
    if it has none).
    """

    name: str
    type_name: str
    annotation: Any
    default: Any

    def validate(self, value: object, owner: str) -> Any:
        """Return `value` converted to the parameter's type, or raise RequestError."""
        import pydantic  # not needed for --help

        try:
            config = pydantic.ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)
            own = hasattr(self.annotation, "__pydantic_config__") or hasattr(
                self.annotation, "model_config"
            )
            return pydantic.TypeAdapter(
                self.annotation, config=None if own else config
            ).validate_python(value)
        except pydantic.ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise RequestError(
                f"{owner}: {self.name}={value!r} is wrong: {reason[:1].lower()}{reason[1:]}"
            ) from None


@dataclass(frozen=True)
class Plugin:
    """A registered function or class: what it declares, and the parameters that a user may set."""

    family: str
    name: str
    target: Callable[..., Any]
    parameters: Mapping[str, Parameter]
    offered: frozenset[str]
    declaration: Mapping[str, Any]

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return inspect.cleandoc(self.target.__doc__ or "").split("\n\n")[0].replace("\n", " ")

    @property
    def source(self) -> str:
        """The docstring's References section: paper and equation."""
        document = inspect.cleandoc(self.target.__doc__ or "")
        match = re.search(
            r"^References\n-+\n(.*?)(?=\n\n\S|\Z)", document, re.DOTALL | re.MULTILINE
        )
        return " ".join(match[1].split()) if match else ""

    @cached_property
    def digest(self) -> str:
        """A hash of the source text: of the plugin's file, or of all files of its package."""
        return source_digest(self.target)

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

    def write(self, values: Mapping[str, object]) -> str:
        """Return the name with those parameters in brackets that differ from their defaults."""
        changed = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in values.items()
            if name not in self.parameters or value != self.parameters[name].default
        }
        return specs.write(self.name, changed)


@dataclass
class Registry:
    """The plugins of one family.

    Parameters
    ----------
    family
        What one of them is called: `explainer`.
    package
        The package whose modules register the built-in ones.
    function_context, class_context
        How many leading arguments the engine gives to a registered function and to a class.
    offered
        Keyword arguments that the engine gives to those plugins that ask for them.
    adapt_function
        Makes an object of the family out of (plugin, context, keywords); without it the function
        itself is called.
    shared
        A function whose parameters every registered function of the family has too;
        `adapt_function` takes them.
    adapt_class
        Changes a class when it is registered.
    declarable
        What `register` may be told about a plugin, with the defaults.
    """

    family: str
    package: str
    function_context: int = 0
    class_context: int = 0
    offered: frozenset[str] = frozenset()
    adapt_function: Callable[[Plugin, tuple[Any, ...], dict[str, Any]], Any] | None = None
    shared: Callable[..., Any] | None = None
    adapt_class: Callable[[Any], Any] | None = None
    declarable: Mapping[str, Any] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    _plugins: dict[str, Plugin] = field(default_factory=dict)
    _loaded: bool = False

    def register(self, name: str, **declaration: Any) -> Callable[[Target], Target]:
        """Return a decorator that registers a function or a class under `name`.

        The typed keyword parameters of the function, or of the class's `__init__`, become the
        plugin's parameters.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
            raise RequestError(
                f"cannot register {name!r}: use lower-case letters, digits and hyphens"
            )

        def decorate(target: Target) -> Target:
            plugin = self.adapt(target, name, **declaration)
            if name in self._plugins and not _same(self._plugins[name].target, target):
                other = self._plugins[name].target.__module__
                raise RequestError(
                    f"{self.family} {name!r} is registered already, by {other}: choose another name"
                )
            self._plugins[name] = plugin
            return target

        return decorate

    def adapt(self, target: Callable[..., Any], name: str = "", **declaration: Any) -> Plugin:
        """Return the plugin that a function or class makes, without registering it."""
        for key in declaration:
            if key not in self.declarable:
                raise unknown(f"declaration of {self.family} {name}", key, self.declarable)
        is_class = inspect.isclass(target)
        if is_class and self.adapt_class is not None:
            self.adapt_class(target)
        skipped = self.class_context if is_class else self.function_context
        parameters = {p.name: p for p in _parameters(target, skipped, f"{self.family} {name}")}
        if not is_class and self.shared is not None:
            for shared in _parameters(self.shared, 0, self.family):
                parameters[shared.name] = replace(
                    shared, default=declaration.get(shared.name, shared.default)
                )
        asked = self.offered & parameters.keys()
        own = {key: parameter for key, parameter in parameters.items() if key not in asked}
        name = name or getattr(target, "__name__", "unnamed").replace("_", "-").lower()
        return Plugin(
            self.family, name, target, own, frozenset(asked), {**self.declarable, **declaration}
        )

    def names(self) -> list[str]:
        """Return the names of all plugins of this family, sorted."""
        self.load()
        return sorted(self._plugins)

    def describe(self, name: str) -> Plugin:
        """Return what is known of a plugin: `summary`, `source`, `parameters` with types and
        defaults.
        """
        self.load()
        if name not in self._plugins:
            error = unknown(self.family, name, self._plugins)
            hint = (
                f" ({len(self.broken)} did not load: {', '.join(self.broken)})"
                if self.broken
                else ""
            )
            raise RequestError(f"{error}{hint}")
        return self._plugins[name]

    def create(self, name: str, /, *context: Any, **parameters: Any) -> Any:
        """Make a plugin by its name, which may carry parameters in brackets.

        `context` is what the family works on (a detector, for explainers); what the engine offers,
        such as `background`, may always be given and reaches those who ask.
        """
        base, bracketed = specs.parse(name)
        return self.make(self.describe(base), context, {**bracketed, **parameters})

    def make(self, plugin: Plugin, context: tuple[Any, ...], given: Mapping[str, Any]) -> Any:
        """Make `plugin` from the context, its parameters and what is offered."""
        values = plugin.validate(
            {key: value for key, value in given.items() if key not in self.offered}
        )
        values |= {key: given[key] for key in plugin.offered if key in given}
        if inspect.isclass(plugin.target) or self.adapt_function is None:
            asked = inspect.signature(plugin.target).parameters
            for name in sorted(plugin.offered - values.keys()):
                if asked[name].default is inspect.Parameter.empty:
                    raise RequestError(f"{plugin.family} {plugin.name} needs {name}: give {name}=…")
            return plugin.target(*context, **values)
        return self.adapt_function(plugin, context, values)

    def load(self) -> None:
        """Import the built-in plugins and those of installed distributions, once."""
        if self._loaded:
            return
        self._loaded = True
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


def load_file(path: Path, families: Sequence[Registry]) -> None:
    """Run a plugin file: what it registers is there afterwards; a broken one is reported and raises
    nothing.
    """
    path = path.resolve()
    if not path.is_file():
        raise RequestError(f"there is no plugin file {path}")
    name = f"aexbench_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RequestError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    for family in families:
        family.load()
    before = [dict(family._plugins) for family in families]
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit):
        del sys.modules[name]
        report = traceback.format_exc()
        for family, plugins in zip(
            families, before, strict=True
        ):  # what it has registered goes with it
            family._plugins = plugins
            family.broken[str(path.name)] = report
        warnings.warn(PluginWarning(f"{path} did not load:\n{report}"), stacklevel=2)


def _same(one: Any, other: Any) -> bool:
    """Whether two targets are one definition, perhaps imported twice."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _parameters(target: Callable[..., Any], skipped: int, owner: str) -> Iterator[Parameter]:
    """Yield the parameters after the first `skipped` ones."""
    signature = list(inspect.signature(target).parameters.values())
    if len(signature) < skipped:
        raise RequestError(
            f"{owner} takes {len(signature)} arguments; the engine gives it {skipped}"
        )
    for parameter in signature[skipped:]:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            raise RequestError(
                f"{owner} takes *args or **kwargs: name its parameters, so that they can be checked"
            )
        annotation = _annotation(target, parameter)
        yield Parameter(parameter.name, _type_name(annotation), annotation, parameter.default)


def _annotation(target: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """Return a parameter's type; an annotation that is text is evaluated where the plugin was
    defined.
    """
    if parameter.annotation is inspect.Parameter.empty:
        default = parameter.default
        return Any if default is REQUIRED or default is None else type(default)
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    home = target.__init__ if inspect.isclass(target) else target
    try:
        return eval(parameter.annotation, getattr(home, "__globals__", {}))
    except (
        NameError
    ):  # a name imported for type checkers only: what the engine offers, such as a tensor
        return Any


def _type_name(annotation: Any) -> str:
    text = (
        annotation.__name__
        if isinstance(annotation, type) and not hasattr(annotation, "__args__")
        else str(annotation)
    )
    text = re.sub(
        r"Annotated\[(\w+), [^]]*\]", r"\1", text
    )  # the bounds stand in pydantic's message
    return re.sub(r"\b(?:typing|pathlib|collections\.abc)\.", "", text)
