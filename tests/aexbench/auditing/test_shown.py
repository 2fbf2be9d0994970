"""An audit as people read it: text, JSON, a page, a part of a notebook."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from aexbench.auditing import words
from aexbench.auditing.evidence import Evidence
from aexbench.auditing.features import Hidden
from aexbench.auditing.report import Audit, seconds
from aexbench.auditing.worth import Worth
from aexbench.board.comparing import Estimate
from aexbench.contracts import Dataset
from aexbench.explaining.choice import chosen, detector_digest
from aexbench.features import Features
from aexbench.scaling import Scale

from .conftest import split

HOSTILE = "<script>alert(1)</script> & \x1b[31mred [bold]x[/bold] {{ 7*7 }}"


def hostile(audit: Audit) -> Audit:
    """Return an audit whose names do all they can."""
    first = audit.evidence.kinds[0]
    named = {HOSTILE: replace(first.tried["repair"], explainer=HOSTILE)} | dict(first.tried)
    kinds = [replace(first, tried=named), *audit.evidence.kinds[1:]]
    worth = replace(audit.evidence.worth, error_shares={HOSTILE: 0.9})
    evidence = replace(audit.evidence, kinds=kinds, worth=worth, left_out={HOSTILE: HOSTILE})
    return replace(audit, evidence=evidence, hidden=[Hidden(HOSTILE, HOSTILE, 0.1, 9)])


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(done, width):
    for audit in (done[0], hostile(done[0])):
        assert max(map(len, audit.text(width).splitlines())) <= width


def test_the_answer_stands_first(done):
    audit, _ = done
    assert flat(audit.text(60)).startswith(audit.reason)
    assert str(audit) == audit.text(80)


def test_all_that_is_said_is_in_the_text_at_any_width(done):
    audit, _ = done
    for width in (60, 200):
        shown = flat(audit.text(width))
        for line in [*audit.said, audit.legend]:
            assert flat(line) in shown
        for title, lines in audit.sections():
            assert not lines or title in shown
            assert all(flat(line) in shown for line in lines)


def test_every_mean_is_in_the_table_at_any_width(done):
    audit, _ = done
    names, lines = audit.table()
    assert names == ["explainer", "alike", "1", "2", "3", "4", "L", "cost"]
    assert lines[-1][0] == "deviation"
    for width in (40, 80):
        shown = audit.text(width)
        for kind in audit.evidence.kinds:
            for tried in kind.tried.values():
                assert f"{tried.score.mean:.2f}" in shown


def test_marks_say_who_is_not_above_the_floors_and_who_met_few(done):
    audit, _ = done
    first = audit.evidence.kinds[0]
    changed = replace(first.tried["repair"], above=False, few=True)
    kinds = [replace(first, tried={**first.tried, "repair": changed}), *audit.evidence.kinds[1:]]
    shown = replace(audit, evidence=replace(audit.evidence, kinds=kinds))
    names, lines = shown.table()
    (line,) = (one for one in lines if one[0] == "repair")
    assert line[names.index("1")] == f"·°{changed.score.mean:.2f}"
    assert "° is on the first few anomalies alone" in shown.legend
    assert "°" not in audit.legend


def test_names_command_no_terminal(done):
    shown = hostile(done[0]).text(100)
    assert "\x1b" not in shown
    assert "[bold]x[/bold] {{ 7*7 }}: <script>" in flat(shown)


def not_finite(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


def test_json_parses_and_is_finite(done):
    audit, _ = done
    unknown = replace(
        audit.evidence.worth, roc_auc=Estimate(0.5, math.nan, 0.0), error_ratio=math.inf
    )
    for one in (audit, replace(audit, evidence=replace(audit.evidence, worth=unknown))):
        held = json.loads(one.json(), parse_constant=not_finite)
        assert held["version"] == 1
        assert (held["explainer"], held["reason"]) == (one.explainer, one.reason)
        assert held["answer"]["by"] == one.answer.by
    assert held["evidence"]["worth"]["roc_auc"]["variance"] is None
    tried = json.loads(audit.json())["evidence"]["kinds"][0]["tried"]["repair"]
    assert tried["score"]["mean"] == audit.evidence.kinds[0].tried["repair"].score.mean


def test_explain_picks_what_the_file_says(done, sound, labelled, tmp_path):
    audit, _ = done
    assert audit.detector == detector_digest(sound)
    path = audit.save(tmp_path / "aexbench-audit.json")
    held = json.loads(path.read_text())
    path.write_text(json.dumps(held | {"explainer": "repair", "reason": "it won."}))
    picked = chosen(None, path, sound)
    assert (picked.by, picked.component.text) == ("audit", "repair")
    assert "it won" in picked.reason
    assert chosen(None, audit, sound).component.text == "residual"


def test_explain_takes_the_default_where_there_is_no_answer(sound, tmp_path):
    none = Audit(Evidence(Worth("it is dead", "train it")), detector=detector_digest(sound))
    picked = chosen(None, none.save(tmp_path / "a.json"), sound)
    assert picked.by == "default"
    assert "No answer: it is dead." in picked.reason


class Texts(HTMLParser):
    """Keeps the tags, and the text outside of style sheets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)


def page(audit: Audit, folder) -> str:
    return audit.save(folder / "a.html").read_text(encoding="utf-8")


def test_the_page_needs_no_script_and_no_network(done, tmp_path):
    for audit in (done[0], hostile(done[0])):
        html = page(audit, tmp_path)
        read = Texts(html)
        assert not {"script", "link", "img", "iframe", "object", "a"} & set(read.tags)
        assert not re.search(r"https?:|url\(|@import|src=|javascript:", html)
        assert not [one for one in read.attributes if one[1].startswith("on")]
        assert read.open == []
        assert "\x1b" not in html


def test_the_page_says_what_the_text_says(done, tmp_path):
    audit, _ = done
    shown = flat("".join(Texts(page(audit, tmp_path)).texts))
    assert audit.reason in shown
    for line in audit.said:
        assert flat(line) in shown
    for _, lines in audit.sections():
        assert all(flat(line).strip() in shown for line in lines)
    for line in audit.table()[1]:
        assert all(text in shown for text in line)


def test_hostile_names_are_text_on_the_page(done, tmp_path):
    html = page(hostile(done[0]), tmp_path)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "{{ 7*7 }}" in unescape(html)


def test_a_notebook_shows_the_same_without_a_page_around(done):
    shown = done[0]._repr_html_()
    assert done[0].reason in unescape(shown)
    assert "<html" not in shown
    assert "<style" not in shown


def test_files_by_their_endings(done, tmp_path):
    audit, _ = done
    assert audit.save(tmp_path / "new" / "a.json").read_text() == audit.json()
    assert audit.save(tmp_path / "a.txt").read_text() == audit.text(100)
    assert audit.save(tmp_path / "a.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0004, "0.40 ms"), (0.0099, "9.90 ms"), (0.25, "250 ms"), (2.5, "2.5 s")]
)
def test_seconds(value, shown):
    assert seconds(value) == shown


def test_a_heavy_column_is_said(done):
    worth = replace(done[0].evidence.worth, error_shares={"bytes": 0.93, "b": 0.07})
    (line,) = (one for one in words.of_detector(Evidence(worth)) if "bytes" in one)
    assert line.startswith("bytes alone bears 93% of the error of normal rows")


def test_hidden_features_are_named():
    (line,) = words.of_features([Hidden("flow", "repair", 0.25, 8)])
    assert line == "flow: changed alone 8 times; named first 25% of them, by repair, the best."


def scaled(rows, **scale) -> Dataset:
    data = split(rows[:, :3], features=Features(("a", "b", "c"), -9.0, 9.0))
    data.scale = Scale(**scale)
    return data


def test_columns_scaled_by_other_factors_weigh_otherwise(rows):
    """A factor of 2 beside one of 10: an error of a counts (10/2)² times as much."""
    data = scaled(rows, factor=(2.0, -10.0, 4.0))
    (said,) = words.of_scale(data, "l2")
    assert said.endswith("a has gained most, 25 times as much as b.")
    assert "the loss weighs columns otherwise than in your units" in said
    (said,) = words.of_scale(data, "l1")
    assert said.endswith("a has gained most, 5 times as much as b.")
    assert not list(words.of_scale(data, lambda x, x_hat: x - x_hat))


def test_one_factor_for_all_columns_changes_no_weight(rows):
    for scale in ({}, {"factor": 3.0}, {"factor": (3.0, -3.0, 3.0), "offset": (1.0, 2.0, 3.0)}):
        assert not list(words.of_scale(scaled(rows, **scale), "l2"))


def test_what_is_constant_in_training_has_no_weight_to_speak_of(rows):
    data = scaled(rows, factor=(2.0, 10.0, 0.001), tolerance=(0.0, 0.0, 1e-6))
    (said,) = words.of_scale(data, "l2")
    assert said.endswith("a has gained most, 25 times as much as b.")


def test_columns_without_names_have_numbers(rows):
    data = scaled(rows, factor=(2.0, 10.0, 4.0))
    data.features = Features(low=-9.0, high=9.0)
    (said,) = words.of_scale(data, "l2")
    assert said.endswith("column 0 has gained most, 25 times as much as column 1.")
