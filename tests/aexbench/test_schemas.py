"""The published schema is that of the models, of the records of a run, and in the wheel."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import aexbench
from aexbench import schemas
from aexbench.running.store import Record

ROOT = Path(__file__).parents[2]


def test_the_published_schema_is_that_of_the_models():
    assert schemas.RECORD.read_text(encoding="utf-8") == schemas.record(), (
        "a record has changed: python -m aexbench.schemas writes its schema anew"
    )


def test_one_command_writes_it_anew(tmp_path):
    code = (
        "import pathlib, runpy, aexbench.schemas as schemas;"
        f"schemas.RECORD = pathlib.Path({str(tmp_path / 'record.json')!r});"
        "runpy.run_module('aexbench.schemas', run_name='__main__')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "record.json").read_text(encoding="utf-8") == schemas.record()


def described(value: object, schema: dict, root: dict) -> bool:
    """Whether every key of a value has a place in its schema, as far as that names keys."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    options = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    if options:
        return value is None or any(described(value, one, root) for one in options)
    known, rest = schema.get("properties"), schema.get("additionalProperties", {})
    if not isinstance(value, dict) or (known is None and not rest):
        return True
    places = {key: (known or {}).get(key, rest if known is None else None) for key in value}
    return all(
        place is not None and described(value[key], place, root) for key, place in places.items()
    )


def test_records_of_a_run_are_what_the_schema_describes(tmp_path):
    schema = json.loads(schemas.RECORD.read_text(encoding="utf-8"))
    suite = {"name": "x", "datasets": ["wine"], "corruptions": ["random[count=5]"]}
    suite |= {"explainers": ["residual", "lrp[first=w2]"], "twins": 1}
    aexbench.run(suite, tmp_path / "store", in_process=True)
    texts = [path.read_text() for path in (tmp_path / "store" / "cells").iterdir()]
    assert len(texts) > 10
    for values in map(json.loads, texts):
        assert Record.model_validate(values).model_dump(mode="json") == values
        assert described(values, schema, schema)
        assert set(schema["required"]) <= values.keys()
        assert set(values["files"]) >= {"attributions", "anomalies", "scores"}
    assert not described(values | {"other": 1}, schema, schema)
    assert not described(values | {"cell": values["cell"] | {"other": 1}}, schema, schema)


@pytest.mark.parametrize("ending", ["css", "html", "js", "json", "toml"])
def test_what_packages_read_is_in_the_wheel(ending):
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent for path in (ROOT / "aexbench").rglob(f"*.{ending}")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert names
    assert names <= set(setuptools["packages"])
    assert all(f"*.{ending}" in setuptools["package-data"][name] for name in names)
