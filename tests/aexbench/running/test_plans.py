"""A plan grows, and keeps nothing that means something else now."""

from __future__ import annotations

import pytest

from aexbench.components import Component
from aexbench.running.cells import Cell
from aexbench.running.plans import write_grown
from aexbench.running.store import SCHEMA, Record, Store


def component(name: str, version: str = "1.1", **parameters: object) -> Component:
    return Component(name=name, parameters=parameters, version=version, text=name)


def cell(explainer: str = "residual", version: str = "1.1", rows: int = 1, seed: int = 0) -> Cell:
    return Cell(
        dataset=component("data", rows=rows),
        detector=component("default"),
        corruption=component("null"),
        explainer=component(explainer, version),
        detector_seed=seed,
        anomaly_seed=seed,
        explainer_seed=seed,
    )


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store", create=True)


def planned(store: Store, *cells: Cell, run: bool = True, **suite: object) -> set[str]:
    """Plan cells, run them, and return which are planned then."""
    write_grown(store, {"name": "mine", **suite}, cells)
    for one in cells if run else ():
        store.write_record(Record(schema_version=SCHEMA, cell=one, state="ok"))
    return set(store.planned())


def test_what_is_asked_is_added(store):
    first, second, later = cell(), cell("lrp"), cell(seed=1)
    assert planned(store, first) == {first.key}
    assert planned(store, second) == {first.key, second.key}
    assert planned(store, later) == {first.key, second.key, later.key}
    assert planned(store, first) == {first.key, second.key, later.key}


def test_what_was_never_run_is_not_waited_for(store):
    assert planned(store, cell("lrp"), run=False) == {cell("lrp").key}
    assert planned(store, cell()) == {cell().key}


def test_another_version_takes_the_place_of_the_one_before(store):
    planned(store, cell("lrp"), cell())
    assert planned(store, cell("lrp", "1.2")) == {cell("lrp", "1.2").key, cell().key}


def test_cells_of_data_that_have_changed_go(store):
    planned(store, cell("lrp"), cell("lrp", seed=1))
    kept = {cell("residual", rows=2).key, cell("lrp", seed=1).key}
    assert planned(store, cell("residual", rows=2)) == kept


def test_metrics_are_added_and_other_suites_left_alone(store):
    planned(store, cell(), metrics=["recall"])
    write_grown(store, {"name": "other", "metrics": ["pixel-ap"]}, [cell("lrp")])
    planned(store, cell(), metrics=["recall[top=3]"])
    suites = {suite["name"]: (suite["metrics"], list(cells)) for suite, cells in store.plans()}
    assert suites == {
        "mine": (["recall[top=3]", "recall"], [cell().key]),
        "other": (["pixel-ap"], [cell("lrp").key]),
    }


def test_cells_are_scored_by_the_metrics_of_the_plans(store, aexbench_cli):
    planned(store, cell(), run=False, metrics=["recall[top=4]"])
    assert "cells scored by recall[top=4]\n" in aexbench_cli("score", store.root).out


def test_a_plan_that_cannot_be_read_is_written_anew(store):
    planned(store, cell())
    store.path("plans", "mine").write_text("{")
    assert planned(store, cell("lrp")) == {cell("lrp").key}


def test_what_no_plan_asks_for_is_named_before_it_is_removed(store, aexbench_cli):
    wanted, stray = cell(), cell("lrp", seed=7)
    planned(store, wanted)
    store.write_record(Record(schema_version=SCHEMA, cell=stray, state="ok"))
    for one in (wanted, stray):
        for folder, key in (
            ("attributions", one.key),
            ("anomalies", one.anomaly_key),
            ("detectors", one.detector_key),
        ):
            store.path(folder, key).write_bytes(b"12345")
    (store.root / "anomalies" / "x.safetensors.damaged").write_bytes(b"12345")
    said = aexbench_cli("prune", store.root)
    assert said.code == 0
    assert said.out.splitlines()[0] == "lrp on data / null, seed 7"
    assert "cells that no suite asks for: 1; files: 5, 0.0 MB" in said.out
    assert store.record(stray.key) is not None
    assert aexbench_cli("prune", store.root, "--yes").code == 0
    assert store.keys() == [wanted.key]
    for folder in ("attributions", "anomalies", "detectors"):
        assert len(list((store.root / folder).iterdir())) == 1
    assert "asks for: 0; files: 0" in aexbench_cli("prune", store.root).out


def test_what_would_be_removed_is_counted_in_megabytes(store, aexbench_cli):
    planned(store, cell())
    store.write_record(Record(schema_version=SCHEMA, cell=cell("lrp"), state="ok"))
    store.path("attributions", cell("lrp").key).write_bytes(bytes(2_500_000))
    assert "asks for: 1; files: 2, 2.5 MB" in aexbench_cli("prune", store.root).out


def test_nothing_is_removed_where_nothing_says_what_is_wanted(store, aexbench_cli):
    store.write_record(Record(schema_version=SCHEMA, cell=cell(), state="ok"))
    outcome = aexbench_cli("prune", store.root, "--yes")
    assert (outcome.code, "has no plan" in outcome.err) == (2, True)
    planned(store, cell("lrp"), run=False)
    store.path("anomalies", "other").write_bytes(b"")
    aexbench_cli("prune", store.root, "--yes")
    assert store.path("anomalies", "other").exists()  # what is still to run may need it
