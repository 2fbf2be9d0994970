"""The name of a file where that of a data set is expected: what to write is said, everywhere."""

from __future__ import annotations

import shlex

import pytest

from aexbench import RequestError, corruptions, datasets
from aexbench.running import planning
from aexbench.specs import parse

INSTEAD = {
    "rows.csv": "'file[path=rows.csv]'",
    "./rows.TSV": "'file[path=./rows.TSV]'",
    "/data/my rows.parquet": "'file[path=\"/data/my rows.parquet\"]'",
    "../a.npz": "'file[path=../a.npz]'",
    "rows.csv.gz": "'file[path=rows.csv.gz]'",
    "rows.csv[label=y]": "'file[path=rows.csv,label=y]'",
    "./rows.csv[label=y,drop=[a]]": "'file[path=./rows.csv,label=y,drop=[a]]'",
}


@pytest.mark.parametrize("text", INSTEAD)
def test_what_to_write_is_said_and_can_be_pasted(text):
    with pytest.raises(RequestError) as caught:
        datasets.create(text)
    path = text.partition("[")[0]
    assert str(caught.value) == f"{path!r} is a file, and no data set: write {INSTEAD[text]}"
    (shell,) = shlex.split(INSTEAD[text])
    name, parameters = parse(shell)
    assert (name, parameters["path"]) == ("file", path)


def test_on_the_command_line_too(aexbench_cli):
    outcome = aexbench_cli("run", "-d", "rows.csv")
    assert outcome.code == 2
    assert "write 'file[path=rows.csv]'" in outcome.err


@pytest.mark.parametrize("entry", ["rows.csv", "./rows.csv", {"name": "rows.csv", "label": "y"}])
def test_in_suites_too(entry):
    parts = {"corruptions": ["null"], "explainers": ["residual"]}
    suite = planning.from_values({"name": "x", "datasets": [entry], **parts}, "x.toml")
    with pytest.raises(RequestError, match=r"is a file, and no data set: write 'file\[path="):
        planning.plan(suite)


@pytest.mark.parametrize("text", ["rows.txt", "csv", "digit", "."])
def test_other_names_are_unknown_as_ever(text):
    with pytest.raises(RequestError) as caught:
        datasets.create(text)
    assert "is a file" not in str(caught.value)


def test_other_families_read_no_files():
    with pytest.raises(RequestError, match="unknown corruption"):
        corruptions.create("rows.csv")
