"""`evaluate` walks the road that `run` walks."""

from __future__ import annotations

import copy
import gc
import re

import numpy as np
import pytest
import torch

import aexbench
from aexbench import Detector, RequestError, SkipError, datasets
from aexbench.running.sources import identity

FLOORS = {"deviation", "pca-residual", "random", "feature-prior", "oracle", "chance"}


def evaluated(detector, rows, *explainers, **options):
    given = {"corruptions": ["random[threshold=0.2]"], "metrics": ["recall[top=1]"], "count": 20}
    given |= {"background": rows[:300], "twins": 0} | options
    return aexbench.evaluate(detector, rows[300:], explainers=explainers, **given)


def mine(detector, x):
    """Rank by the error map."""
    return detector.error_map(x)


def test_own_detector_own_function_and_named_ones(detector, linear_rows):
    explainers = (mine, "residual", "lrp[first=z-box]")
    results = evaluated(detector, linear_rows, *explainers, seeds=2, twins=1)
    frame = results.frame
    assert set(frame.explainer) == {"mine", "residual", "lrp[first=z-box]"} | FLOORS
    assert (frame.state == "ok").all()
    itself = frame[frame.control == "none"].groupby("explainer").score.mean()
    assert itself["mine"] == itself["residual"]
    assert len(frame) == 2 * (3 * 4 + 6)
    timed = frame[(frame.control == "none") & frame.role.isin(["explainer"])]
    assert (timed.latency_s.notna() == (timed.seed == 0)).all()
    assert set(frame[frame.explainer == "random"].control) == {"none"}


def test_floors_gain_and_rank_stand_on_the_board_without_being_asked_for(detector, linear_rows):
    board = evaluated(detector, linear_rows, "residual").board()
    rows = {row.explainer: row for row in board.rows}
    assert rows["residual"].rank == (1, 1)
    assert {"deviation", "random", "feature-prior"} <= rows.keys()
    gain = rows["residual"].gain
    best = max(rows[name].scores["recall"].mean for name in ("deviation", "pca-residual"))
    floor = rows["residual"].floor_score
    assert floor >= best
    assert gain.gain == pytest.approx(rows["residual"].scores["recall"].mean - floor)


def test_only_what_explains_the_trained_detector_is_timed(detector, linear_rows):
    results = evaluated(detector, linear_rows, "residual", twins=1)
    timed = {
        record.cell.control: record.timing is not None
        for record in results.records
        if record.role == "explainer"
    }
    assert timed == {"none": True, "loss-ablated": False, "initial": False, "permuted": False}


def test_its_figures_are_those_of_run(tmp_path):
    axes = {"corruptions": ["random[count=20]"], "explainers": ["residual", "repair"]}
    ran = aexbench.run(store=tmp_path / "s", datasets=["wine"], seeds=1, **axes).frame
    data = datasets.create("wine")
    options = {"background": data.train, "twins": 2, **axes}
    found = aexbench.evaluate(data.detector(seed=0), data.normal, **options).frame
    key = ["explainer", "control", "control_seed", "metric"]
    one, other = (frame.set_index(key).score.sort_index() for frame in (ran, found))
    assert len(one) == len(other) > 20
    assert one.equals(other)


def test_labels_of_your_own_are_explained_too(detector, linear_rows):
    x = linear_rows[300:340].copy()
    x[:, 2] = 3.0
    truth = np.zeros(x.shape, dtype=bool)
    truth[:, 2] = True
    results = evaluated(detector, linear_rows, "residual", labelled=(x, truth))
    frame = results.frame[
        lambda f: (f.corruption == "labels[count=20]") & (f.explainer == "residual")
    ]
    assert frame.samples.tolist() == [20, 20]  # of 40, as many as were asked for
    assert set(frame.control) == {"none", "loss-ablated"}
    with pytest.raises(RequestError, match="samples and their truth"):
        evaluated(detector, linear_rows, "residual", labelled=(x, truth[:3]))


def test_incidents_and_the_kind_of_their_truth_shape_the_board(detector, linear_rows, tmp_path):
    x, truth = linear_rows[300:340].copy(), np.zeros((40, linear_rows.shape[1]), dtype=bool)
    x[:, 2], truth[:, 2] = 3.0, True
    given = {"labelled": (x, truth), "corruptions": (), "count": 40, "store": tmp_path}
    boards = [
        evaluated(detector, linear_rows, "residual", **given, **more).board()
        for more in ({}, {"units": np.arange(40) // 2}, {"truth_kind": "cause"})
    ]
    truths = [board.sections[0].kind.truth for board in boards]
    assert truths == ["symptom", "symptom", "cause"]
    assert len({cell.stem for cell in (tmp_path / "anomalies").iterdir()}) == 3
    sets = [
        aexbench.open(tmp_path).store.read_anomalies(path.stem)
        for path in (tmp_path / "anomalies").iterdir()
    ]
    assert sorted(len(np.unique(one.unit)) for one in sets) == [20, 40, 40]


def test_a_board_by_gain_leaves_labels_out_and_says_so(detector, linear_rows):
    x, truth = linear_rows[300:340].copy(), np.zeros((40, linear_rows.shape[1]), dtype=bool)
    x[:, 2], truth[:, 2] = 3.0, True
    labelled = {"labelled": (x, truth), "count": 20}
    both = evaluated(detector, linear_rows, "residual", corruptions=["random"], **labelled)
    board = both.board(by="gain")
    assert [section.kind.origin for section in board.sections] == ["corruptions"]
    assert any("labels are left out" in note for note in board.notes)
    assert len(both.board().sections) == 2
    alone = evaluated(detector, linear_rows, "residual", corruptions=[], **labelled)
    with pytest.raises(RequestError, match="come from no clean sample"):
        alone.board(by="gain")


def said_of_labels(detector, rows, moved, caused):
    """Return what a board says of 40 labelled rows, so many of them moved and so many with a
    cause.
    """
    x, truth = rows[300:340].copy(), np.zeros((40, rows.shape[1]), dtype=bool)
    x[:moved, 2], truth[:caused, 2] = 3.0, True
    given = {"labelled": (x, truth), "corruptions": (), "count": 40, "seeds": 2}
    notes = evaluated(detector, rows, "residual", **given).board().notes
    return [note for note in notes if "labelled rows" in note]


@pytest.mark.parametrize(("moved", "count"), [(1, "[1-6]"), (15, "1[5-9]")])
def test_labelled_rows_that_raise_no_alarm_are_said(detector, linear_rows, moved, count):
    (said,) = said_of_labels(detector, linear_rows, moved, caused=40)
    assert re.search(rf"labels\[count=40\]: {count} of 40 labelled rows raise an alarm", said)


def test_labelled_rows_that_raise_an_alarm_need_no_word(detector, linear_rows):
    assert said_of_labels(detector, linear_rows, moved=40, caused=40) == []


def test_labelled_rows_without_a_cause_are_counted_once(detector, linear_rows):
    (said,) = said_of_labels(detector, linear_rows, moved=40, caused=10)
    assert said.endswith("30 of 40 labelled rows have no true feature and are left out")


def test_a_store_keeps_the_results_and_the_same_call_goes_on(detector, linear_rows, tmp_path):
    first = evaluated(detector, linear_rows, "residual", store=tmp_path / "s")
    again = evaluated(detector, linear_rows, "residual", mine, store=tmp_path / "s")
    assert (first.ran, again.ran) == (8, 2)
    assert aexbench.open(tmp_path / "s").board().rows[0].explainer in ("mine", "residual")
    cell = first.cells[0]
    assert first.attributions(cell).shape == first.anomalies(cell).x.shape == (20, 8)
    assert first.scores(cell.key)["recall"].shape == (20,)


class Doubled(torch.nn.Module):
    def __init__(self, network, factor):
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, x):
        return self.network(x) * self.factor


class Same(torch.nn.Module):
    def __init__(self, network, factor):
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, x):
        return self.network(x)


def by_columns(x, x_hat):
    return (x - x_hat).square() / x.shape[1]


def twice(x, x_hat):
    return 2 * (x - x_hat).square() / x.shape[1]


@pytest.mark.parametrize(
    "other",
    [
        lambda model: Detector(Same(model, 1.0)),
        lambda model: Detector(Doubled(model, 2.0)),
        lambda model: Detector(Doubled(model, 1.0), loss="l1"),
        lambda model: Detector(Doubled(model, 1.0), loss=by_columns),
        lambda model: Detector(Doubled(model, 1.0), loss=twice),
        lambda model: Detector(Doubled(copy.deepcopy(model), 1.0).float()),
        lambda model: Detector(Doubled(model, 1.0), features=aexbench.Features(high=2.0)),
    ],
)
def test_a_detector_is_its_weights_classes_loss_and_features(detector, other):
    own = identity(Detector(Doubled(detector.model, 1.0)))
    assert identity(Detector(Doubled(detector.model, 1.0))) == own
    assert identity(other(detector.model)) != own


def test_an_uncalibrated_detector_is_calibrated_and_stays_as_it_was(linear_rows):
    model = torch.nn.Sequential(torch.nn.Linear(8, 2), torch.nn.Linear(2, 8))
    made = Detector(model)
    results = evaluated(made, linear_rows, "residual", corruptions=["null[threshold=0.0]"])
    assert (results.frame.state == "ok").all()
    assert made.scale is None


def test_what_fails_is_a_row_with_its_reason_and_a_warning(detector, linear_rows):
    def broken(detector, x):
        raise ZeroDivisionError("no")

    with pytest.warns(UserWarning, match="broken on random.* failed: ZeroDivisionError: no"):
        results = evaluated(detector, linear_rows, broken)
    frame = results.frame[results.frame.explainer == "broken"]
    assert set(frame.state) == {"failed"}
    assert set(frame.metric) == {"recall"}
    assert frame.score.isna().all()


def residual(detector, x):
    return x


@pytest.mark.parametrize(
    "explainers", [(lambda d, x: x * 0, lambda d, x: d.error_map(x)), ("residual", residual)]
)
def test_functions_of_one_name_are_refused_with_what_to_write(detector, linear_rows, explainers):
    with pytest.raises(RequestError, match=r"name of its own, def my_explainer\(detector, x\)"):
        evaluated(detector, linear_rows, *explainers)


def test_one_explainer_needs_no_list(detector, linear_rows):
    given = {"background": linear_rows[:300], "corruptions": "random[threshold=0.2]", "twins": 0}
    results = aexbench.evaluate(detector, linear_rows[300:], explainers="residual", **given)
    assert set(results.frame.explainer) == {"residual"} | FLOORS


def test_one_function_given_twice_is_one_explainer(detector, linear_rows):
    frame = evaluated(detector, linear_rows, mine, mine).frame
    assert len(frame[(frame.explainer == "mine") & (frame.control == "none")]) == 1


def test_results_read_like_their_frame_and_show_themselves(detector, linear_rows):
    results = evaluated(detector, linear_rows, "residual")
    assert results.score.equals(results.frame.score)
    assert results[results.explainer == "residual"].explainer.unique() == ["residual"]
    assert repr(results).startswith("Results of ")
    assert str(results).startswith(f"{results.board()}\nResults of ")
    assert "<strong>Injected causes (corruptions) of the given network" in results._repr_html_()
    with pytest.raises(AttributeError, match="nonsense"):
        _ = results.nonsense


def test_wrong_names_are_refused(detector, linear_rows):
    for explainers, options in (
        (["lpr"], {}),
        (["lrp[x=1]"], {}),
        ([], {"metrics": ["recal"]}),
        ([], {"corruptions": ["nul"]}),
    ):
        with pytest.raises(RequestError, match="unknown"):
            evaluated(detector, linear_rows, *explainers, **options)


def test_who_has_no_score_at_all_is_named_on_the_board(detector, linear_rows):
    def picky(detector, x):
        raise SkipError("not for such samples")

    board = evaluated(detector, linear_rows, "residual", picky).board()
    assert "picky has no score: skipped: not for such samples" in board.notes
    assert "picky" in str(board)


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_without_a_store_the_results_live_as_long_as_somebody_holds_them(detector, linear_rows):
    results = evaluated(detector, linear_rows, "residual")
    folder = results.store.root
    assert (folder / "cells").is_dir()
    del results
    gc.collect()
    assert not folder.exists()


class Keeping(torch.nn.Module):
    """Has a buffer that training may have filled, and a parameter that nothing initialises."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(8, 8)
        self.register_buffer("codes", torch.linspace(0, 1, 8))
        self.token = torch.nn.Parameter(torch.linspace(-0.1, 0.1, 8))

    def forward(self, x):
        return self.inner(x) + 0.1 * self.codes + self.token


def test_what_twins_have_of_the_trained_network_stands_on_the_board(linear_rows):
    def notes(model):
        results = evaluated(Detector(model), linear_rows, "residual", twins=1)
        return [note for note in results.board().notes if "twins at initial weights" in note]

    kept, redrawn = notes(Keeping())
    assert "keep the buffers codes: if these were trained" in kept
    assert "have token, which nothing initialises" in redrawn
    assert notes(torch.nn.Linear(8, 8)) == []


@pytest.mark.parametrize(("donor", "half"), [("alarm", "later"), ("normal", "both")])
def test_what_lends_to_corruptions_is_not_judged(detector, linear_rows, donor, half):
    x, truth = linear_rows[300:340].copy(), np.zeros((40, linear_rows.shape[1]), dtype=bool)
    x[:, 2], truth[:, 2] = 3.0, True
    given = {"labelled": (x, truth), "corruptions": [f"group[donor={donor}]"], "count": 20}
    results = evaluated(detector, linear_rows, "residual", **given)
    (labels,) = {c.corruption.text for c in results.cells if c.corruption.name == "labels"}
    assert labels == ("labels[count=20,half=later]" if half == "later" else "labels[count=20]")
