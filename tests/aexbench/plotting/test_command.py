"""`aexbench plot` from the first to the last."""

from __future__ import annotations

import dataclasses
import re
import sys

import pytest

import aexbench
from aexbench import RequestError, SkipError
from aexbench.board.table import Kind
from aexbench.plotting import curves, drawing, groups, ledger, looks, pareto, ranks
from aexbench.plotting.choosing import Wanted
from aexbench.plotting.curves import Curve
from aexbench.plotting.kinds import KINDS
from aexbench.plotting.ledger import Book
from tests.aexbench.plotting.conftest import RESULTS, board, row, section
from tests.aexbench.plotting.test_ledger import Made

SAYS = {
    "curves": ["m [features]", "recall", "random (floor)", "chance"],
    "groups": ["recall@1", "bold, framed", "residual", "all groups"],
    "pareto": ["time of one sample, alone [ms]", "recall@1", "timed on", "oracle"],
    "ranks": ["rank (1: the best)", "recall@1", "residual", "chance"],
    "ledger": ["relevance handed on [share of the error]", "contraction", "z-plus"],
}


@pytest.fixture
def chart_maker() -> None:
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_drawn_and_says_what_it_shows(kind, ran, chart_maker, aexbench_cli, tmp_path):
    path = tmp_path / "new" / f"{kind}.svg"
    if kind == "pareto":  # this run has no times of its own where tests run beside each other
        path = tmp_path / "pareto.svg"
        outcome = aexbench_cli("plot", kind, RESULTS / "quickstart", "--to", path)
    else:
        outcome = aexbench_cli("plot", kind, ran.store.root, "--to", path)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == f"{path}\n"
    drawn = path.read_text()
    for text in SAYS[kind]:
        assert text in drawn
    assert set(re.findall(r"https?://[^\"' <]+", drawn)) <= {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
    }  # fmt: skip
    assert str(tmp_path) not in drawn
    assert str(ran.store.root) not in drawn


def test_a_png_is_a_png_and_the_dark_one_is_another(chart_maker, aexbench_cli, tmp_path):
    light, dark = tmp_path / "light.png", tmp_path / "dark.png"
    aexbench_cli("plot", "ranks", RESULTS / "quickstart", "--to", light)
    aexbench_cli("plot", "ranks", RESULTS / "quickstart", "--to", dark, "--dark")
    assert light.read_bytes()[:4] == dark.read_bytes()[:4] == b"\x89PNG"
    assert light.read_bytes() != dark.read_bytes()


def test_without_a_name_it_is_the_kinds(chart_maker, aexbench_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert aexbench_cli("plot", "ranks", RESULTS / "quickstart").out == "ranks.svg\n"
    assert "recall@3" not in (tmp_path / "ranks.svg").read_text()
    aexbench_cli("plot", "ranks", RESULTS / "quickstart", "-m", "recall@3")
    assert "recall@3" in (tmp_path / "ranks.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("curvs",), "unknown kind of plot 'curvs'; did you mean 'curves'?"),
        (("ranks", "--to", "a.pdf"), "a.pdf: a name ends in .svg or .png"),
        (("ranks", "-m", "nope"), "unknown metric of this store 'nope'"),
        (("ranks", "--section", "labels"), "unknown section 'labels'"),
        (("groups", "-e", "nope"), "unknown explainer of this store 'nope'"),
        (("groups", "--only", "nope"), "no group's name holds 'nope'"),
        (("curves",), "is packed and has no attributions, which curves derive from: take the"),
        (("ledger",), "is packed and has no detectors: take the store"),
    ],
)
def test_a_wrong_request_is_one_line(arguments, said, aexbench_cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kind, *options = arguments
    outcome = aexbench_cli("plot", kind, RESULTS / "quickstart", *options)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_results_draw_themselves(chart_maker, ran):
    light, dark = (ran.plot("groups", dark=dark).to_dict() for dark in (False, True))
    assert light["config"]["background"] == looks.LIGHT.ground
    assert dark["config"]["background"] == looks.DARK.ground
    with pytest.raises(RequestError, match="Known: curves, groups, ledger, pareto, ranks"):
        ran.plot("nope")


def test_sections_are_never_one(chart_maker):
    results = aexbench.open(RESULTS / "real")
    drawn = drawing.to_bytes(results.plot("ranks"), "svg").decode()
    for title in ("Injected causes", "Labelled symptoms", "Labelled causes"):
        assert title in drawn
    drawn = drawing.to_bytes(results.plot("ranks", section="symptoms"), "svg").decode()
    assert "Injected causes" not in drawn


@pytest.mark.parametrize("package", ["altair", "vl_convert"])
def test_a_package_that_is_missing_is_named(package, chart_maker, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SkipError, match=r"aexbench\[plots\]"):
        drawing.save(aexbench.open(RESULTS / "quickstart").plot("ranks"), tmp_path / "a.svg")


EVIL = "<script>alert(1)</script>\x1b[31m\u202e'\"&\n{{x}} /home/me/secret/rows.csv"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["svg", "png"])
def test_names_of_strangers_are_text(kind, form, chart_maker):
    scores = {f"{EVIL} / a": (0.5, None), f"{EVIL} / b": (0.4, None)}
    by_group, units = {"by_group": scores}, dict.fromkeys(scores, 9)
    own = row(EVIL, 0.5, rank=(1, 1), latency_s=0.1, hardware=EVIL, **by_group)
    found = section(own, row(EVIL, 0.3, "floor", **by_group), units=units)
    found = dataclasses.replace(found, kind=Kind("recipe", "labels", EVIL))
    whole, colours = board(found, title=EVIL, metric=EVIL), looks.LIGHT
    made = {
        "groups": lambda: groups.chart(whole, found, Wanted(), colours),
        "pareto": lambda: pareto.chart(whole, found, Wanted(), colours),
        "ranks": lambda: ranks.chart(whole, found, Wanted(), colours),
        "curves": lambda: curves.chart(
            whole, found, Wanted(), colours, [Curve(EVIL, EVIL, "explainer", {1: 0.1, 2: 1.0})]
        ),
        "ledger": lambda: ledger.chart(EVIL, EVIL, [Book(EVIL, Made())], colours),
    }
    drawn = drawing.to_bytes(looks.dressed(made[kind](), colours), form)
    if form == "png":
        assert drawn[:4] == b"\x89PNG"
        return
    text = drawn.decode()
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "/home/me" not in text
    assert "alert(1)" in text


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("look", [looks.LIGHT, looks.DARK])
def test_what_is_written_and_drawn_reads_on_its_ground(look):
    def contrast(one: str, other: str) -> float:
        high, low = sorted((luminance(one), luminance(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for colour in (look.ink, look.soft, look.main, *look.lines):
        assert contrast(colour, look.ground) >= 4.5
    assert contrast(look.ink, look.low) >= 4.5
    assert contrast(look.on_high, look.high) >= 4.5


@pytest.mark.parametrize(
    ("kind", "option"),
    [("ranks", "--only"), ("pareto", "--only"), ("ledger", "--metric"), ("ledger", "--section")],
)
def test_what_would_change_nothing_is_refused(kind, option, aexbench_cli, tmp_path):
    to = tmp_path / "picture.svg"
    outcome = aexbench_cli("plot", kind, RESULTS / "quickstart", option, "recall", "--to", to)
    assert outcome.code == 2
    assert f"{kind} shows the same whatever {option[2:]} is" in outcome.err
    assert not to.exists()
