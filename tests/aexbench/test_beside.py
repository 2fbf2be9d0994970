"""What counts as source of plugins that declare no version: their file, and what lies beside it."""

from __future__ import annotations

import functools
import sys
import types

import pytest

from aexbench import beside, families
from aexbench.beside import source_digest


def one(x):
    return x + 1


def test_a_partial_counts_by_the_file_of_its_function():
    assert source_digest(functools.partial(one, 1)) == source_digest(one)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a plugin with what it takes from beside it; return a function that digests it anew."""
    (tmp_path / "mine_helper.py").write_text("from mine_deeper import VALUE\n")
    (tmp_path / "mine_deeper.py").write_text("VALUE = 1\n")
    (tmp_path / "weights.json").write_text("[1]")
    (tmp_path / "README").write_text("not read")
    text = "import mine_helper\n\nFILE = 'weights.json'\n\n\ndef mine(detector, x):\n    return x\n"
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path, lambda: digest(tmp_path)
    for name in ("mine", "mine_helper", "mine_deeper"):
        sys.modules.pop(name, None)


def digest(folder):
    for name in ("mine", "mine_helper", "mine_deeper"):
        sys.modules.pop(name, None)
    import mine

    return source_digest(mine.mine)


@pytest.mark.parametrize("name", ["mine.py", "mine_helper.py", "mine_deeper.py", "weights.json"])
def test_what_a_plugin_takes_from_beside_it_counts(plugin, name):
    folder, digested = plugin
    before = digested()
    path = folder / name
    path.write_text(path.read_text().replace("1", "2") + "\n")
    assert digested() != before


def test_other_files_beside_it_and_line_ends_do_not(plugin):
    folder, digested = plugin
    before = digested()
    (folder / "README").write_text("other")
    (folder / "new.py").write_text("1")
    for name in ("mine.py", "mine_helper.py"):
        path = folder / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert digested() == before


def test_the_source_of_a_built_in_plugin_is_what_it_takes_of_its_family(tmp_path):
    assert source_digest(families.explainers.describe("repair").target) != source_digest(
        families.explainers.describe("residual").target
    )


def test_absolute_imports_within_a_package_count(tmp_path, monkeypatch):
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helpers.py").write_text("POWER = 1\n")
    (package / "mine.py").write_text(
        "from mypackage.helpers import POWER\n\n\ndef mine(detector, x):\n    return x**POWER\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import mypackage.mine

    before = source_digest(mypackage.mine.mine)
    (package / "helpers.py").write_text("POWER = 2\n")
    assert source_digest(mypackage.mine.mine) != before


START = """import importlib, os
from pathlib import Path
HERE = Path(__file__).parent
SIZE = 2
"""
READS = {
    "a folder": ('W = (HERE / "conf" / "k.txt").read_text()', "conf/k.txt"),
    "a folder, then a name": ('W = [HERE / "conf" / str(i) for i in (1, 2)]', "conf/k.txt"),
    "a suffix": ('W = open(os.environ["W"] + ".npy")', "w.npy"),
    "a stem": ('W = open("w" + os.environ["W"])', "w.npy"),
    "a text with a place": ('W = open("w.{}".format(SIZE))', "w.npy"),
    "a pattern": ('W = open(f"w{SIZE}.npy")', "w2.npy"),
    "an older pattern": ('W = "w%d.npy" % SIZE', "w2.npy"),
    "a module": ('W = importlib.import_module("helper")', "helper.py"),
    "a module of a package": ('W = importlib.import_module("package.deep")', "package/deep.py"),
    "a name": ("W = HERE / os.environ.get('W', '')", "w.npy"),
    "a name of a module": ("W = importlib.import_module(os.environ.get('W', ''))", "helper.py"),
    "by os.path": ("W = os.path.join(os.path.dirname(__file__), str(SIZE))", "w2.npy"),
    "by a sum": ("D = os.path.dirname(__file__)\nW = D + '/' + str(SIZE)", "w2.npy"),
    "by a text": ("W = f'{HERE}/{SIZE}'", "conf/k.txt"),
    "by joinpath": ("W = HERE.resolve().joinpath(str(SIZE))", "w2.npy"),
    "all": ("W = list(HERE.iterdir())", "w.npy"),
    "all below": ("W = list(HERE.rglob('*'))", "conf/k.txt"),
    "elsewhere": ("def load(folder): return folder / str(SIZE)\nW = load(HERE)", "w2.npy"),
    "by an attribute": ("class A:\n  def __init__(s): s.at = HERE; s.at / str(SIZE)", "w2.npy"),
}


@pytest.fixture
def folder(tmp_path):
    """A folder with files of all kinds, each of which holds "1"."""
    for name in ("conf/k.txt", "w.npy", "w2.npy", "helper.py", "package/deep.py", "other/README"):
        path = tmp_path / "plugin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    (tmp_path / "plugin" / "package" / "__init__.py").write_text("")
    return tmp_path / "plugin"


@pytest.fixture
def digested(monkeypatch):
    """Return a function that digests a plugin of some text in a folder, without running it."""

    def digest(folder, text):
        (folder / "mine.py").write_text(START + text)
        module = types.ModuleType("mine_beside")
        module.__file__ = str(folder / "mine.py")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return source_digest(types.SimpleNamespace(__module__=module.__name__))

    return digest


@pytest.mark.parametrize(("text", "name"), READS.values(), ids=READS)
def test_what_a_plugin_reads_counts_however_it_names_it(folder, digested, text, name):
    before = digested(folder, text)
    (folder / name).write_text("2")
    assert digested(folder, text) != before


SPELLED = [
    'W = HERE / "w.npy"',
    'W = Path(__file__).with_name("w.npy").read_bytes()',
    'W = os.path.join(os.path.dirname(os.path.abspath(__file__)), "w.npy")',
    'W = f"{HERE}/w{SIZE}.npy"',
    'sys.path.insert(0, str(HERE))\nW = (HERE / "w.npy").stat().st_size / SIZE',
]


@pytest.mark.parametrize("text", SPELLED)
def test_what_it_does_not_name_does_not_count(folder, digested, text):
    before = digested(folder, text)
    for name in ("conf/k.txt", "helper.py", "other/README"):
        (folder / name).write_text("2")
    assert digested(folder, text) == before


def test_the_place_of_a_folder_and_what_is_made_in_it_do_not_count(folder, digested):
    text = "W = list(HERE.iterdir())"
    before = digested(folder, text)
    made = ["__pycache__/mine.pyc", ".git/HEAD", "packed/records.jsonl"]
    for name in (*made, "results/cells/a.json", "results/plans/b.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("made")
    moved = folder.rename(folder.with_name("moved"))
    assert digested(moved, text) == before


def test_a_large_folder_is_not_a_plugins_own(folder, digested, monkeypatch):
    text = 'W = list(HERE.iterdir())\nV = "w.npy"'
    monkeypatch.setattr(beside, "MOST_FILES", 3)
    before = digested(folder, text)
    (folder / "conf" / "k.txt").write_text("2")
    assert digested(folder, text) == before
    (folder / "w.npy").write_text("2")
    assert digested(folder, text) != before
