"""What a run leaves and what commands print tells nothing of this machine, and commands nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aexbench.running.cells import Cell
from aexbench.running.plans import without_folders
from aexbench.running.store import Store
from tests.aexbench.board.test_leaderboard import BASE, add, store  # noqa: F401 (a fixture)
from tests.aexbench.test_texts import HOSTILE

NOSY = '''
from aexbench import explainers

@explainers.register("nosy")
def nosy(detector, x):
    """Look for a file that is not there."""
    print("\\x1b[2Jreading", "FOLDER/rows.csv")
    open("FOLDER/no such folder/weights.pt")
'''


@pytest.fixture
def rows(tmp_path) -> Path:
    """A table with anomalies, in a folder."""
    rng = np.random.default_rng(0)
    x = rng.random((120, 1)) + 0.05 * rng.random((120, 4))
    x[100:, 2] += 1
    lines = [[*row, int(i >= 100)] for i, row in enumerate(x.tolist())]
    path = tmp_path / "my rows" / "rows.csv"
    path.parent.mkdir()
    path.write_text("\n".join(",".join(map(str, line)) for line in [[*"abcd", "bad"], *lines]))
    return path


@pytest.mark.parametrize("here", [[], ["--in-process"]])
def test_no_file_of_a_store_or_a_packed_one_names_a_folder(here, rows, aexbench_cli, tmp_path):
    (tmp_path / "nosy.py").write_text(NOSY.replace("FOLDER", str(rows.parent)))
    network = "mlp[widths=[3],epochs=200,learning_rate=0.02]"
    data = f'file[path="{rows}",label=bad,autoencoder="{network}"]'
    options = ["-c", "random[threshold=0.2,count=5]", "-e", "nosy", "-e", "residual"]
    options += ["--no-controls", "--plugin", tmp_path / "nosy.py", *here]
    outcome = aexbench_cli("run", "-d", data, *options, "--store", tmp_path / "s")
    missing = "FileNotFoundError: [Errno 2] No such file or directory: 'weights.pt'"
    assert f"failed: {missing} (" in outcome.out
    failed = next(r for r in Store(tmp_path / "s").records()[0] if r.state == "failed")
    assert missing in failed.traceback
    assert 'File "nosy.py", line 8, in nosy' in failed.traceback
    assert failed.output == ("" if here else " [2Jreading my rows/rows.csv\n")
    assert aexbench_cli("pack", tmp_path / "s", "--to", tmp_path / "packed").code == 0
    files = [p for folder in ("s", "packed") for p in (tmp_path / folder).rglob("*.json*")]
    assert len(files) >= 6
    assert not [path for path in files if str(tmp_path) in path.read_text()]
    plan = json.loads(next((tmp_path / "s" / "plans").iterdir()).read_text())
    assert plan["suite"]["datasets"] == [data.replace(f'"{rows}"', "rows.csv")]


def test_entries_of_a_plan_keep_their_words_but_for_folders():
    suite = {
        "name": "/not/an/axis",
        "datasets": ["wine", {"name": "file", "path": "/srv/a/rows.csv", "label": "bad"}],
        "corruptions": ["random[threshold=0.20,  count=5]"],
        "explainers": ["mine[files=[/srv/a.txt, b/c.txt],low=-1]", "two words in /srv/x/y"],
        "metrics": ["recall[top=1]"],
    }
    assert without_folders(suite) == suite | {
        "datasets": ["wine", {"name": "file", "path": "rows.csv", "label": "bad"}],
        "explainers": ['mine[files=["a.txt", "b/c.txt"],low=-1]', "two words in y"],
    }


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_what_strangers_have_named_is_printed_plain(hostile, store, aexbench_cli):  # noqa: F811
    name = f"a{hostile[0]}b"
    add(store, name, BASE, corruption=name)
    record = store.records()[0][0]
    other = Cell(**record.cell.model_dump() | {"anomaly_seed": 9})
    failed = {"cell": other, "state": "failed", "reason": name, "files": {}, "scores": {}}
    store.write_record(record.model_copy(update=failed))
    store.write_plan({"name": "mine", "notes": name}, [record.cell])
    forms = ["table", "markdown", "csv", "json", "latex"]
    for options in (["status"], ["prune"], *(["leaderboard", "--format", form] for form in forms)):
        outcome = aexbench_cli(options[0], store.root, *options[1:])
        printed = (outcome.out + outcome.err).replace("\r\n", "").replace("\n", "")
        assert outcome.code == (1 if options == ["status"] else 0)
        if "json" in options:
            assert json.loads(outcome.out)["sections"][0]["rows"][0]["explainer"] == name
        else:
            assert "a b" in printed
        assert printed.isprintable()
        assert "\N{HANGUL FILLER}" not in printed
