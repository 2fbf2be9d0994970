"""Signatures of plugins: which parameters a user may set, and whether a plugin can work at all.

A parameter whose type is a dataclass stands for its fields: what several plugins share, such as how
images are divided into segments, is written once. `flattened` takes it apart, `gathered` puts it
together again.
"""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from types import CodeType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

from aexbench.declarations import Later
from aexbench.errors import RequestError

if TYPE_CHECKING:
    import pydantic

REQUIRED = inspect.Parameter.empty
BOOLEAN = r"\b(bool|Any|object|True|False)\b"  # in the text of a type that takes a truth value


@dataclass(frozen=True)
class Parameter:
    """One parameter of a plugin.

    Its name, its type as text and as object, its default (`REQUIRED` if it has none); and, of a
    field of a dataclass, the parameter that it belongs to with that parameter's default.
    """

    name: str
    type_name: str
    annotation: Any
    default: Any
    part_of: tuple[str, Any] | None = None

    def validate(self, value: object, owner: str) -> Any:
        """Return `value` converted to the parameter's type, or raise RequestError."""
        import pydantic  # not needed for --help

        if isinstance(value, bool) and not re.search(BOOLEAN, self.type_name):
            raise RequestError(f"{owner}: {self.name}={value!r} is wrong: it takes no truth value")
        try:
            return self._adapter.validate_python(value)
        except pydantic.ValidationError as error:
            raise RequestError(
                f"{owner}: {self.name}={value!r} is wrong: {_reason(error)}"
            ) from None

    def counts(self, value: object) -> bool:
        """Whether a value counts in the name of a result: not that which a parameter stood for
        before it came.
        """
        return all(value != mark.value for mark in _marks(self.annotation))

    @cached_property
    def _adapter(self) -> pydantic.TypeAdapter[Any]:
        """What checks and converts values; made once, as that costs a tenth of a millisecond."""
        import pydantic

        config = pydantic.ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)
        own = any(hasattr(self.annotation, n) for n in ("__pydantic_config__", "model_config"))
        return pydantic.TypeAdapter(self.annotation, config=None if own else config)


def _reason(error: pydantic.ValidationError) -> str:
    """Return why a value is refused; where the type is a union, with the words it may be too."""
    first, *others = error.errors()
    words = [e["ctx"]["expected"] for e in others if e["type"] == "literal_error"]
    also = [f", or {text}" for text in dict.fromkeys(words) if text not in first["msg"]]
    return f"{first['msg'][:1].lower()}{first['msg'][1:]}{''.join(also)}"


def parameters(target: Callable[..., Any], skipped: int, owner: str) -> list[Parameter]:
    """Return the parameters after the first `skipped` ones; each must have a name."""
    signature = list(inspect.signature(target).parameters.values())
    if len(signature) < skipped:
        raise RequestError(
            f"{owner} takes {len(signature)} arguments; the engine gives it {skipped}"
        )
    return [part for one in signature[skipped:] for part in _parts(target, one, owner)]


def _parts(
    target: Callable[..., Any], parameter: inspect.Parameter, owner: str
) -> Iterator[Parameter]:
    """Yield a parameter, or the fields of one whose type is a dataclass."""
    if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        raise RequestError(
            f"{owner} takes *args or **kwargs: name its parameters, so that they can be checked"
        )
    annotation = _annotation(target, parameter)
    if is_dataclass(annotation) and is_dataclass(parameter.default):
        yield from flattened(parameter.default, parameter.name)
    else:
        yield Parameter(parameter.name, _type_name(annotation), annotation, parameter.default)


def flattened(settings: Any, name: str = "") -> list[Parameter]:
    """Return the fields of a dataclass's instance as parameters, with its values as defaults.

    `name` is the parameter that takes the whole; without one the fields stay by themselves.
    """
    hints = get_type_hints(type(settings), include_extras=True)
    whole = (name, settings) if name else None
    return [
        Parameter(
            f.name, _type_name(hints[f.name]), hints[f.name], getattr(settings, f.name), whole
        )
        for f in fields(settings)
    ]


def gathered(known: Iterable[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords for a target: fields of a dataclass are put together again."""
    keywords: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    kinds: dict[str, type] = {}
    for parameter in known:
        if parameter.part_of is None:
            keywords[parameter.name] = values[parameter.name]
        else:
            name, settings = parameter.part_of
            kinds[name] = type(settings)
            parts.setdefault(name, {})[parameter.name] = values[parameter.name]
    return keywords | {name: kind(**parts[name]) for name, kind in kinds.items()}


def check_methods(target: type, protocol: type, owner: str) -> None:
    """Raise RequestError unless a class has the methods of a Protocol.

    What has no default there is given by its place, the rest by name.
    """
    for name, method in vars(protocol).items():
        if name.startswith("_") or not callable(method):
            continue
        own = getattr(target, name, None)
        if not callable(own):
            raise RequestError(f"{owner} has no method {name}: a class needs it")
        wanted = inspect.signature(method).parameters
        places = [key for key, one in wanted.items() if one.default is REQUIRED]
        keywords = [key for key in wanted if key not in places]
        try:
            inspect.signature(own).bind(*places, **dict.fromkeys(keywords))
        except TypeError:
            raise RequestError(f"{owner}: {name} must take ({', '.join(wanted)})") from None


def check_read(target: Callable[..., Any], known: Iterable[Parameter], owner: str) -> None:
    """Raise RequestError where a function or a class's `__init__` never reads a parameter."""
    function = inspect.unwrap(target.__init__ if inspect.isclass(target) else target)
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARKEYWORDS:
        return
    read = set(_names_read(code))
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for parameter in known:
        name = parameter.name if parameter.part_of is None else parameter.part_of[0]
        if name in own and name not in read:
            raise RequestError(f"{owner} takes {name} and never reads it: remove it, or use it")


def _names_read(code: CodeType) -> Iterator[str]:
    """Yield the local names that a piece of code reads; what inner functions close over too."""
    yield from code.co_cellvars
    for instruction in dis.get_instructions(code):
        if "LOAD_FAST" in instruction.opname:
            value = instruction.argval
            yield from value if isinstance(value, tuple) else (value,)


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
    except (AttributeError, NameError):  # imported for type checkers only: what the engine offers
        return Any


def _marks(annotation: Any) -> list[Later]:
    """Return the marks on a type that say since when there is a parameter."""
    known = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return [one for one in known if isinstance(one, Later)]


def _unmarked(annotation: Any) -> Any:
    """Return a type without its marks."""
    if not _marks(annotation):
        return annotation
    plain, *known = get_args(annotation)
    rest = tuple(one for one in known if not isinstance(one, Later))
    return Annotated[plain, *rest] if rest else plain


def _type_name(annotation: Any) -> str:
    annotation = _unmarked(annotation)
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    text = annotation.__name__ if plain else str(annotation)
    text = re.sub(r"Annotated\[(\w+), [^]]*\]", r"\1", text)  # bounds stand in pydantic's message
    return re.sub(r"\b(?:typing|pathlib|collections\.abc|aexbench\.frames)\.", "", text)
