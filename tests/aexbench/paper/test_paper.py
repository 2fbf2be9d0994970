"""Stores beside the paper: its layout, our figures, verdicts from them, and what a store lacks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import aexbench
from aexbench import families
from aexbench.board import leaderboard as boards
from aexbench.components import component
from aexbench.paper import claims, costs, published, scored, settings
from aexbench.paper.paper import paper
from aexbench.paper.view import Part
from aexbench.running.packed import open_store

RESULTS = Path(aexbench.__file__).parents[1] / "results"
ROWS_OF_MVTEC = (
    *("residual[loss=l1]", "residual[loss=l2]"),
    *("lrp[loss=l1,preset=paper-image]", "lrp[loss=l2,preset=paper-image]"),
)


def of(name: str) -> dict[str, Part]:
    """Return the parts of a published store by their titles, without what these are about."""
    found = paper(open_store(RESULTS / name))
    return {part.title.partition(":")[0]: part for part in found.parts}


@pytest.fixture(scope="module")
def sql() -> dict[str, Part]:
    return of("sql")


@pytest.fixture(scope="module")
def mvtec() -> dict[str, Part]:
    return of("mvtec")


def test_table_1_has_the_papers_figure_beside_ours(mvtec):
    board = boards.leaderboard(open_store(RESULTS / "mvtec"), "pixel-ap[thresholds=1000]")
    (section,) = board.sections
    ours = {row.explainer: row.by_group for row in section.rows}
    for name, damage, *figures in mvtec["Table 1"].lines[:3]:
        assert figures[::2] == [f"{v:.3f}" for v in published.TABLE_1[name, damage]]
        (group,) = (g for g in section.groups if section.place(g).label == damage)
        for shown, row in zip(figures[1::2], ROWS_OF_MVTEC, strict=True):
            assert shown == f"{ours[row][group][0]:.3f}"


def test_its_overall_row_is_of_the_damages_that_are_here(mvtec):
    *lines, overall = mvtec["Table 1"].lines
    assert overall[:2] == ["Overall", "3 of 10"]
    means = [sum(float(line[n]) for line in lines) / len(lines) for n in range(2, 10)]
    assert [float(figure) for figure in overall[2:]] == pytest.approx(means, abs=1e-3)


def test_what_is_not_here_is_said_with_the_line_that_fetches_it(mvtec):
    said = " ".join(mvtec["Table 1"].said)
    assert "not here: transistor, hazelnut (aexbench data get mvtec" in said
    found = paper(open_store(RESULTS / "mvtec"))
    assert [line.partition(":")[0] for line in found.lacking] == ["no Figure 2"]


def test_several_networks_of_one_object_are_told_apart():
    parts = of("image-training")
    named = ["bottle sparse weights", "bottle Glorot's start", "bottle as paper-images"]
    for part in ("Table 1", "Table 1, floors and untrained twins"):
        assert {*named, "bottle 60 epochs"} == {line[0] for line in parts[part].lines}
    claims = parts["Claims of Section 4.2"].lines
    verdicts = {line[1]: line[2] for line in claims if line[1].startswith("bottle")}
    assert verdicts == {
        **dict.fromkeys([named[0], named[2], "bottle 60 epochs"], "not supported"),
        named[1]: "supported",  # whose network has learned next to nothing
    }


def test_floors_and_twins_are_further_columns(mvtec):
    part = mvtec["Table 1, floors and untrained twins"]
    for head in ("deviation", "centre", "LRP L1, initial twin", "LRP L2, loss-ablated"):
        assert head in part.heads
        assert all(line[part.heads.index(head)] != "–" for line in part.lines)
    assert "oracle" not in part.heads
    assert part.said[0].startswith("none of this is the paper's")


def test_what_needs_all_damages_cannot_be_said_of_three(mvtec):
    lines = {line[0]: line[1:] for line in mvtec["Claims of Section 4.2"].lines}
    quoted = f"“{published.QUOTES['higher']}”"
    assert lines[quoted] == ["all", "cannot be said", "3 of 10 damages are here"]
    assert lines["Table 1: LRP is above the residual"][0] == "bottle"


def test_one_network_is_called_that(mvtec):
    assert "one network: this one alone" in " ".join(mvtec["Claims of Section 4.2"].said)


def test_figure_2_has_the_papers_rows_first_in_the_papers_order(sql):
    part = sql["Figure 2, recall over m"]
    rows = [tuple(line[:2]) for line in part.lines]
    assert list(dict.fromkeys(corruption for corruption, _ in rows)) == list(published.CORRUPTIONS)
    assert [name for corruption, name in rows if corruption == "null"][:3] == [
        "Residual",
        "LRP",
        "KernelSHAP",
    ]
    assert "scored at m = 1, 3 alone" in " ".join(part.said)


def test_its_figures_are_those_of_the_board(sql):
    part, store = sql["Figure 2, recall over m"], open_store(RESULTS / "sql")
    for metric, column in (("recall[top=1]", "m = 1"), ("recall[top=3]", "m = 3")):
        section, *_ = boards.leaderboard(store, metric).sections
        (row,) = (r for r in section.rows if r.explainer == "lrp[preset=paper-tabular]")
        place = part.heads.index(column)
        shown = {line[0]: line[place] for line in part.lines if line[1] == "LRP"}
        for group, (mean, _) in row.by_group.items():
            assert shown[section.place(group).corruption] == f"{mean:.2f}"


def test_curves_are_of_the_same_figures(sql):
    part = sql["Figure 2, recall over m"]
    names = {curve.explainer for curve in part.curves}
    assert {"Residual", "LRP", "KernelSHAP", "deviation", "LRP, initial twin"} <= names
    (curve,) = (c for c in part.curves if c.explainer == "LRP" and c.group.endswith("/ null"))
    line = next(line for line in part.lines if line[:2] == ["null", "LRP"])
    assert [f"{curve.recall[m]:.2f}" for m in (1, 3)] == line[2:]


def test_the_factor_of_time_is_that_of_the_medians(sql):
    lines = {line[0]: line for line in sql["What an explanation costs"].lines}
    own, other = (float(lines[name][1].split(" ms")[0]) for name in ("LRP", "KernelSHAP"))
    factor = float(lines["KernelSHAP"][2].replace(",", ""))
    assert factor == pytest.approx(other / own, rel=0.05)
    (claim,) = (line for line in sql["Claims of Section 4.1"].lines if line[1] == "time")
    assert factor < published.LEAST_FACTOR
    assert claim[2] == "cannot be said"  # by a tenth of the paper's background
    assert "KernelSHAP asks less than the paper's" in claim[3]


@pytest.mark.parametrize(
    ("factor", "asked", "verdict"),
    [
        (4000.0, costs.SAME, "supported"),
        (4000.0, costs.LESS, "supported"),
        (4000.0, costs.MORE, "cannot be said"),
        (400.0, costs.SAME, "not supported"),
        (400.0, costs.MORE, "not supported"),
        (400.0, costs.LESS, "cannot be said"),
        (4000.0, None, "cannot be said"),
        (None, costs.SAME, "cannot be said"),
    ],
)
def test_how_much_faster_it_must_be(monkeypatch, factor, asked, verdict):
    monkeypatch.setattr(costs, "factor", lambda *names: factor)
    monkeypatch.setattr(costs, "shap_beside_the_papers", lambda block: asked)
    (claim,) = (line for line in claims.of_figure_2(_block("sql")).lines if line[1] == "time")
    assert claim[2] == verdict


def test_each_claim_of_the_figure_is_asked_at_one_and_three(sql):
    lines = sql["Claims of Section 4.1"].lines
    by_claim: dict[str, list[str]] = {}
    for claim, where, *_ in lines:
        by_claim.setdefault(claim, []).append(where)
    assert set(map(tuple, by_claim.values())) == {("m = 1", "m = 3"), ("time",)}


def test_verdicts_are_those_of_the_intervals(sql):
    block = _block("sql")
    key = ("lrp[preset=paper-tabular]", "none")
    found = [block.level(key, "recall[top=3]", name).interval() for name in published.CORRUPTIONS]
    expected = "supported" if all(low > 0.5 for low, _ in found) else "cannot be said"
    expected = "not supported" if any(high < 0.5 for _, high in found) else expected
    quoted = f"“{published.QUOTES['all good']}”: LRP"
    lines = {tuple(line[:2]): line[2] for line in sql["Claims of Section 4.1"].lines}
    assert lines[quoted, "m = 3"] == expected


def _block(name: str) -> scored.Block:
    store = open_store(RESULTS / name)
    records, complaints = store.records()
    (block,) = scored.of_corruptions(boards.read_table(store, records, None, complaints))
    return block


def test_whose_settings_they_are_is_said(sql):
    lines = {line[0]: line[1:] for line in sql["Whose settings these are"].lines}
    assert lines["data"][-1] == "ours"
    assert lines["adversarial θ, α, k, steps"][0] == "not said"
    assert lines["thresholds T"][-1] == "the paper's"
    assert list(lines["KernelSHAP"]) == [
        published.SETTINGS["shap"],
        "kernelshap-batched[rows=100]: 1000 and 100",
        "differs",
    ]


def test_reports_of_strangers_that_are_no_numbers_are_left_out():
    block = _block("sql")
    odd = {"epochs": "many", "best_epoch": None}
    records = [record.model_copy(update={"detector": odd}) for record in block.records]
    block.__dict__["records"] = records
    shown = [line[0] for line in settings.of_figure_2(block).lines]
    assert "network" in shown
    assert "epochs (median)" not in shown


@pytest.mark.parametrize(
    ("counted", "asked", "expected"),
    [
        (755_800, {}, costs.SAME),
        (71_100, {"nsamples": 1000, "rows": 755}, costs.LESS),  # the data have no more rows
        (None, {"nsamples": 1000, "rows": 755}, costs.SAME),
        (None, {"nsamples": 30_000, "rows": 755}, costs.MORE),
        (None, {"nsamples": 1000, "rows": 755, "kmeans": True}, None),
        (None, {"nsamples": 1000, "rows": None}, None),
    ],
)
def test_what_kernelshap_asks_is_counted_or_said_by_its_parameters(
    monkeypatch, counted, asked, expected
):
    block = _block("sql")
    name = "kernelshap-batched[rows=100]"
    own = block.explainers[name].model_copy(update={"parameters": asked})
    block.__dict__["explainers"] = {**block.explainers, name: own}
    monkeypatch.setattr(scored.Block, "of", lambda self, entries: name)
    monkeypatch.setattr(costs, "times", lambda *names: {"forward_rows": counted})
    assert costs.shap_beside_the_papers(block) == expected


def test_a_contrast_is_not_the_papers_lrp():
    plain = component(families.explainers, "lrp[preset=paper-tabular]")
    other = component(families.explainers, "lrp[preset=paper-tabular,contrast=minus]")
    assert scored.same(plain, plain)
    assert not scored.same(other, plain)


def test_parameters_that_came_later_do_not_tell_rows_apart():
    block = _block("sql")
    assert block.of(["lrp[preset=paper-tabular]"]) == "lrp[preset=paper-tabular]"
    assert block.of(["lrp[preset=paper-image]"]) is None
    assert block.of(["kernelshap", "kernelshap-batched"]) == "kernelshap-batched[rows=100]"


def test_the_command_prints_it_as_wide_as_the_terminal(aexbench_cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    outcome = aexbench_cli("leaderboard", RESULTS / "mvtec", "--format", "paper")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "object / damage" in outcome.out  # names stand in every table of many columns
    markdown = aexbench_cli("leaderboard", RESULTS / "mvtec", "--format", "paper-markdown").out
    assert "| object | damage | Residual L1 paper | Residual L1 here |" in markdown
    assert "| bottle | broken\\_large | 0.305 |" in markdown


def test_a_claim_is_said_once_in_a_terminal(aexbench_cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = aexbench_cli("leaderboard", RESULTS / "sql", "--format", "paper").out
    assert out.count(published.QUOTES["comparable"]) == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("images", [], "has nothing to show beside the paper: no Figure 2: .*; no Table 1: "),
        ("sql", ["-m", "recall"], "paper has the paper's metrics: leave out --metric and --by"),
    ],
)
def test_what_cannot_be_shown_is_one_line(aexbench_cli, name, options, message):
    outcome = aexbench_cli("leaderboard", RESULTS / name, "--format", "paper", *options)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert re.search(message, outcome.err)
