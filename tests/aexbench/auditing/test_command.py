"""`aexbench audit` from the first to the last, with a state dict and a CSV."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from aexbench import RequestError, cli
from aexbench.auditing import named
from aexbench.cli.audits import budget_seconds
from aexbench.results import Results
from aexbench.running.packed import open_store

from .conftest import SUITE, projection

NET = """
import torch


def make():
    return torch.nn.Sequential(torch.nn.Linear(10, 3), torch.nn.Linear(3, 10))
"""
SLEEPS = """
import time

from aexbench import explainers


@explainers.register("sleeps", version=1)
def sleeps(detector, x):
    \"\"\"Sleep for as long as nobody wakes it.\"\"\"
    time.sleep(600)
    return detector.error_map(x)


@explainers.register("breaks", version=1)
def breaks(detector, x):
    \"\"\"Break.\"\"\"
    raise RuntimeError("no such thing")
"""
MINE = ("net.py:make[weights=net.pt]", "rows.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, rows) -> Path:
    """A network, the rows that it knows and 30 that it does not, and their labels."""
    path = tmp_path_factory.mktemp("user")
    (path / "net.py").write_text(NET)
    (path / "plugin.py").write_text(SLEEPS)
    (path / "small.toml").write_text(SUITE)
    torch.save(projection(rows[:450], 3).model.state_dict(), path / "net.pt")
    torch.save(
        torch.nn.Sequential(torch.nn.Linear(10, 3), torch.nn.Linear(3, 10)).state_dict(),
        path / "raw.pt",
    )
    names = [f"f{n}" for n in range(10)]
    rng = np.random.default_rng(0)
    odd, truth = rows[:60].copy(), np.zeros((1000, 10), dtype=int)
    for place in range(60):
        truth[940 + place, rng.choice(10, 2, replace=False)] = 1
    odd += truth[940:] * rng.choice([-0.5, 0.5], odd.shape).astype(np.float32)
    whole = np.concatenate([rows[:940], odd])
    pd.DataFrame(whole, columns=names).to_csv(path / "rows.csv", index=False)
    pd.DataFrame(truth, columns=names).to_csv(path / "labels.csv", index=False)
    return path


@pytest.fixture
def ran(folder, monkeypatch, capsys):
    """Run the command in the user's folder; return the exit code and both streams."""

    def run(*arguments: str, command: str = "audit") -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(named, "SUITE", "small.toml")
        monkeypatch.setattr(sys, "argv", ["aexbench", command, *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        streams = capsys.readouterr()
        return int(end.value.code or 0), streams.out, streams.err

    return run


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_audit_with_labels_that_explain_then_follows(ran, folder, tmp_path):
    code, out, _ = ran(*MINE, "--labels", "labels.csv", "--store", "store", "--budget", "60s", "-q")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "labelled incidents of the later half raised an alarm" in " ".join(out.split())
    held = json.loads((folder / "aexbench-audit.json").read_text())
    assert " ".join(out.split()).startswith(held["reason"])
    assert held["evidence"]["labels"]["units"] >= 20
    assert (folder / "aexbench-audit.html").read_text().startswith("<!DOCTYPE html>")
    assert "written: aexbench-audit.json, aexbench-audit.html" in out
    code, out, _ = ran(*MINE, "--row", "950", command="explain")
    assert code == 0
    assert f"Why `{held['explainer']}`: chosen by the audit in aexbench-audit.json" in " ".join(
        out.split()
    )
    agrees_with_a_run(ran, folder, held)


def agrees_with_a_run(ran, folder, held) -> None:
    """The means are those of `aexbench run` on the same model, data and corruption."""
    suite = SUITE.replace("random[threshold=alarm]", "random[threshold=alarm,count=100]")
    (folder / "run.toml").write_text(suite.replace('"small"', '"run"'))
    code, _, err = ran(
        "run.toml", "--model", MINE[0], "-d", "file[path=rows.csv,labels=labels.csv,scale=none]",
        "--store", "ran", "-q", command="run",
    )  # fmt: skip
    assert code == 0, err
    results = Results(open_store(folder / "ran"))
    (kind,) = (kind for kind in held["evidence"]["kinds"] if kind["name"].startswith("random"))
    records = [
        record
        for record in results.records
        if record.cell.corruption.name == "random" and record.cell.control == "none"
    ]
    scores = {record.cell.explainer.text: record.scores for record in records}
    for name, tried in kind["tried"].items():
        assert tried["score"]["mean"] == pytest.approx(scores[name]["recall[top=truth]"], abs=0.02)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_hangs_or_breaks_is_stopped_and_named(ran, folder, tmp_path):
    code, out, _ = ran(
        *MINE, "--plugin", "plugin.py", "-e", "sleeps", "-e", "breaks", "--budget", "4s",
        "--store", str(tmp_path / "store"), "--to", str(tmp_path), "-q",
    )  # fmt: skip
    assert code == 0
    held = json.loads((tmp_path / "aexbench-audit.json").read_text())
    assert held["evidence"]["left_out"]["sleeps"].startswith("timeout: ")
    assert "no such thing" in held["evidence"]["left_out"]["breaks"]
    said = out.split("Not tried, or not on everything")[1]
    assert "sleeps: timeout" in said
    assert "breaks: failed" in said
    assert held["explainer"]


def test_a_network_without_its_weights_is_no_detector(ran, tmp_path):
    code, out, _ = ran(
        "net.py:make[weights=raw.pt]", "rows.csv", "--to", str(tmp_path), "--store",
        str(tmp_path / "store"), "-q",
    )  # fmt: skip
    assert code == 1
    assert out.startswith("No answer: it reconstructs normal rows no better than their mean row")
    assert "What to do: train it, or load its weights" in " ".join(out.split())
    held = json.loads((tmp_path / "aexbench-audit.json").read_text())
    assert held["explainer"] is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("1.5h", 5400), (" 2 m ", 120), ("0", 0), ("007", 7)],
)
def test_budgets(text, seconds):
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "-5", "5 minutes", "1e3", "inf", "nan", "m", "5m5s", "٣", "5m; rm", "9" * 400]
)
def test_hostile_budgets(text, ran):
    with pytest.raises(RequestError, match="budget is a time such as 90s, 5m or 1h, not "):
        budget_seconds(text)
    code, _, err = ran(*MINE, f"--budget={text}")
    assert code == 2
    assert "budget is a time such as 90s, 5m or 1h" in " ".join(err.split())
    assert len(err) < 300


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("net.py:make[weights=net.pt]", "no.csv"), "no.csv"),
        (("no.py:make", "rows.csv"), "no.py"),
        ((*MINE, "--labels", "no-labels.csv"), "no-labels.csv"),
        ((*MINE, "-e", "no-such-explainer"), "no-such-explainer"),
        (("default", "rows.csv", "--loss", "l1"), "are for a model of yours"),
        (("net.py:make[weights=net.pt]", "wine", "--labels", "labels.csv"), "--labels are of a"),
    ],
)
def test_bad_requests_are_one_line(ran, arguments, said):
    code, _, err = ran(*arguments, "--budget", "1s", "-q")
    assert code == 2
    assert said in " ".join(err.split())
    assert "Traceback" not in err
