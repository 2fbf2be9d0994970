"""What is asked wrongly gets one clear line on the error stream, exit code 2, and never a
traceback.
"""

from __future__ import annotations

import numpy as np
import pytest

GOOD = "name='x'\ndatasets=['wine']\ncorruptions=['null']\nexplainers=['residual']\n"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "gap.csv").write_text("a,b\n1,2\n2,\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "few.csv").write_text("a,b\n1,2\n")
    (tmp_path / "label.csv").write_text("a,y\n1,0\n2,5\n")
    (tmp_path / "binary.csv").write_bytes(b"\x00\xff\xfe\x80" * 100)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    np.savez(tmp_path / "objects.npz", X=np.array([["a"]], dtype=object))
    np.savez(tmp_path / "flat.npz", X=np.arange(5.0))
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    (tmp_path / "wide.csv").write_text("a,b\n" + "1,2,3\n" * 30)
    (tmp_path / "a-file").write_text("")
    for name, text in {
        "key": GOOD + "explainer=['lrp']\n",
        "type": GOOD.replace("['null']", "3"),
        "seeds": GOOD + "seeds=0\n",
        "many": GOOD + "seeds=99999999999\n",
        "minus": GOOD + "seeds=[-1]\n",
        "widths": GOOD + "detectors=['mlp[widths=[]]']\n",
        "syntax": "name=",
        "table": GOOD.replace("['null']", "[{threshold=0.1}]"),
        "missing": "name='x'\n",
    }.items():
        (tmp_path / f"{name}.toml").write_text(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quickstar"], "unknown suite 'quickstar'; did you mean 'quickstart'"),
        (["run", "missing/suite.toml"], "no suite file"),
        (["run", "key.toml"], "'explainer'; did you mean 'explainers'"),
        (["run", "type.toml"], "corruptions: Input should be a valid list"),
        (["run", "seeds.toml"], "seeds: "),
        (["run", "syntax.toml"], "no TOML"),
        (["run", "table.toml"], "needs a name"),
        (["run", "missing.toml"], "datasets: Field required"),
        (["run", "-e", "lpr"], "unknown explainer 'lpr'; did you mean 'lrp'"),
        (["run", "-e", "lrp[firts=w2]"], "'firts'; did you mean 'first'"),
        (
            ["run", "-e", "lrp[first=w3]"],
            "first='w3' is wrong: input should be 'z-plus', 'w2', 'z-box'",
        ),
        (["run", "-e", "lrp["], "cannot read 'lrp['"),
        (["run", "-e", "oracle[x=1]"], "unknown parameter of reference oracle 'x'"),
        (["run", "-d", "digit"], "unknown data set 'digit'; did you mean 'digits'"),
        (["run", "-c", "nul"], "unknown corruption 'nul'; did you mean 'null'"),
        (["run", "-c", "null[threshold=1.5]"], "threshold=1.5"),
        (["run", "-d", "file"], "needs path"),
        (["run", "-d", "file[path=none.csv]"], "no file none.csv"),
        (["run", "-d", "file[path=text.csv]"], "column 'b' holds text ('x' in row 1)"),
        (["run", "-d", "file[path=gap.csv]"], "column 'b' is empty or not finite in row 2"),
        (["run", "-d", "file[path=empty.csv]"], "cannot read empty.csv"),
        (["run", "-d", "file[path=few.csv]"], "1 normal rows are too few"),
        (
            ["run", "-d", "file[path=label.csv,label=y]"],
            "label column 'y' of label.csv must be 0 or 1",
        ),
        (["run", "-d", "file[path=label.csv,label=z]"], "unknown column of label.csv 'z'"),
        (["run", "-d", "file[path=label.csv,truth=cause_]"], "has no column cause_NAME"),
        (["run", "-d", "file[path=binary.csv]"], "binary.csv"),
        (["run", "-d", "file[path=broken.parquet]"], "cannot read broken.parquet"),
        (["run", "-d", "file[path=objects.npz]"], "holds Python objects"),
        (["run", "-d", "file[path=flat.npz]"], "must be a table of numbers"),
        (["run", "-d", "file[path=broken.npz]"], "cannot read broken.npz"),
        (["run", "-d", "file[path=a-file]"], "neither .csv, .parquet nor .npz"),
        (["run", "--store", "a-file"], "a file is in its way"),
        (["run", "--store", "/proc/nothing"], "can be no folder"),
        (["run", "-d", "file[path=wide.csv]"], "more values than its header"),
        (["run", "-d", "digits[seed=-1]"], "seed=-1"),
        (["run", "-e", "lrp[low=nan]"], "low=nan"),
        (["run", "-c", "adversarial[theta=inf]"], "theta=inf"),
        (["run", "many.toml"], "seeds: "),
        (["run", "minus.toml"], "seeds"),
        (["run", "widths.toml"], "widths of at least 1"),
        (["run", "--device", "tpu"], "unknown device 'tpu'"),
        (["run", "--rerun", "fialed"], "did you mean 'failed'"),
        (["run", "--plugin", "none.py"], "no plugin file"),
        (["status", "nowhere"], "is no store"),
        (["score", "nowhere"], "is no store"),
        (["leaderboard", "a-file"], "is no store"),
        (["list", "explainer"], "did you mean 'explainers'"),
    ],
)
def test_one_clear_line_and_exit_code_2(aexbench_cli, arguments, message):
    outcome = aexbench_cli(*arguments)
    assert outcome.code == 2, outcome
    assert message in outcome.err
    errors = [line for line in outcome.err.splitlines() if not line.startswith("[")]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")


def test_no_permission_to_write(aexbench_cli, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    outcome = aexbench_cli("run", "--store", tmp_path / "store")
    assert (outcome.code, "no permission to write" in outcome.err) == (2, True)


def test_a_full_disk_is_said_and_loses_nothing(aexbench_cli, small, tmp_path, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    aexbench_cli("run", small, "--store", tmp_path / "store")
    before = sorted((tmp_path / "store" / "cells").iterdir())
    monkeypatch.setattr("os.fsync", full)
    outcome = aexbench_cli("run", small, "-e", "lrp[first=z-box]", "--store", tmp_path / "store")
    assert outcome.code == 2
    assert "No space left on device" in outcome.err
    assert sorted((tmp_path / "store" / "cells").iterdir()) == before
    assert not list((tmp_path / "store").rglob("*.part"))
