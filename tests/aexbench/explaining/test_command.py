"""`aexbench explain` from the first to the last, with a state dict and a CSV."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from aexbench import cli
from aexbench.explaining.choice import AUDIT_FILE, detector_digest
from aexbench.loading import load

NET = """
import torch


def make():
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh(), torch.nn.Linear(2, 3))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A network that expects 40, 0.5 and 7 whatever comes; row 3 has a pressure of 90."""
    path = tmp_path_factory.mktemp("user")
    (path / "net.py").write_text(NET)
    state = {"0.weight": torch.zeros(2, 3), "0.bias": torch.zeros(2)}
    state |= {"2.weight": torch.zeros(3, 2), "2.bias": torch.tensor([40.0, 0.5, 7.0])}
    torch.save(state, path / "net.pt")
    rows = np.random.default_rng(0).normal([40.0, 0.5, 7.0], [1.0, 1.0, 1.0], (200, 3)).round(3)
    rows[3, 0] = 90.0
    lines = ["pressure,flow,level", *(",".join(map(str, row)) for row in rows)]
    (path / "rows.csv").write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def ran(folder, monkeypatch, capsys):
    """Run the command in the user's folder; return the exit code and both streams."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["aexbench", "explain", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        streams = capsys.readouterr()
        return int(end.value.code or 0), streams.out, streams.err

    return run


MINE = ("net.py:make[weights=net.pt]", "rows.csv")


def test_a_row_in_the_users_units(ran):
    code, out, _ = ran(*MINE, "--row", "3")
    assert code == 0
    assert out.startswith(
        "Row 3 scores 0.996, above its alarm at 0.004: `residual` names `pressure`"
    )
    line = next(line for line in out.splitlines() if line.startswith("pressure"))
    assert line.split()[1] == "90"
    assert "40" in line.split()
    assert "Why `residual`: the default" in out


def test_the_worst_row_of_the_test_where_none_is_named(ran):
    _, every, _ = ran(*MINE, "--above", "0", "--count", "200", "--format", "json")
    code, out, err = ran(*MINE, "--format", "json")
    (line,) = out.splitlines()
    assert (code, err) == (0, "")
    worst = max(json.loads(one)["error"] for one in every.splitlines())
    assert json.loads(line)["error"] == worst


def test_anomalies_are_lines_of_json_the_worst_first(ran):
    _, every, _ = ran(*MINE, "--above", "0", "--count", "200", "--format", "json")
    alarmed = [one for one in map(json.loads, every.splitlines()) if one["alarmed"]]
    assert len(alarmed) > 1
    code, out, err = ran(*MINE, "--anomalies", "--format", "json")
    read = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [one["row"] for one in read] == [one["row"] for one in alarmed]
    assert [one["error"] for one in read] == sorted((one["error"] for one in read), reverse=True)
    _, out, err = ran(*MINE, "--anomalies", "--count", "1", "--format", "json")
    assert json.loads(out)["row"] == read[0]["row"]
    assert err.startswith(f"{len(alarmed) - 1} more such row")


def test_above_a_score_and_nothing_there(ran):
    code, out, err = ran(*MINE, "--above", "0.0", "--format", "json")
    assert code == 0
    assert len(out.splitlines()) == 10
    assert all(json.loads(line)["score"] > 0 for line in out.splitlines())
    code, out, err = ran(*MINE, "--above", "1")
    assert (code, out) == (1, "")
    assert err == "no test row scores above 1\n"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--row", "999"), "there is no row 999: rows are numbered 0 to 199"),
        (("--row", "3", "--anomalies"), "--row, --anomalies and --above: one of them at a time"),
        (("--format", "yaml"), "unknown format 'yaml'"),
        (("-e", "residul"), "did you mean 'residual'"),
        (("--loss", "l3"), "unknown loss 'l3'"),
        (("--to", "why.pdf", "--row", "3"), "ends in .svg, .png or .jsonl"),
        (("--audit", "none.json"), "there is no audit none.json"),
    ],
)
def test_a_bad_request_is_one_line_and_exit_2(ran, more, said):
    code, out, err = ran(*MINE, *more)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_model_that_is_not_there(ran):
    assert ran("nets.py:make", "rows.csv")[0] == 2
    assert ran("net.py:make", "row.csv")[0] == 2


def test_pictures_and_lines_in_files(ran, folder):
    pytest.importorskip("altair")
    code, _out, _ = ran(*MINE, "--row", "3", "--to", "why.svg")
    assert code == 0
    assert "pressure" in (folder / "why.svg").read_text()
    ran(*MINE, "--row", "3", "--row", "4", "--to", "why.jsonl")
    rows = [json.loads(line)["row"] for line in (folder / "why.jsonl").read_text().splitlines()]
    assert rows == [3, 4]


def test_an_audit_beside_it_chooses(ran, folder, monkeypatch):
    monkeypatch.chdir(folder)
    digest = detector_digest(load(MINE[0]))
    held = {"explainer": "repair", "reason": "it won", "detector": digest}
    path = folder / AUDIT_FILE
    path.write_text(json.dumps(held))
    try:
        _, out, _ = ran(*MINE, "--row", "3")
        assert f"Why `repair`: chosen by the audit in {AUDIT_FILE}: it won." in out
        _, out, _ = ran(*MINE, "--row", "3", "-e", "residual")
        assert "Why `residual`: it was asked for." in out
        path.write_text(json.dumps(held | {"detector": "another"}))
        _, out, _ = ran(*MINE, "--row", "3")
        assert "Why `residual`: the default" in out
    finally:
        path.unlink()


def test_the_loss_and_the_output_are_the_detectors(ran, folder):
    (folder / "pair.py").write_text("def make(): return lambda x: (x.sum(), 0 * x, x)\n")
    _, l2, _ = ran("pair.py:make", "rows.csv", "--row", "3", "--output", "1", "--format", "json")
    _, l1, _ = ran(
        "pair.py:make",
        "rows.csv",
        "--row",
        "3",
        "--output",
        "1",
        "--format",
        "json",
        "--loss",
        "l1",
    )
    row = np.loadtxt(folder / "rows.csv", delimiter=",", skiprows=1)[3]
    assert json.loads(l2)["error"] == pytest.approx((row**2).mean(), rel=1e-5)
    assert json.loads(l1)["error"] == pytest.approx(np.abs(row).mean(), rel=1e-5)


def test_the_data_sets_own_autoencoder(ran):
    code, out, _ = ran("default", "wine", "--anomalies", "--count", "1")
    assert code == 0
    assert out.startswith("Row ")
    code, _, err = ran("default", "wine", "--loss", "l1")
    assert code == 2
    assert "for a model of yours" in err


def test_a_plugins_explainer_answers(ran, plugin_file):
    _, out, _ = ran(*MINE, "--row", "3", "--plugin", str(plugin_file), "-e", "mine[power=2]")
    assert "Why `mine[power=2.0]`: it was asked for." in out


def test_help_needs_no_torch():
    command = [sys.executable, "-X", "importtime", "-m", "aexbench", "explain", "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert not imported & {"torch", "numpy", "pandas"}
    assert "--anomalies" in run.stdout


def test_so_many_worst_rows_are_shown_as_are_asked_for(ran):
    _, one, _ = ran(*MINE, "--format", "json")
    _, three, _ = ran(*MINE, "--count", "3", "--format", "json")
    assert len(three.splitlines()) == 3
    assert three.splitlines()[0] == one.strip()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--row", "3", "--count", "1"), "leave --count out"),
        (("-e", "residual", "--audit", "nosuch.json"), "leave one of them out"),
    ],
)
def test_what_would_be_passed_over_is_refused(ran, options, said):
    code, _, err = ran(*MINE, *options)
    assert code == 2
    assert said in err
