"""Tables, HTML, JSON lines, frames and pictures of explanations."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from aexbench import Detector, Features, RequestError, SkipError
from aexbench.explaining import Explanations, explain
from aexbench.explaining.parts import Column, Feature, Usual, Vote
from tests.aexbench.explaining.conftest import Constant
from tests.aexbench.explaining.test_sentences import explanation

EVIL = '<b>&"x\x1b[31m'


def many(count: int = 14, name: str = "column") -> tuple[Feature, ...]:
    """Features whose attributions fall, the last ones below zero."""
    return tuple(
        Feature(
            f"{name} {n}",
            (Column(f"{name} {n}", 10.0 * n, 1.5, Usual(-123.25, 0.0, 4567.75), 0.1),),
            None,
            0.1,
            0.1,
            10.0 - n,
            (10.0 - n) / 55,
        )
        for n in range(count)
    )


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_no_line_is_longer_than_the_terminal(width):
    for one in (explanation(), explanation(features=many(name="a rather long name of a column"))):
        lines = one.text(width).splitlines()
        assert max(map(len, lines)) <= width
        assert not any(line.endswith(" ") for line in lines)


@pytest.mark.parametrize("width", [60, 80])
def test_numbers_are_never_cut(width):
    one = explanation(features=many(name="a rather long name of a column"))
    text = one.text(width)
    assert text.count("-123 – 4568") >= 10
    assert "…" in text  # names are


def test_the_table_has_the_most_responsible_ten_and_says_what_is_left_out():
    table = explanation(features=many()).text(80)
    rows = [line for line in table.splitlines() if line.startswith("column ")]
    assert [row.split()[1] for row in rows] == [str(n) for n in range(10)]
    assert "and 4 more features, -11 % of the attribution" in table


def test_bars_are_as_long_as_the_shares_and_read_without_colour():
    features = (*many(2), replace(many(1)[0], name="against", attribution=-5.0, share=-5 / 55))
    text = explanation(features=features).text(80)
    first, second, last = (next(row for row in text.splitlines() if row.startswith(name))
                           for name in ("column 0", "column 1", "against"))  # fmt: skip
    assert second.count("█") == pytest.approx(0.9 * first.count("█"), abs=1)
    assert last.count("░") == pytest.approx(0.5 * first.count("█"), abs=1)
    assert "█" not in last
    assert last.endswith("-9 %")


def test_the_narrower_the_less(monkeypatch):
    one = explanation(features=many())
    heads = [
        next(line for line in one.text(width).splitlines() if line.startswith("feature "))
        for width in (100, 56, 44)
    ]
    assert "error" in heads[0]
    assert "error" not in heads[1]
    assert "value" in heads[1]
    assert "expected" not in heads[2]
    monkeypatch.setenv("COLUMNS", "60")
    assert str(one) == one.text(60)
    assert str(Explanations((one, one))) == f"{one}\n\n{one}"


def test_remarks_stand_below_the_table():
    text = explanation().text(80)
    for said in ("leads `flow` by 0.22", "No other explainer was asked", "Why `residual`: the"):
        assert said in text


def test_a_strangers_names_do_nothing_anywhere():
    one = explanation(
        features=many(name=EVIL), votes=(Vote("residual", (f"{EVIL} 0",)), Vote(EVIL, (), EVIL))
    )
    assert "\x1b" not in one.text(80)
    html = one._repr_html_()
    assert "<b>" not in html
    assert "\x1b" not in html
    assert "&lt;b&gt;&amp;&quot;x" in html
    assert one.sentence.count("\x1b") == 0


def test_html_has_a_row_a_feature():
    assert explanation(features=many())._repr_html_().count("<tr>") == 11
    assert Explanations((explanation(), explanation()))._repr_html_().count("<table>") == 2


def test_a_line_of_json_says_all_and_no_more():
    line = explanation().json()
    assert "\n" not in line
    read = json.loads(line)
    assert read["schema"] == 1
    assert (read["row"], read["score"], read["alarmed"]) == (17, 0.83, True)
    assert read["sentence"] == explanation().sentence
    assert read["features"][0]["columns"][0]["usual"] == {"low": 3.1, "median": 4.0, "high": 5.0}
    assert read["features"][0]["share"] == 0.61
    assert read["lead"]["by"] == "nothing"
    assert read["votes"] == [{"explainer": "residual", "first": ["pressure"], "reason": ""}]
    assert "pixels" not in read
    two = Explanations((explanation(), explanation()))
    assert two.json() == f"{line}\n{line}\n"


def test_the_frame_has_a_row_a_feature(constant, data):
    found = explain(constant, data.test[:2], data=data, rows=[5, 6], shortlist=())
    frame = found.frame
    assert list(frame["row"].unique()) == [5, 6]
    assert list(frame["rank"]) == [1, 2, 3, 4] * 2
    bytes_ = frame[frame.feature == "bytes"].iloc[0]
    assert bytes_["value"] == pytest.approx(600)
    assert bytes_["low"] < bytes_["median"] < bytes_["high"]
    proto = frame[frame.feature == "proto"].iloc[0]
    assert (proto["value"], proto["expected"]) == ("icmp", "udp")
    assert np.isnan(proto["low"])
    assert len(found[0].frame) == 4
    assert frame[frame["row"] == 5].error_share.sum() == pytest.approx(1)


def test_explanations_are_a_sequence(constant, data):
    found = explain(constant, data.test[:3], data=data, shortlist=())
    assert len(found) == 3
    assert found[-1] is list(found)[2]
    assert isinstance(found[:2], Explanations)
    assert len(found[:2]) == 2


def test_a_bar_chart_shows_its_features_and_nothing_of_this_machine(tmp_path):
    pytest.importorskip("altair")
    one = explanation(features=many())
    path = one.save(tmp_path / "why.svg")
    drawn = path.read_text()
    assert "column 0" in drawn
    assert "usual -123 – 4568" in drawn
    assert "column 10" not in drawn
    assert str(tmp_path) not in drawn
    addresses = {part.split('"')[0] for part in drawn.split('"http')[1:]}
    assert addresses <= {"://www.w3.org/2000/svg", "://www.w3.org/1999/xlink"}
    assert "<script" not in drawn
    evil = explanation(features=many(name="<script>alert(1)</script>")).save(tmp_path / "evil.svg")
    assert "<script" not in evil.read_text()


def test_whiskers_show_how_far_an_attribution_may_be_off(tmp_path):
    pytest.importorskip("altair")
    sure = tuple(replace(f, standard_error=0.1 * n) for n, f in enumerate(many(3)))
    told = explanation(features=sure)
    chart = told.plot().to_dict()
    rows = chart["layer"][0]["data"]["values"] if "data" in chart["layer"][0] else None
    rows = rows or chart["data"]["values"]
    ends = [(row["low"], row["high"]) for row in rows]
    assert ends[0] == (10.0, 10.0)
    assert ends[2] == pytest.approx((8.0 - 0.392, 8.0 + 0.392))
    assert "±1.96 standard errors" in told.save(tmp_path / "told.svg").read_text()
    untold = json.dumps(explanation(features=many(3)).plot().to_dict())
    assert "errorbar" not in untold
    assert "standard error" not in untold
    assert json.loads(told.json())["features"][2]["standard_error"] == 0.2


def test_bars_of_one_name_are_two_bars(tmp_path):
    pytest.importorskip("altair")
    twice = tuple(replace(feature, name="same") for feature in many(2))
    chart = explanation(features=twice).plot().to_dict()
    held = json.dumps(chart)
    assert '"rank": 0' in held
    assert '"rank": 1' in held


def test_pictures_of_several_rows_and_their_endings(tmp_path):
    pytest.importorskip("altair")
    two = Explanations((explanation(), explanation(label="Row 18")))
    assert two.save(tmp_path / "new" / "why.png").read_bytes()[:4] == b"\x89PNG"
    assert "Row 18" in two.save(tmp_path / "why.svg").read_text()
    assert two.save(tmp_path / "why.jsonl").read_text() == two.json()
    with pytest.raises(RequestError, match=r"ends in \.svg, \.png or \.jsonl"):
        two.save(tmp_path / "why.pdf")
    with pytest.raises(RequestError, match="no explanation to draw"):
        Explanations(()).save(tmp_path / "why.svg")


def test_images_are_drawn_beside_what_was_expected(tmp_path):
    rng = np.random.default_rng(0)
    train = rng.random((10, 1, 8, 8)).astype(np.float32)
    detector = Detector(Constant(train.mean(axis=0)), features=Features()).calibrate(train)
    found = explain(detector, train[:2], background=train, shortlist=())
    figure = found.plot()
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in figure.axes[:3]] == [
        "image", "expected (x̂)", "attribution: residual",
    ]  # fmt: skip
    drawn = found.save(tmp_path / "why.svg").read_text()
    assert "matplotlib.org" not in drawn
    assert str(tmp_path) not in drawn
    assert found.save(tmp_path / "why.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("package", ["altair", "vl_convert"])
def test_a_package_that_is_missing_is_named(package, monkeypatch, tmp_path):
    pytest.importorskip("altair")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SkipError, match=r"aexbench\[plots\]"):
        explanation().save(tmp_path / "why.svg")
