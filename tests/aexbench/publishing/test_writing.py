"""A publication renews what it wrote, and touches nothing else."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from aexbench import RequestError
from aexbench.publishing import charts, publish, writing
from aexbench.running.packed import open_store
from tests.aexbench.publishing.conftest import RESULTS

ONE = {"index.html": b"1", "explainers/a.html": b"a"}


def test_what_an_earlier_publication_wrote_goes_away(tmp_path):
    writing.write(tmp_path / "p", {**ONE, "explainers/b.html": b"b"})
    assert writing.write(tmp_path / "p", {**ONE, "index.html": b"2"}) == tmp_path / "p/index.html"
    assert (tmp_path / "p" / "index.html").read_bytes() == b"2"
    assert [path.name for path in (tmp_path / "p" / "explainers").iterdir()] == ["a.html"]


def test_what_somebody_has_changed_or_added_stays(tmp_path):
    writing.write(tmp_path / "p", {**ONE, "explainers/b.html": b"b"})
    (tmp_path / "p" / "explainers" / "b.html").write_bytes(b"mine")
    (tmp_path / "p" / "CNAME").write_bytes(b"example.org")
    writing.write(tmp_path / "p", ONE)
    assert (tmp_path / "p" / "explainers" / "b.html").read_bytes() == b"mine"
    assert (tmp_path / "p" / "CNAME").exists()


@pytest.mark.parametrize("name", ["../outside", "/outside", "explainers/../../outside", "link/x"])
def test_a_list_of_somebody_elses_removes_nothing_outside(name, tmp_path):
    folder, outside = tmp_path / "p", tmp_path / "outside"
    writing.write(folder, ONE)
    outside.write_bytes(b"kept")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_bytes(b"kept")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    name = str(outside) if name == "/outside" else name
    values = json.loads((folder / writing.LIST).read_text())
    values["files"][name] = writing._digest(b"kept")
    (folder / writing.LIST).write_text(json.dumps(values))
    writing.write(folder, ONE)
    assert outside.exists()
    assert (tmp_path / "elsewhere" / "x").exists()


@pytest.mark.parametrize(
    "content", [None, "{}", "[]", "no JSON", '{"format": "x"}', '{"format": 1, "files": 2}']
)
def test_a_folder_of_something_else_is_refused_before_anything_is_read(content, tmp_path):
    (tmp_path / "p").mkdir()
    name = "notes.txt" if content is None else writing.LIST
    (tmp_path / "p" / name).write_text(content or "mine")
    with pytest.raises(RequestError, match="is not empty, and no earlier publication"):
        publish([tmp_path / "no store"], tmp_path / "p")
    assert [path.name for path in (tmp_path / "p").iterdir()] == [name]


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "p").write_text("mine")
    with pytest.raises(RequestError, match="is a file: name a folder"):
        publish([RESULTS / "quickstart"], tmp_path / "p")


def test_nothing_is_written_where_a_store_has_nothing_to_rank(tmp_path):
    (tmp_path / "empty" / "cells").mkdir(parents=True)
    with pytest.raises(RequestError, match="has no scores to rank"):
        publish([RESULTS / "quickstart", tmp_path / "empty"], tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_data_is_that_of_the_records_in_every_form(quickstart):
    (folder,) = (quickstart / "data").iterdir()
    records = {r.cell.key: r for r in open_store(RESULTS / "quickstart").records()[0]}
    values = json.loads((folder / "cells.json").read_text())
    rows = [dict(zip(values["columns"], row, strict=True)) for row in values["rows"]]
    assert {row["cell"] for row in rows} == set(records)
    for row in rows:
        record = records[row["cell"]]
        assert row["score recall"] == record.scores["recall"]
        assert (row["state"], row["control"]) == ("ok", record.cell.control)
    read = list(csv.DictReader(io.StringIO((folder / "cells.csv").read_text())))
    assert [float(row["score recall"]) for row in read] == [row["score recall"] for row in rows]
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(folder / "cells.parquet").to_pylist()
    assert table == rows
    board = json.loads((folder / "board.json").read_text())
    assert math.isclose(
        board["sections"][0]["rows"][0]["scores"]["recall"]["mean"], 0.962, abs_tol=1e-3
    )


def test_a_store_is_read_once(ran, tmp_path, monkeypatch):
    from aexbench.running.store import Store

    calls = []
    read = Store.records
    monkeypatch.setattr(Store, "records", lambda store: (calls.append(1), read(store))[1])
    monkeypatch.setattr(charts, "inline", lambda *ignored: "No picture.")
    publish([ran], tmp_path / "pages")
    assert calls == [1]
