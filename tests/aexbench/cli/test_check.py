"""`aexbench check`: what is broken, and the line that mends it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from aexbench import checking, conformance
from aexbench.checking import trying
from aexbench.checking.mending import HINTS
from tests.aexbench.cli.broken import CASES, WHOLE, Case

CHECKED = {
    "explainer": conformance.explainers.RULES,
    "corruption": conformance.corruptions.RULES,
    "metric": conformance.metrics.RULES,
    "data set": conformance.datasets.RULES,
    "autoencoder": conformance.autoencoders.RULES,
}
UNREACHED = {
    ("explainer", "takes arrays"),  # the door sees to it
    ("explainer", "any order"),  # never broken without "a sample alone as in a batch"
}


@pytest.fixture
def written(tmp_path):
    def write(source, name="mine.py"):
        path = tmp_path / name
        path.write_text(source)
        return path

    return write


def words(text: str) -> str:
    """Return a text without the breaks of its lines."""
    return " ".join(text.split())


@pytest.mark.parametrize("kind", WHOLE)
def test_what_keeps_its_contract_has_every_rule_named(kind, written, aexbench_cli):
    outcome = aexbench_cli("check", written(WHOLE[kind]))
    assert (outcome.code, outcome.err) == (0, "")
    family = "corruption" if kind == "class" else kind
    rules = list(CHECKED[family])
    kept = [line for line in outcome.out.splitlines() if line.startswith("  kept ")]
    assert [line.split(maxsplit=1)[1] for line in kept] == rules
    assert f"mine.py: {len(rules)} rules kept, 0 broken" in outcome.out
    assert "Next: " in outcome.out


def of(case: Case) -> str:
    assert WHOLE[case.kind].count(case.right) == 1
    return WHOLE[case.kind].replace(case.right, case.wrong)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.mend}")
def test_what_is_broken_comes_with_the_line_that_mends_it(case, written, aexbench_cli):
    path = written(of(case))
    (checked,) = json.loads(aexbench_cli("check", path, "--json").out)
    broken = {rule["rule"]: rule for rule in checked["rules"] if rule["problem"]}
    assert case.mend in broken[case.rule]["mend"]
    assert "because" not in broken[case.rule]
    assert all("mend" in rule for rule in broken.values())
    outcome = aexbench_cli("check", path)
    assert outcome.code == 1
    assert f"  BROKEN     {case.rule}\n" in outcome.out
    assert words(case.mend) in words(outcome.out)


def test_every_rule_has_a_plugin_that_breaks_it():
    known = {(family, rule) for family, rules in CHECKED.items() for rule in rules}
    kinds = {"class": "corruption"}
    tried = {(kinds.get(case.kind, case.kind), case.rule) for case in CASES}
    assert known - UNREACHED <= tried
    assert not tried & UNREACHED


def test_every_hint_is_given_to_someone():
    """One for each line of the table: none is there in vain."""
    given = {(kinds(case), case.rule, case.mend) for case in CASES}
    for family, hints in HINTS.items():
        for hint in hints:
            line = hint.line.format(name="mine")
            assert any(kind == family and mend in line for kind, _, mend in given), line


def kinds(case: Case) -> str:
    return "corruption" if case.kind == "class" else case.kind


def test_every_family_has_a_check_and_hints():
    assert set(trying.CHECKS) == set(HINTS) == set(CHECKED)


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("case", CASES[:6], ids=lambda case: f"{case.kind}: {case.mend}")
def test_it_fits_the_terminal(case, width, written, aexbench_cli, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    written(of(case).replace(", version=1", ""))
    out = aexbench_cli("check", "mine.py").out
    assert max(map(len, out.splitlines())) <= width
    assert "\x1b" not in out


def test_what_fails_everywhere_is_said_once_with_its_line(written, aexbench_cli):
    source = WHOLE["explainer"].replace("    scale = 1.0", "    scale = error[0, 999]")
    out = aexbench_cli("check", written(source)).out
    line = source.splitlines().index("    scale = error[0, 999]") + 1
    assert words(out).count("IndexError") == 1
    assert f"(mine.py, line {line})" in words(out)
    assert out.count("BROKEN") == 1
    for rule in CHECKED["explainer"]:
        assert rule in words(out)


def test_what_follows_from_another_rule_stands_behind_it(written, aexbench_cli):
    case = next(case for case in CASES if case.rule == "repeatable")
    out = aexbench_cli("check", written(of(case))).out
    assert out.count("BROKEN") == 1
    assert "and so     a sample alone as in a batch, any order, takes arrays" in out


def test_images_are_tried_where_rows_are_skipped(written, aexbench_cli):
    skipping = '    if x.dim() != 4:\n        raise SkipError("for images alone")\n    scale = 1.0'
    outcome = aexbench_cli(
        "check", written(WHOLE["explainer"].replace("    scale = 1.0", skipping))
    )
    assert outcome.code == 0
    assert "explainer mine, on images of 16 × 16 pixels" in outcome.out


def test_what_applies_to_nothing_is_not_tried(written, aexbench_cli):
    skipping = '    raise SkipError("not here")\n    scale = 1.0'
    outcome = aexbench_cli(
        "check", written(WHOLE["explainer"].replace("    scale = 1.0", skipping))
    )
    assert outcome.code == 2
    assert "not tried  not here" in outcome.out
    assert "1 component not tried" in outcome.out
    assert "Next:" not in outcome.out


NEEDY = '''
from aexbench import explainers

@explainers.register("mine", version=1)
def mine(detector, x, *, path: str, other: int, power: int = 1):
    """Return the error map.

    Parameters
    ----------
    path, other, power
        Of the map.
    """
    return detector.error_map(x) ** power * len(path) * other
'''


OWN = '''
import torch
from aexbench import explainers

@explainers.register("mine", version=1)
def mine(detector, x):
    """Return something."""
    return RETURNED
'''


@pytest.mark.parametrize(
    ("returned", "added"),
    [
        ("(x - detector.reconstruct(x)).abs()", "own_error=True"),
        ("x * x", "floor=True"),
        ("detector.error_map(x) * x", ""),
        ("torch.zeros_like(x)", ""),
    ],
)
def test_who_never_asks_for_the_error_is_told_to_declare_it(returned, added, written, aexbench_cli):
    path = written(OWN.replace("RETURNED", returned))
    outcome = aexbench_cli("check", path)
    assert outcome.code == 0
    assert ("remark" in outcome.out) == bool(added)
    assert added in outcome.out
    (checked,) = json.loads(aexbench_cli("check", path, "--json").out)
    assert len(checked["remarks"]) == bool(added)
    if added:
        declared = path.read_text().replace("version=1", f"version=1, {added}")
        assert "remark" not in aexbench_cli("check", written(declared, "declared.py")).out


def test_parameters_that_it_needs_are_given_in_brackets(
    written, aexbench_cli, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    written(NEEDY)
    outcome = aexbench_cli("check", "mine.py")
    assert outcome.code == 2
    assert "it needs path and other, which have no default" in outcome.out
    assert "type       aexbench check mine.py 'mine[path=…,other=…]'\n" in outcome.out
    outcome = aexbench_cli("check", "mine.py", "mine[path=a.csv,other=2]")
    assert outcome.code == 0
    assert "explainer mine[path=a.csv,other=2], on wine" in outcome.out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("min", "unknown component of mine.py 'min'; did you mean 'mine'?"),
        ("mine[pat=1]", "unknown parameter of explainer mine 'pat'; did you mean 'path'?"),
        ("mine[path=a,other=b]", "explainer mine: other='b' is wrong"),
        ("mine[", "cannot read 'mine['"),
    ],
)
def test_a_name_that_is_wrong_is_a_wrong_request(
    name, message, written, aexbench_cli, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    written(NEEDY)
    outcome = aexbench_cli("check", "mine.py", name)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {message}")
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ndef (:\n", "plugin mine.py, line 2: SyntaxError: invalid syntax"),
        ("\nimport nowhere_at_all\n", "plugin mine.py, line 2: ModuleNotFoundError: No module"),
        ("x = 1\n", "mine.py registers nothing: put @aexbench.explainers.register("),
        (
            'from aexbench import metrics\n@metrics.register("mine")\ndef f(a): return a\n',
            "plugin mine.py, line 2: RequestError: metric mine takes 1 arguments",
        ),
    ],
)
def test_a_file_that_does_not_load_is_a_wrong_request(
    source, message, written, aexbench_cli, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    written(source)
    outcome = aexbench_cli("check", "mine.py")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"error: {message}")
    assert len(outcome.err.splitlines()) == 1


def test_no_file_is_a_wrong_request(aexbench_cli, tmp_path):
    outcome = aexbench_cli("check", tmp_path / "none.py")
    assert outcome.code == 2
    assert outcome.err == f"error: there is no plugin file {tmp_path / 'none.py'}\n"


def test_one_broken_of_many_decides(written, aexbench_cli):
    needy = NEEDY.replace('"mine"', '"needy"')
    metric = WHOLE["metric"].replace(
        "axis=1)\n    return", "axis=1) - 1e-3 * len(truth)\n    return"
    )
    outcome = aexbench_cli("check", written(needy + metric + WHOLE["corruption"]))
    assert outcome.code == 1
    heads = [line for line in outcome.out.splitlines() if line and line[0] != " "]
    assert [head.split(",")[0] for head in heads[:3]] == [
        "explainer needy",
        "corruption mine",
        "metric mine",
    ]
    assert heads[-2:] == ["mine.py: 20 rules kept, 1 broken", "1 component not tried"]


def test_a_name_chooses_in_every_family(written, aexbench_cli):
    source = written(WHOLE["metric"] + WHOLE["corruption"] + NEEDY.replace('"mine"', '"needy"'))
    checked = json.loads(aexbench_cli("check", source, "mine", "--json").out)
    assert [one["family"] for one in checked] == ["corruption", "metric"]


def test_what_a_plugin_prints_does_not_stand_among_the_rules(written, aexbench_cli):
    loud = WHOLE["explainer"].replace("    scale = 1.0", '    print("loud")\n    scale = 1.0')
    outcome = aexbench_cli("check", written(f'print("aloud")\n{loud}'), "--json")
    assert json.loads(outcome.out)[0]["untried"] == ""
    assert outcome.err.startswith("aloud\nloud\n")


REMARKS = '''
from aexbench import datasets, metrics
from aexbench.datasets.scikit import wine
from aexbench.metrics.recall import recall

@metrics.register("silent")
def silent(attributions, truth, *, top: int = 1):
    return recall(attributions, truth, top=top)

@metrics.register("untold", version=1)
def untold(attributions, truth, *, top: int = 1, also=None):
    """Return the recall."""
    return recall(attributions, truth, top=top or also)

@datasets.register("mine", version=1)
def mine():
    """Wines."""
    return wine()
'''


def test_remarks_say_what_others_will_miss_and_break_nothing(written, aexbench_cli):
    outcome = aexbench_cli("check", written(REMARKS))
    assert outcome.code == 0
    checked = json.loads(aexbench_cli("check", written(REMARKS), "--json").out)
    remarks = {one["name"]: [remark["text"] for remark in one["remarks"]] for one in checked}
    version = "no version: results are known by the source, so that every edit renames them"
    assert remarks == {
        "mine": ["no licence of the data"],
        "silent": [version, "no docstring: lists show its first sentence"],
        "untold": ["nothing is said of top, also", "no type of also: values are not checked"],
    }
    assert 'add        register("silent", …, version=1)' in outcome.out


def test_each_component_is_tried_on_a_detector_that_no_other_has_changed(written, aexbench_cli):
    spoilt = WHOLE["explainer"].replace(
        "    scale = 1.0", "    scale = 1.0\n    detector.model[0].weight.data.zero_()"
    )
    both = written(spoilt + WHOLE["explainer"].replace('"mine"', '"other"').replace(" mine", " o"))
    assert aexbench_cli("check", both, "mine").code == 1
    assert aexbench_cli("check", both, "other").code == 0
    assert checking.tried(*_residual()).broken == []


def _residual():
    from aexbench import families

    return families.explainers.describe("residual"), {}


HANGS = '''
import time

from aexbench import explainers, metrics
from aexbench.metrics.recall import recall

@explainers.register("first", version=1)
def first(detector, x):
    """Return the error map."""
    return detector.error_map(x)

@explainers.register("hangs", version=1)
def hangs(detector, x):
    """Hang."""
    while True:
        time.sleep(0.01)

@metrics.register("last", version=1)
def last(attributions, truth):
    """Return the recall."""
    return recall(attributions, truth)
'''


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "aexbench", "check", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_what_hangs_is_ended_and_its_line_is_named(written):
    path = written(HANGS)
    ended = command(path, "--timeout", "15")
    assert ended.returncode == 1
    assert "explainer first, on wine" in ended.stdout
    line = HANGS.splitlines().index("        time.sleep(0.01)") + 1
    said = words(ended.stdout)
    assert any(
        f"BROKEN comes to an end no answer within 15 s (mine.py, line {at})" in said
        for at in (line - 1, line)
    )
    assert "mend it give it more time, or less to do: --timeout 600 'hangs[…]'" in said
    assert ended.stdout.endswith("mine.py: 9 rules kept, 1 broken\n1 component not tried\n")
    (hung,) = json.loads(command(path, "hangs", "--timeout", "1", "--json").stdout)
    assert [rule["rule"] for rule in hung["rules"]] == ["comes to an end"]


def test_two_minutes_are_allowed():
    from aexbench.cli.checking import LIMIT_S

    assert LIMIT_S == 120
