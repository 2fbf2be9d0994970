"""Variants of a suite: it declares parameters with defaults, its entries name them (`{rows}`), and
brackets behind its name give other values, `paper-sql[rows=100_000]`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from aexbench import specs
from aexbench.digests import value_digest
from aexbench.errors import RequestError, short, unknown

NAMED = re.compile(r"\{(\w+)\}")
BRACKETS = re.compile(r"(?P<base>[^\[]+)\[(?P<inside>.*)\]\s*", re.DOTALL)
Value = bool | int | float | str
Values = Mapping[str, Any]


def split(text: str) -> tuple[str, dict[str, object]]:
    """Return the name or the file of a suite, and the parameters in brackets behind it.

    >>> split("paper-sql[rows=100_000]")
    ('paper-sql', {'rows': 100000})
    """
    found = BRACKETS.fullmatch(text) if len(text) <= specs.MOST else None
    if found is None or os.path.isfile(text):
        return text, {}
    return found["base"].strip(), specs.inside(found["inside"], text)


def varied(suite: Values, given: Values, origin: str) -> dict[str, Any]:
    """Return a suite's values with other parameters, under a name that tells which, so that results
    of variants lie apart: `paper-sql-rows-100000`.
    """
    declared = suite.get("parameters", {})
    for name, value in given.items():
        if name not in declared:
            raise unknown(f"parameter of suite {origin}", name, declared)
        _check(f"parameter {name} of suite {origin}", value, declared[name])
    changed = [f"{k}-{given[k]}" for k, v in declared.items() if k in given and given[k] != v]
    name = _tidy("-".join([str(suite.get("name")), *changed]))
    return {**suite, "name": name, "parameters": {**declared, **given}} if changed else {**suite}


def _tidy(name: str) -> str:
    """Return a name of a folder; one that stands for others as well has a digest behind it.

    >>> _tidy("mine-rows-9"), _tidy("mine-title-a b")
    ('mine-rows-9', 'mine-title-a-b-dba18430')
    """
    tidy = re.sub(r"[^\w.-]+", "-", name)
    return tidy if tidy == name else f"{tidy}-{value_digest(name)[:8]}"


def check_declared(declared: Values, places: object, origin: str) -> None:
    """Raise RequestError unless parameters are plain values that some entry there names."""
    named = NAMED.findall(str(places))
    for name, value in declared.items():
        if not isinstance(value, bool | int | float | str):
            raise RequestError(
                f"suite {origin}: parameter {name} is a number, a text, or true or false; got "
                f"{short(str(value))}"
            )
        if name not in named:
            raise RequestError(
                f"suite {origin}: no entry names the parameter {name}: write {{{name}}} there"
            )


def _check(what: str, value: object, default: object) -> None:
    """Raise RequestError unless a value is of the kind of the default."""
    kinds = (int, float) if type(default) is float else (type(default),)
    if type(value) not in kinds:
        raise RequestError(f"{what} is like {default!r}; got {short(str(value))}")


def filled(value: Any, parameters: Mapping[str, Value], origin: str) -> Any:
    """Return an axis, an entry or a parameter of one with the values of the suite's parameters in
    the places that name them.

    >>> filled(["sql-workload[rows={rows}]", {"name": "mvtec", "size": "{rows}"}], {"rows": 9}, "s")
    ['sql-workload[rows=9]', {'name': 'mvtec', 'size': 9}]
    """
    if isinstance(value, Mapping):
        return {key: filled(part, parameters, origin) for key, part in value.items()}
    if isinstance(value, list):
        return [filled(part, parameters, origin) for part in value]
    if not isinstance(value, str):
        return value
    for name in NAMED.findall(value):
        if name not in parameters:
            raise unknown(f"parameter of suite {origin}", name, parameters)
    whole = NAMED.fullmatch(value)
    if whole is not None:
        return parameters[whole[1]]
    return NAMED.sub(lambda found: specs.literal(parameters[found[1]]), value)
