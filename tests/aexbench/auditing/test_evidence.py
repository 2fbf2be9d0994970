"""What an audit has found is what the boards of the same store show."""

from __future__ import annotations

import numpy as np
import pytest

import aexbench
from aexbench import Detector, RequestError, specs
from aexbench.auditing import trying
from aexbench.auditing.evidence import together
from aexbench.auditing.trying import Shared
from aexbench.board.comparing import Source, compare
from aexbench.results import Results
from aexbench.running import planning
from aexbench.running.packed import open_store

from .conftest import SUITE, audited, split

METRIC = "recall[top=truth]"


def per_unit(store_results: Results, corruption: str, explainer: str) -> dict[int, float]:
    """Return the mean score of each clean row, read from the raw scores."""
    (record,) = (
        record
        for record in store_results.records
        if record.cell.control == "none"
        and record.cell.explainer.text == explainer
        and record.cell.corruption.text == corruption
    )
    values = store_results.scores(record.cell.key)[METRIC]
    units = store_results.anomalies(record.cell.key).unit
    kept = store_results.anomalies(record.cell.key).details.get("alarmed", np.ones(len(units)))
    kept = np.asarray(kept, dtype=bool)
    own = {}
    for unit, value, counts in zip(units, values, kept, strict=True):
        if counts:
            own.setdefault(int(unit), []).append(float(value))
    return {unit: float(np.mean(one)) for unit, one in sorted(own.items())}


def opened(store) -> Results:
    return Results(open_store(store))


def in_store(results: Results, kind, count: int = 100) -> str:
    """Return how a kind of so many anomalies is called in the store."""
    if kind.labelled:
        return kind.name
    name, parameters = specs.parse(kind.name)
    made = planning.corruption({"name": name, **parameters, "count": count}).text
    assert made in {record.cell.corruption.text for record in results.records}
    return made


def test_means_are_those_of_the_boards_of_the_same_store(done):
    found, store = done
    results = opened(store)
    for kind in [*found.evidence.kinds, found.evidence.labels]:
        keys = board_keys(results, kind)
        board = Results(results.store, keys, metrics=[METRIC]).board(METRIC)
        (section,) = board.sections
        rows = {row.explainer: row for row in section.rows}
        for name, tried in kind.tried.items():
            assert tried.score.mean == rows[name].scores[METRIC].mean
            assert (tried.score.low, tried.score.high) == (
                rows[name].scores[METRIC].low,
                rows[name].scores[METRIC].high,
            )
            if name != "deviation":
                assert tried.above == rows[name].gain.above
        assert kind.ceiling == rows["oracle"].scores[METRIC].mean
        assert kind.chance == rows["chance"].scores[METRIC].mean


def board_keys(results: Results, kind) -> list[str]:
    text = in_store(results, kind)
    return [r.cell.key for r in results.records if r.cell.corruption.text == text]


def test_differences_are_those_of_comparing_on_the_units(done):
    found, store = done
    results = opened(store)
    for kind in found.evidence.kinds:
        text = in_store(results, kind)
        names = ["residual", "residual[form=standardised]", "repair", "deviation"]
        units = [per_unit(results, text, name) for name in names]
        assert all(one.keys() == units[0].keys() for one in units)
        values = np.array([list(one.values()) for one in units])
        board = compare([Source("data", [values], [np.array(list(units[0]))])], "network")
        for place, name in enumerate(names):
            tried = kind.tried[name]
            for ours, other in ((tried.over_default, 0), (tried.over_plain, 3)):
                theirs = board.pair(place, other)
                assert ours.value == pytest.approx(theirs.value)
                assert ours.value == pytest.approx(values[place].mean() - values[other].mean())
        assert kind.units == len(units[0])
        assert kind.tried["repair"].units == kind.units


def test_together_each_kind_counts_the_same(done):
    found, _ = done
    matched = found.evidence.matched
    assert len(matched) == 2
    assert len({kind.units for kind in matched}) == 2
    for name, tried in found.evidence.alike.tried.items():
        means = [kind.tried[name].score.mean for kind in matched]
        assert tried.score.mean == pytest.approx(np.mean(means))
        leads = [kind.tried[name].over_default.value for kind in matched]
        assert tried.over_default.value == pytest.approx(np.mean(leads))
    assert found.evidence.alike.units == sum(kind.units for kind in matched)


def test_the_default_and_deviation_have_nothing_over_themselves(done):
    found, _ = done
    for kind in found.evidence.kinds:
        assert kind.tried["residual"].over_default.value == 0
        assert kind.tried["residual"].lead == 0
        assert kind.tried["deviation"].over_plain.value == 0
        assert kind.tried["deviation"].above is None


def test_kinds_stand_with_the_leader_first(done):
    found, _ = done
    for kind in found.evidence.kinds:
        leads = [tried.lead for tried in kind.tried.values()]
        assert leads == sorted(leads, reverse=True)


def test_labelled_incidents_are_units(done, labelled):
    found, _ = done
    labels = found.evidence.labels
    assert labels.labelled
    assert labels.units <= labelled.test_labels.sum() / 2
    assert found.evidence.truth == "symptom"


def test_costs_are_latencies_of_all_that_were_probed(done):
    found, _ = done
    names = {"residual", "residual[form=standardised]", "repair"}
    assert found.evidence.costs.keys() == names
    assert all(0 < cost < 1 for cost in found.evidence.costs.values())


def test_few_are_compared_with_the_default_on_the_same_few(sound, rows, tmp_path, monkeypatch):
    text = "residual[form=standardised]"
    monkeypatch.setattr(trying, "shared_out", lambda *given: Shared([text], ["repair"], {}))
    store = tmp_path / "store"
    found = audited(sound, split(rows), store)
    results = opened(store)
    for kind in found.evidence.kinds:
        name = in_store(results, kind, 20)
        own = per_unit(results, name, "repair")
        default = per_unit(results, name, "residual")
        difference = np.mean(list(own.values())) - np.mean(list(default.values()))
        assert kind.tried["repair"].few
        assert kind.tried["repair"].lead == pytest.approx(difference)
        assert not kind.tried["residual"].few
        assert not kind.tried[text].few


def test_an_explainer_without_its_gradient_is_left_out_and_named(rows, tmp_path):
    """A function has none."""
    centre = rows[:450].mean(axis=0)
    v = np.linalg.svd(rows[:450] - centre, full_matrices=False)[2][:3]
    detector = Detector.of(lambda x: (x - centre) @ v.T @ v + centre)
    text = SUITE.replace('"repair"', '"input-x-gradient"')
    found = audited(detector, split(rows), tmp_path / "store", text, budget=30)
    assert found.evidence.left_out["input-x-gradient"].startswith("skipped: ")
    assert "gradient" in found.evidence.left_out["input-x-gradient"]
    assert all("input-x-gradient" not in kind.tried for kind in found.evidence.kinds)


def test_a_kind_without_anomalies_says_why(sound, rows, tmp_path):
    text = SUITE.replace("random[threshold=alarm]", "swap[threshold=0.999999,max_draws=1]")
    found = audited(sound, split(rows), tmp_path / "store", text, budget=0)
    (empty,) = (kind for kind in found.evidence.kinds if not kind.tried)
    assert empty.name == "swap[threshold=0.999999,max_draws=1]"
    assert empty.reason
    said = f"swap[threshold=0.999999, max_draws=1]: {empty.reason}"
    assert said in " ".join(found.text(200).split())


def test_scores_that_cannot_be_read_end_the_audit(sound, rows, tmp_path):
    found = audited(sound, split(rows), tmp_path / "store", budget=0)
    assert found.evidence.kinds
    results = aexbench.open(tmp_path / "store")
    for path in (tmp_path / "store" / "scores").iterdir():
        path.write_bytes(b"torn")
    with pytest.raises(RequestError, match="is not the file of its record"):
        together([results], "recall[top=truth]")
