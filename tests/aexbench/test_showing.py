"""What objects show of themselves, in a terminal and in a notebook, whatever they hold."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from aexbench import AnomalySet, Dataset, Detector, Features, corruptions, explainers, metrics
from aexbench.architecture import in_one_line
from aexbench.detector import ScoreScale
from aexbench.door import Door
from aexbench.rows import Named
from aexbench.showing import Summary, cut, escaped, items, listed, shortened, table

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\ud800'\"&\n"
TAGS = {"div", "table", "caption", "strong", "thead", "tbody", "tr", "th", "td", "ul", "li"}
STYLES = {"caption-side: top", "color: inherit", "text-align: left", "text-align: right"}
STYLES |= {"font-weight: bold"}
anything = st.text(max_size=200)


class Reader(HTMLParser):
    """Reads HTML as a browser does; only what tables and lists need is allowed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[tuple[str, str, str, str]] = []  # tag, scope, style, text
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS
        given = dict(attrs)
        assert given.keys() <= {"style", "scope"}
        assert set((given.get("style") or "color: inherit").split("; ")) <= STYLES
        self.open.append(tag)
        self.cells.append((tag, given.get("scope", ""), given.get("style", ""), ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        tag, scope, style, text = self.cells[-1]
        self.cells[-1] = (tag, scope, style, text + data)

    def texts(self, tag: str) -> list[str]:
        return [text for name, _, _, text in self.cells if name == tag]


def read(text: str) -> Reader:
    text.encode()  # half a character cannot be sent
    return Reader(text)


def fits(shown: str) -> bool:
    lines = shown.split("\n")
    return len(lines) <= 20 and all(cell_len(x) <= 80 and x.isprintable() for x in lines)


def dataset(**parts) -> Dataset:
    x = np.zeros((6, 3), np.float32)
    return Dataset(
        **{"train": x[:5], "validation": x[:2], "test": x, "features": Features()} | parts
    )


def anomaly_set(count: int = 4, **parts) -> AnomalySet:
    x = np.zeros((count, 3), np.float32)
    made = {
        "x": x,
        "truth": np.ones(x.shape, bool),
        "score": np.linspace(0.25, 1, count),
        "error": np.ones(count),
        "label": np.repeat(["random"], count),
        "unit": np.arange(count) // 2,
        "features": Features(),
    }
    return AnomalySet(**made | parts)


def chain(*modules: torch.nn.Module) -> torch.nn.Sequential:
    return torch.nn.Sequential(*modules)


@pytest.fixture
def small() -> Detector:
    return Detector(chain(torch.nn.Linear(3, 2), torch.nn.ReLU(), torch.nn.Linear(2, 3)))


def test_a_data_set_shows_splits_anomalies_and_columns():
    data = dataset(
        features=Features(names=("a", "b", "c"), groups=(0, 0, 1), kinds=("onehot", "columns")),
        test_labels=[0, 1, 1, 0, 1, 1],
        test_truth=np.eye(6, 3),
        test_units=np.array([0, 7, 7, 1, 8, 2]),
        test_kinds=np.array(["", "theft", "theft", "", "noise", "theft"]),
        autoencoder="mlp[widths=[2]]",
    )
    assert repr(data).splitlines() == [
        "Dataset of 3 columns",
        "  train        5 samples",
        "  validation   2 samples",
        "  test         6 samples",
        "  anomalies    4 of the 6 test samples, in 3 units",
        "  kinds        theft 3, noise 1",
        "  truth        marks symptoms: what is abnormal",
        "  columns      a, b, c",
        "  features     2: 1 onehot, 1 columns",
        "  bounds       0 to 1",
        "  autoencoder  mlp[widths=[2]]",
    ]
    shown = read(data._repr_html_())
    assert shown.texts("strong") == ["Dataset of 3 columns"]
    assert shown.texts("th")[:2] == ["train", "validation"]
    assert shown.texts("td")[3] == "4 of the 6 test samples, in 3 units"


def test_a_data_set_without_labels_says_so_and_images_show_their_size():
    x = np.zeros((1, 1, 8, 4), np.float32)
    assert "anomalies    none is labelled" in repr(dataset())
    data = dataset(train=x, validation=x, test=x)
    assert repr(data).splitlines()[:2] == ["Dataset of images 1 × 8 × 4", "  train        1 sample"]
    assert "truth        none per column" in repr(dataset(test_labels=np.arange(6) > 2))


class Unread:
    """Rows that nobody may read."""

    shape, dtype = (3_000_000, 3), np.dtype(np.float32)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        raise AssertionError("a summary reads rows")


def test_nothing_is_read_from_disk():
    rows = Unread()
    data = dataset(train=rows, validation=rows, test=np.zeros((2, 3)))
    data.test = data.test_truth = rows
    data.test_labels = data.test_units = rows
    data.test_kinds = Named(rows, ("normal", "theft"))
    assert "test         3,000,000 samples, not in memory" in repr(data)
    assert "anomalies    labelled, not in memory" in repr(data)
    read(data._repr_html_())


def test_kinds_kept_as_numbers_are_named():
    codes = np.array([0, 1, 0, 0, 0, 2], np.int8)
    data = dataset(test_labels=codes > 0, test_kinds=Named(codes, ("", "theft", "noise")))
    assert re.search(r"kinds +theft 1, noise 1$", repr(data), re.MULTILINE)


def test_anomalies_show_kinds_truth_and_scores():
    found = anomaly_set(
        truth=np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 0, 0]], bool),
        clean=np.zeros((4, 3)),
        details={"alarmed": np.array([True, False, True, True])},
        report={"asked": 10, "draws": 1500},
    )
    assert repr(found).splitlines() == [
        "4 anomalies of 3 columns",
        "  kinds  random 4",
        "  truth  1 to 3 columns each, the median 2",
        "  score  0.25 to 1.00, the median 0.62",
        "  units  2",
        "  clean  the sample that each was made from",
        "  alarm  3 of 4 raise one",
        "  draws  1,500, 10 anomalies were asked for",
    ]
    assert "alarm" not in repr(anomaly_set())
    assert "3 columns each" in repr(anomaly_set())
    assert repr(anomaly_set(1)).startswith("1 anomaly of 3 columns")


@pytest.mark.parametrize("count", [0, 3])
def test_anomalies_of_odd_values_show_themselves(count):
    found = anomaly_set(
        count,
        score=np.full(count, np.nan),
        label=np.repeat([HOSTILE], count),
        report={"asked": HOSTILE},
    )
    assert fits(repr(found))
    read(found._repr_html_())


def test_features_show_their_bounds():
    assert repr(Features()).splitlines() == [
        "Features of columns without names",
        "  bounds  0 to 1 (nobody has said)",
    ]
    assert repr(Features(names=("a", "b"), low=(-1, 0), high=(2, 0.5))).splitlines() == [
        "Features of 2 columns",
        "  columns  a, b",
        "  bounds   -1 to 2",
    ]
    many = Features(names=[f"{HOSTILE}{i}" for i in range(5000)], groups=range(5000))
    assert fits(repr(many))
    assert re.search(r"features +5,000$", repr(many), re.MULTILINE)
    read(many._repr_html_())


def test_a_detector_shows_its_network_its_loss_and_what_it_is_worth(small):
    assert repr(small).splitlines() == [
        "Detector",
        "  network  Linear 3-2 · ReLU · Linear 2-3",
        "  weights  17, float32 on cpu",
        "  loss     l2",
        "  scores   no scale yet: detector.calibrate(normal_samples) fixes it",
        "  worth    not known: nothing was reported of its training",
    ]
    small.scale = ScoreScale(0.001234, 0.5, 0.1, 0.2)
    small.report = {"validation_error": 0.1, "constant_error": 0.4, "roc_auc": 0.987}
    assert repr(small).splitlines()[-2:] == [
        "  scores   calibrated: 0 at an error of 0.00123, 1 at 0.5",
        "  worth    25% of the best constant sample's error, ROC-AUC 0.99",
    ]
    small.report = {"validation_error": 0.4, "constant_error": 0.4}
    assert "worth    none: 100% of the best constant sample's error" in repr(small)
    assert read(small._repr_html_()).texts("th")[0] == "network"


def test_a_loss_of_ones_own_and_a_part_of_the_result_are_said():
    def mine(x, x_hat):
        return (x - x_hat) ** 2

    found = repr(Detector(torch.nn.LSTM(3, 3, batch_first=True), mine, output=0))
    assert "network  LSTM 3-3\n" in found
    assert "output   x̂ is its part 0\n" in found
    assert "loss     mine, your function\n" in found


def test_what_a_detector_reports_may_be_anything(small):
    for report in ({"validation_error": HOSTILE, "roc_auc": None}, {"roc_auc": float("nan")}):
        small.report = report
        assert "worth    not known" in repr(small)


def test_every_layer_is_in_the_line_or_the_middle_is_left_out():
    act = torch.nn.ReLU()
    assert in_one_line(chain(torch.nn.Linear(2, 1), act, torch.nn.Conv2d(1, 8, 3), act), 80) == (
        "Linear 2-1 · ReLU · Conv2d 1-8 · ReLU"
    )
    deep = chain(*(torch.nn.Linear(n, n + 1) for n in range(1, 500)))
    assert in_one_line(deep, 50) == "Linear 1-2 · Linear 2-3 · … · Linear 499-500"


class Raises(torch.nn.Module):
    @property
    def in_features(self):
        raise RuntimeError("no")


class Holds(torch.nn.Module):
    """Holds itself, as those do whose parts know what they belong to."""

    def __init__(self):
        super().__init__()
        self.part = chain(torch.nn.Linear(3, 3))
        self.part.whole = self

    def forward(self, x):
        return self.part[0](x)


def doubled(depth: int) -> torch.nn.Module:
    """Return a network of few modules and 2^depth ways through them."""
    found: torch.nn.Module = torch.nn.ReLU()
    for _ in range(depth):
        found = chain(found, found)
    return found


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        (Raises(), "Raises"),
        (Holds(), "Linear 3-3"),
        (
            type(HOSTILE.replace("\ud800", ""), (torch.nn.Module,), {})(),
            "<script>alert(1)</script>",
        ),
        (torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4)), "Linear 3-4"),
        (doubled(40), "ReLU · … · ReLU · …"),
        (torch.nn.Identity(), "Identity"),
    ],
    ids=["raises", "holds itself", "hostile", "parametrised", "many ways", "empty"],
)
def test_odd_networks_show_themselves(model, shown):
    found = Detector(model)
    assert all(part in repr(found) for part in shown.split("…"))
    assert fits(repr(found))
    read(found._repr_html_())


def test_components_show_their_names_as_they_are_written(small):
    made = explainers.create("lrp", small, root="joint", first="w2")
    assert repr(made) == "lrp[first=w2,root=joint]"
    assert repr(copy.copy(made)) == repr(made)
    assert repr(explainers.create("residual", small)) == "residual"
    assert repr(corruptions.create("random[count=20]")) == "random[count=20]"
    assert repr(metrics.create("recall", top=3)) == "recall[top=3]"


def test_components_show_their_parameters_as_resolved(small):
    shown = read(explainers.create("lrp", small.with_loss("l1"), root="joint")._repr_html_())
    facts = dict(zip(shown.texts("th"), shown.texts("td"), strict=True))
    assert shown.texts("strong") == ["Explainer lrp[root=joint]"]
    assert facts["root"] == "joint (else input)"
    assert (facts["loss"], facts["first"], facts["rule"]) == ("l1", "z-box", "z-plus")
    assert (facts["high"], facts["preset"], facts["layers"]) == ("1.0", "left out", "[]")
    shown = read(corruptions.create("random", threshold="strict")._repr_html_())
    facts = dict(zip(shown.texts("th"), shown.texts("td"), strict=True))
    assert (facts["count"], facts["threshold"]) == ("100", "strict (else 0.5)")
    assert read(metrics.create("recall")._repr_html_()).texts("strong") == ["Metric recall"]


def test_parameters_of_any_kind_are_shown_and_paths_by_their_last_part(small, tmp_path):
    @explainers.register("odd-ones")
    def odd(detector, x, *, weights=None, path=None, words: str = ""):
        return x * 0 if weights is path is words else x

    given = {"weights": np.ones((3, 3)), "path": tmp_path / "w.npy", "words": HOSTILE}
    made = explainers.create("odd-ones", small, **given)
    assert repr(made).startswith('odd-ones[weights=ndarray,path=w.npy,words="<script>')
    assert fits(repr(made))
    assert str(tmp_path) not in made._repr_html_()
    read(made._repr_html_())


def test_what_is_registered_shows_its_parameters():
    shown = repr(metrics.describe("recall"))
    assert shown.startswith("Metric recall\n  what")
    assert re.search(r"top +Union.*, default 1$", shown, re.MULTILINE)
    assert fits(repr(explainers.describe("lrp")))
    read(explainers.describe("lrp")._repr_html_())


def test_a_door_of_ones_own_names_what_is_behind_it(small):
    made = Door(explainers.create("residual", small).explainer, small)
    assert (repr(made), made._repr_html_()) == ("Door(Residual)", None)


@given(anything, st.dictionaries(anything, anything, max_size=5))
def test_a_summary_fits_a_terminal_and_does_nothing_in_a_notebook(title, facts):
    summary = Summary(title, facts)
    assert fits(summary.text())
    assert summary.text().count("\n") == len(facts)
    shown = read(summary.html())
    assert len(shown.texts("th")) == len(shown.texts("td")) == len(facts)


@given(st.lists(anything), st.integers(5, 80))
def test_names_and_the_number_of_others_fit(names, width):
    shown = listed(names, width)
    assert cell_len(shown) <= width
    if cell_len(whole := ", ".join(names)) <= width and len(names) <= 30:
        assert shown == whole


def test_as_many_names_as_fit_are_shown():
    names = [f"{n:02}" for n in range(99)]
    assert listed(names, 25) == "00, 01, 02 and 96 more"
    assert listed(names, 26) == "00, 01, 02, 03 and 95 more"
    assert listed(["x" * 99, "y"], 12) == "xxxxxxxxxxx…"
    assert (listed([]), listed(["a"])) == ("", "a")


@given(st.lists(st.text("abc", min_size=1, max_size=5), min_size=1), st.integers(20, 60))
def test_what_is_shortened_keeps_both_ends(parts, width):
    shown = shortened(parts, " · ", width)
    assert cell_len(shown) <= width
    if cell_len(whole := " · ".join(parts)) <= width:
        assert shown == whole
    else:
        assert shown.startswith(parts[0])
        assert shown.endswith(parts[-1])


def test_a_wide_character_is_not_cut_in_two():
    assert cut("数据", 4) == "数据"
    assert cut("数据数", 5) == "数据…"
    assert cut("a数据", 4) == "a数…"
    assert cut("a数据", 3) == "a…"


def test_texts_of_html_are_texts():
    assert escaped("<a href='x'>&") == "&lt;a href=&#x27;x&#x27;&gt;&amp;"
    assert len(escaped("x" * 10_000)) == 400
    assert read(items([HOSTILE])).texts("li")[0].startswith("<script>alert(1)</script>")
    assert items([]) == ""


def test_figures_stand_to_the_right_and_rows_have_names():
    shown = read(table("A <title>", ["rank", "name", "score"], [["1", "b<i>", ".5"]], left=(1,)))
    right, left = "text-align: right", "text-align: left"
    assert shown.texts("strong") == ["A <title>"]
    assert [cell for cell in shown.cells if cell[0] in ("th", "td")] == [
        ("th", "col", right, "rank"),
        ("th", "col", left, "name"),
        ("th", "col", right, "score"),
        ("td", "", right, "1"),
        ("th", "row", left, "b<i>"),
        ("td", "", right, ".5"),
    ]
