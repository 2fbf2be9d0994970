"""Files of strangers: whatever they hold, a line says what is wrong, and the rest goes on."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from aexbench import files
from tests.aexbench.running.conftest import bear

COMMANDS = ("status", "leaderboard", "score", "run", "new", "prune", "pack")


@pytest.fixture
def every_command(store, go_on, aexbench_cli) -> Callable[[], dict[str, Any]]:
    """Give every command the store; none may fail in other ways than by lines that say why."""

    def outcomes() -> dict[str, Any]:
        found = {name: aexbench_cli(name, store.root) for name in ("status", "leaderboard")}
        found["new"] = go_on("-e", "input-x-gradient")
        found["score"] = aexbench_cli("score", store.root)
        found["prune"] = aexbench_cli("prune", store.root)
        found["pack"] = aexbench_cli("pack", store.root, "--to", store.root.parent / "packed")
        found["run"] = go_on()
        for name, outcome in found.items():
            lines = [line for line in outcome.err.splitlines() if not line.startswith("[")]
            assert outcome.code in (0, 1, 2), name
            assert all(line.startswith(("error: ", "warning: ")) for line in lines), (name, lines)
            assert (outcome.code < 2) or len(lines) == 1, (name, lines)
            assert all(len(line) < 1000 for line in lines), name
        return found

    return outcomes


def tensors(arrays: Mapping[str, tuple[str, tuple[int, ...], bytes]], metadata: Any) -> bytes:
    """Return a safetensors file of types that NumPy may not have."""
    head: dict[str, Any] = {"__metadata__": {files.METADATA: json.dumps(metadata)}}
    data = b""
    for name, (kind, shape, content) in arrays.items():
        ends = [len(data), len(data) + len(content)]
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": ends}
        data += content
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data


KINDS = {"float32": "F32", "float64": "F64", "int64": "I64", "bool": "BOOL"}
CAST = {
    "F16": lambda array: array.astype(np.float16).tobytes(),
    "BF16": lambda array: bytes(2 * array.size),
    "C64": lambda array: array.astype(np.complex64).tobytes(),
    "F8_E4M3": lambda array: bytes(array.size),
    "U64": lambda array: np.full(array.size, 2**64 - 1, np.uint64).tobytes(),
}


@pytest.mark.parametrize("kind", CAST)
@pytest.mark.parametrize("folder", ["attributions", "scores", "anomalies"])
def test_sidecars_of_other_kinds_of_numbers(store, every_command, folder, kind):
    path = sorted((store.root / folder).iterdir())[0]
    arrays, metadata = files.unpack(path)
    cast = {
        name: (kind, array.shape, CAST[kind](array))
        if array.dtype.kind == "f"
        else (KINDS[str(array.dtype)], array.shape, array.tobytes())
        for name, array in arrays.items()
    }
    path.write_bytes(tensors(cast, metadata))
    bear(path)
    found = every_command()
    if kind in ("BF16", "C64", "F8_E4M3"):
        told = {"scores": "status", "attributions": "score", "anomalies": "score"}[folder]
        assert found[told].code == 1


DEEP, DEEPER, LONG = "[" * 900 + "]" * 900, "[" * 100_000 + "]" * 100_000, "9" * 5000
METADATA = {
    "long label": lambda values: json.dumps(values | {"labels": ["x" * 1001]}),
    "label of 50 MB": lambda values: json.dumps(values | {"labels": ["x" * 50_000_000]}),
    "no labels": lambda values: json.dumps(values | {"labels": 5}),
    "long integer": lambda values: json.dumps(values | {"labels": [10**100]}),
    "longer integer": lambda values: '{"labels": [' + LONG + "]}",
    "no mapping": lambda values: "5",
    "nothing": lambda values: "{}",
    "deep": lambda values: '{"labels": ' + DEEP + "}",
    "deeper": lambda values: '{"labels": ' + DEEPER + "}",
}


@pytest.mark.parametrize("fault", METADATA)
@pytest.mark.parametrize("folder", ["scores", "anomalies"])
def test_sidecars_that_say_odd_things_of_themselves(store, every_command, folder, fault):
    path = sorted((store.root / folder).iterdir())[0]
    arrays, metadata = files.unpack(path)
    path.write_bytes(save(arrays, metadata={files.METADATA: METADATA[fault](metadata)}))
    bear(path)
    assert every_command()["status" if folder == "scores" else "score"].code == 1


ODD = {
    "truth is no truth": ("anomalies", "truth", lambda a: a.astype(np.float32)),
    "flat": ("anomalies", "x", lambda a: a[:, 0].copy()),
    "x is not finite": ("anomalies", "x", lambda a: a * np.nan),
    "unit is no number of one": ("anomalies", "unit", lambda a: a + 0.5),
    "label is one": ("anomalies", "label", lambda a: np.array(0)),
    "label is negative": ("anomalies", "label", lambda a: a - 1),
    "label is no number": ("anomalies", "label", lambda a: a * 1.0),
    "score of another length": ("anomalies", "score", lambda a: a[:3].copy()),
    "of fewer columns": ("attributions", "attributions", lambda a: a[:, :2].copy()),
    "not finite": ("attributions", "attributions", lambda a: a * np.nan),
    "one number": ("attributions", "attributions", lambda a: np.array(1.0)),
}


@pytest.mark.parametrize("fault", ODD)
def test_sidecars_whose_arrays_are_odd_are_not_scored(store, every_command, fault):
    folder, name, change = ODD[fault]
    path = sorted((store.root / folder).iterdir())[0]
    arrays, metadata = files.unpack(path)
    path.write_bytes(files.pack(arrays | {name: change(arrays[name])}, metadata))
    bear(path)
    assert every_command()["score"].code == 1


def replaced(text: str, place: tuple[str, ...], value: str) -> str:
    """Return the JSON of a record with a text in a place."""
    values = part = json.loads(text)
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = "@"
    return json.dumps(values).replace('"@"', value)


RECORDS = {
    "long seed": (("cell", "anomaly_seed"), "9" * 100),
    "longer seed": (("cell", "anomaly_seed"), LONG),
    "long size": (("files", "attributions", "bytes"), "9" * 100),
    "long figure": (("anomalies", "found"), "9" * 100),
    "endless figure": (("detector", "roc_auc"), "1e400"),
    "no number": (("anomalies", "median_gain"), "NaN"),
    "longer figure": (("detector", "roc_auc"), "9" * 400),
    "deep report": (("anomalies", "found"), DEEP),
    "deeper report": (("anomalies", "found"), DEEPER),
    "deep hardware": (("provenance", "hardware"), f'{{"cpu": {DEEP}}}'),
    "deep parameter": (("cell", "explainer", "parameters"), f'{{"a": {DEEP}}}'),
    "long measure": (("measures",), f'{{"a": {"9" * 400}}}'),
    "long memory": (("timing", "peak_bytes"), "9" * 100),
    "long schema": (("schema_version",), "9" * 100),
    "other schema": (("schema_version",), "true"),
    "deep": ((), DEEP),
    "deeper": ((), DEEPER),
    "long": ((), LONG),
    "empty": ((), ""),
}


@pytest.mark.parametrize("fault", RECORDS)
def test_records_that_hold_odd_things_are_named(store, every_command, fault):
    place, value = RECORDS[fault]
    path = sorted((store.root / "cells").iterdir())[0]
    path.write_text(replaced(path.read_text(), place, value) if place else value)
    found = every_command()
    assert found["status"].code == 1
    assert f"{path} is no record: " in found["status"].err


@pytest.mark.parametrize("inside", [DEEP, "9" * 5000, "x" * 20_000, "{" + "a." * 2000 + "b=1}"])
def test_records_scored_by_odd_names(store, every_command, inside):
    path = sorted((store.root / "cells").iterdir())[0]
    named = f"recall[top={inside}]"
    path.write_text(replaced(path.read_text(), ("scores",), json.dumps({named: 1.0})))
    every_command()


PLANS = {
    "long": f'{{"suite": {{"name": "faults", "metrics": [{LONG}]}}, "cells": {{}}}}',
    "deep": f'{{"suite": {{"name": "faults", "metrics": [{DEEP}]}}, "cells": {{}}}}',
    "deeper": DEEPER,
    "number": "5",
    "metric that is none": '{"suite": {"name": "faults", "metrics": [5]}, "cells": {}}',
    "metric of a long number": (
        f'{{"suite": {{"name": "faults", "metrics": ["recall[top={LONG}]"]}}, "cells": {{}}}}'
    ),
    "notes that are none": '{"suite": {"notes": 5}, "cells": {"a": 3}}',
}


@pytest.mark.parametrize("fault", PLANS)
def test_odd_plans(store, every_command, fault):
    store.path("plans", "faults").write_text(PLANS[fault])
    every_command()


@pytest.mark.parametrize("text", [LONG, DEEPER, ""])
def test_odd_timings(store, every_command, text):
    sorted((store.root / "timings").iterdir())[0].write_text(text)
    assert {outcome.code for outcome in every_command().values()} == {0}


def test_a_record_of_gigabytes_is_not_read(store, every_command):
    path = sorted((store.root / "cells").iterdir())[0]
    with path.open("r+b") as file:
        file.truncate(3 * 10**9)  # a file with a hole
    assert "it is too large" in every_command()["status"].err


SUITES = {
    "deep": f"twins = {DEEP}",
    "deeper": f"twins = {DEEPER}",
    "deep parameter": f'metrics = [{{name = "recall", top = {DEEP}}}]',
    "less deep parameter": f'metrics = [{{name = "recall", top = {"[" * 200 + "]" * 200}}}]',
    "long": f"twins = {LONG}",
    "long seed": f"seeds = [{'9' * 30}]",
    "hexadecimal": f"seeds = [0x{'f' * 5000}]",
    "deep tables": f"[{'.'.join('a' * 100_000)}]",
}


@pytest.mark.parametrize("fault", SUITES)
def test_odd_suites_are_one_line(go_on, store, aexbench_cli, fault):
    suite = store.root.parent / "faults.toml"
    suite.write_text(f"{suite.read_text()}\n{SUITES[fault]}\n")
    refused(go_on())


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "x" * 300],
        ["run", "-d", "x" * 300],
        ["run", "-d", f"file[path={'x' * 300}.csv]"],
        ["run", "-e", "x" * 300],
        ["run", "-e", f"lrp[root={DEEP}]"],
        ["run", "-e", f"lrp[root={'[' * 5000}"],
        ["run", "-e", f"lrp[low={LONG}]"],
        ["run", "-e", f"random[seed={'9' * 30}]"],
        ["run", "--plugin", f"{'x' * 300}.py"],
        ["run", "--store", "x" * 300],
        ["status", "x" * 300],
        ["pack", "STORE", "--to", "x" * 300],
        ["leaderboard", "STORE", "-m", f"recall[top={DEEP}]"],
        ["leaderboard", "STORE", "-m", f"recall[top={LONG}]"],
        ["leaderboard", "STORE", "-m", "x" * 100_000],
        ["score", "STORE", "-m", "x" * 300],
        ["score", "STORE", "-m", f"recall[top={LONG}]"],
    ],
)
def test_names_that_are_too_long_are_one_line(store, aexbench_cli, arguments):
    refused(aexbench_cli(*(store.root if part == "STORE" else part for part in arguments)))


def refused(outcome: Any) -> None:
    (line,) = outcome.err.splitlines()
    assert (outcome.code, line.startswith("error: "), len(line) < 1000) == (2, True, True)


def test_a_suite_whose_name_no_file_can_have_is_refused_before_it_runs(go_on, store):
    suite: Path = store.root.parent / "faults.toml"
    suite.write_text(suite.read_text().replace('"faults"', f'"{"x" * 300}"'))
    outcome = go_on()
    refused(outcome)
    assert "name: String should have at most 100 characters" in outcome.err


def test_a_plugin_of_300_letters_runs(go_on, store, tmp_path):
    name, path = "x" * 300, tmp_path / "long.py"
    path.write_text(
        "from aexbench import datasets, explainers\n\n\n"
        f"@explainers.register({name!r})\ndef explainer(detector, x):\n"
        '    """Return the error map."""\n    return detector.error_map(x)\n\n\n'
        f"@datasets.register({name!r})\ndef dataset():\n"
        '    """Return wine."""\n    return datasets.create("wine")\n'
    )
    assert go_on("--plugin", path, "-e", name, "-d", name).code == 0
