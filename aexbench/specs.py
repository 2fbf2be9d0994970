"""Names with parameters in brackets, `lrp[root=joint,first=w2]`: how people name components
everywhere.

The same grammar serves the command line, suites, leaderboards and records.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping

from aexbench.errors import RequestError, short

_SPEC = re.compile(r"\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<inside>.*)\]\s*)?", re.DOTALL)
MOST = 10_000  # characters; longer ones take long to be read
_PLAIN = re.compile(r"[\w./:~+-]+")


def parse(text: str) -> tuple[str, dict[str, object]]:
    """Split a name with brackets into the name and its parameters.

    A value is read as TOML where it is a number, a boolean, a quoted string or a list, and as text
    otherwise.

    >>> parse("lrp[root=0.5,first=z-box]")
    ('lrp', {'root': 0.5, 'first': 'z-box'})
    """
    match = _SPEC.fullmatch(text) if len(text) <= MOST else None
    if match is None:
        raise RequestError(f"cannot read {short(text)}: write name or name[parameter=value,...]")
    return match["name"], inside(match["inside"] or "", text)


def inside(brackets: str, text: str) -> dict[str, object]:
    """Return the parameters that stand between the brackets of a text.

    >>> inside("root=0.5,first=z-box", "lrp[root=0.5,first=z-box]")
    {'root': 0.5, 'first': 'z-box'}
    """
    pairs = [_pair(part, text) for part in _split(brackets, text)]
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise RequestError(f"a parameter stands twice in {short(text)}")
    return parameters


def write(name: str, parameters: Mapping[str, object]) -> str:
    """Return the name with brackets that `parse` reads back.

    >>> write("mlp", {"widths": [16, 8], "output": "sigmoid"})
    'mlp[widths=[16, 8],output=sigmoid]'
    """
    inside = ",".join(f"{key}={literal(value)}" for key, value in parameters.items())
    return f"{name}[{inside}]" if inside else name


def _split(inside: str, text: str) -> Iterator[str]:
    """Yield the parts between commas that stand outside of quotes and inner brackets."""
    part, depth, quote, escaped = "", 0, "", False
    for character in inside:
        if quote:
            quote = "" if character == quote and not escaped else quote
            escaped = character == "\\" and not escaped and quote == '"'
        elif character in "\"'":
            quote = character
        elif character in "[]":
            depth += 1 if character == "[" else -1
        if character == "," and depth == 0 and not quote:
            yield part
            part = ""
        else:
            part += character
    if depth != 0 or quote:
        raise RequestError(f"brackets or quotes do not close in {short(text)}")
    if part.strip():
        yield part


def _pair(part: str, text: str) -> tuple[str, object]:
    key, equals, value = part.partition("=")
    if not equals or not key.strip():
        raise RequestError(
            f"cannot read {short(part.strip())} in {short(text)}: write parameter=value"
        )
    return key.strip(), _value(value.strip())


def _value(raw: str) -> object:
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        if raw.startswith("[") and raw.endswith("]"):  # a list of words without quotes
            return [_value(part.strip()) for part in _split(raw[1:-1], raw)]
        return raw
    except (RecursionError, ValueError) as error:  # thousands of brackets, or of digits
        raise RequestError(f"cannot read {short(raw)}: it is too deep or too long") from error
    return value if isinstance(value, str | bool | int | float | list) else raw


def literal(value: object) -> str:
    """Return a value as brackets hold it."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and _value(value) == value:
        return value
    return "".join(map(_shown, json.dumps(value, ensure_ascii=False)))


def _shown(character: str) -> str:
    """Return a character that nobody sees, or that a terminal obeys, as TOML escapes it."""
    if character.isprintable() or "\ud800" <= character <= "\udfff":  # a half of one has no escape
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
