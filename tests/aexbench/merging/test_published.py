"""A stranger adds to a published board: fetches its anomalies and weights, runs a method of their
own, packs, merges, and stands where one run would have put it.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aexbench import families
from aexbench.merging import archive
from aexbench.running.packed import pack
from aexbench.running.store import Store
from tests.aexbench.merging.conftest import FIRST, board, run, timeless, with_other_weights


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A store of weights that training here does not give, packed with its anomalies."""
    home = tmp_path_factory.mktemp("published")
    with_other_weights(home / "store")
    run(home / "store", FIRST)
    pack(Store(home / "store"), home / "packed")
    archive.write(Store(home / "store"), home / "packed")
    return home


@pytest.fixture
def address(published):
    """The address of a server that has the packed store."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = partial(Quiet, directory=str(published / "packed"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


SUITE = """
name = "small"
notes = "A suite for tests."
datasets = ["wine"]
detectors = ["mlp[widths=[6, 3],epochs=10,learning_rate=0.02,batch_size=16]"]
corruptions = ["random[threshold=0.2,count=12]", "null[threshold=0.1,count=8]"]
explainers = ["residual"]
metrics = ["recall[top=1]", "recall[top=3]"]
seeds = 2
twins = 1
"""


@pytest.mark.parametrize("far", [False, True])
def test_the_row_of_a_stranger_stands_where_one_run_would_have_put_it(
    published, address, aexbench_cli, plugin_file, tmp_path, far
):
    (tmp_path / "small.toml").write_text(SUITE)
    source = address if far else published / "packed"
    fetched = aexbench_cli("data", "anomalies", source, "--to", tmp_path / "mine")
    assert (fetched.code, fetched.err) == (0, "")
    assert fetched.out.startswith("4 anomaly sets and the weights that they are of are in ")
    before = {path: path.read_bytes() for path in (tmp_path / "mine").rglob("*.safetensors")}
    arguments = ("-e", "mine", "--plugin", plugin_file, "--store", tmp_path / "mine")
    ran = aexbench_cli("run", tmp_path / "small.toml", *arguments, "--in-process", "-q")
    assert ran.code == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    assert aexbench_cli("pack", tmp_path / "mine", "--to", tmp_path / "packed").code == 0
    stores = (published / "packed", tmp_path / "packed")
    outcome = aexbench_cli("merge", *stores, "--to", tmp_path / "merged")
    assert (outcome.code, outcome.err) == (0, "")
    families.load_plugin(plugin_file)
    shutil.copytree(published / "store", tmp_path / "once")
    run(tmp_path / "once", ["mine"])
    assert timeless(board(tmp_path / "merged")) == timeless(board(tmp_path / "once"))
    assert "mine" in {row.explainer for row in board(tmp_path / "merged").rows if row.rank}


def test_without_them_it_would_be_another_group(published, stores, aexbench_cli, tmp_path):
    names = (published / "packed", stores / "second packed")
    outcome = aexbench_cli("merge", *names, "--to", tmp_path / "merged")
    assert "other weights of one recipe, shown apart" in outcome.out


def test_an_archive_is_the_same_for_the_same_files(published, aexbench_cli, tmp_path):
    outcome = aexbench_cli("pack", published / "store", "--to", tmp_path / "p", "--anomalies")
    assert outcome.code == 0
    for name in (archive.ARCHIVE, archive.HEAD):
        assert str(tmp_path / "p" / name) in outcome.out
        assert (tmp_path / "p" / name).read_bytes() == (published / "packed" / name).read_bytes()
    head = json.loads((tmp_path / "p" / archive.HEAD).read_text())
    content = (tmp_path / "p" / archive.ARCHIVE).read_bytes()
    assert head["sha256"] == hashlib.sha256(content).hexdigest()
    assert head["bytes"] == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_packed_store_has_none_to_hand_on(published, aexbench_cli, tmp_path):
    outcome = aexbench_cli("pack", published / "packed", "--to", tmp_path / "p", "--anomalies")
    assert (outcome.code, "is packed and has no anomalies" in outcome.err) == (2, True)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("folder", ["anomalies", "detectors"])
def test_what_was_changed_is_not_handed_on(published, aexbench_cli, tmp_path, folder):
    shutil.copytree(published / "store", tmp_path / "s")
    path = sorted((tmp_path / "s" / folder).iterdir())[0]
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    outcome = aexbench_cli("pack", tmp_path / "s", "--to", tmp_path / "p", "--anomalies")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert path.name in outcome.err


def test_what_a_store_holds_is_never_replaced(published, aexbench_cli, tmp_path):
    command = ("data", "anomalies", published / "packed", "--to", tmp_path / "mine")
    assert aexbench_cli(*command).code == 0
    assert aexbench_cli(*command).code == 0  # the same once more
    path = sorted((tmp_path / "mine" / "anomalies").iterdir())[0]
    content = sorted((tmp_path / "mine" / "anomalies").iterdir())[1].read_bytes()
    path.write_bytes(content)
    outcome = aexbench_cli(*command)
    assert (outcome.code, "is there, and another one" in outcome.err) == (2, True)
    assert path.read_bytes() == content


def zipped(members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


def served(folder: Path, content: bytes, **said: object) -> Path:
    """Write an archive with a head that says so."""
    folder.mkdir()
    (folder / archive.ARCHIVE).write_bytes(content)
    head = {"format": archive.FORMAT, "schema_version": 1, "bytes": len(content)}
    head["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / archive.HEAD).write_text(json.dumps(head | said))
    return folder


KEY = "0" * 32
ARCHIVES = {
    "traversal": (zipped({"../../anomalies/x": b"x"}), "would lie outside"),
    "absolute": (zipped({"/tmp/x": b"x"}), "would lie outside"),
    "other name": (zipped({"anomalies/x.pkl": b"x"}), "neither weights nor set"),
    "code": (zipped({"anomalies/a": b"", "mine.py": b"x"}), "neither weights nor set"),
    "no tensors": (zipped({f"anomalies/{KEY}.safetensors": b"cos\nsystem\n."}), "is damaged"),
    "bomb": (
        zipped({f"anomalies/{KEY}.safetensors": bytes(10_000_000)}, zipfile.ZIP_DEFLATED),
        "unpacks to more than",
    ),
    "no archive": (b"nothing", "neither a tar archive nor a zip archive"),
    "empty": (zipped({}), "holds no anomalies"),
}


@pytest.mark.parametrize("fault", ARCHIVES)
def test_archives_that_mean_harm_leave_nothing(aexbench_cli, tmp_path, fault):
    content, message = ARCHIVES[fault]
    source = served(tmp_path / "theirs", content)
    outcome = aexbench_cli("data", "anomalies", source, "--to", tmp_path / "mine")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert message in outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["theirs"]


HEADS = {
    "another checksum": ({"sha256": "0" * 64}, 1, "another size or SHA-256"),
    "another size": ({"bytes": 5}, 1, "another size or SHA-256"),
    "another format": ({"format": "x"}, 2, "says nothing of anomalies"),
    "newer": ({"schema_version": 2}, 2, "says nothing of anomalies"),
    "more": ({"archive": "/etc/passwd"}, 2, "says nothing of anomalies"),
    "no checksum": ({"sha256": "x"}, 2, "says nothing of anomalies"),
}


@pytest.mark.parametrize("fault", HEADS)
def test_an_archive_must_be_the_one_that_is_spoken_of(published, aexbench_cli, tmp_path, fault):
    said, code, message = HEADS[fault]
    content = (published / "packed" / archive.ARCHIVE).read_bytes()
    source = served(tmp_path / "theirs", content, **said)
    outcome = aexbench_cli("data", "anomalies", source, "--to", tmp_path / "mine")
    assert (outcome.code, message in outcome.err) == (code, True)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("path", ["/no such", "file:///etc/passwd", "ftp://x/y"])
def test_what_is_not_there_is_one_line(address, aexbench_cli, tmp_path, path):
    source = f"{address}{path}" if path.startswith("/") else path
    outcome = aexbench_cli("data", "anomalies", source, "--to", tmp_path / "mine")
    assert (outcome.code, outcome.err.count("\n")) == (1 if path.startswith("/") else 2, 1)
    assert not (tmp_path / "mine").exists()


def test_another_file_at_the_address_is_refused(published, address, aexbench_cli, tmp_path):
    path = published / "packed" / archive.ARCHIVE
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\x07")
    try:
        outcome = aexbench_cli("data", "anomalies", address, "--to", tmp_path / "mine")
    finally:
        path.write_bytes(content)
    assert (outcome.code, "has another SHA-256" in outcome.err) == (1, True)
    assert list(tmp_path.iterdir()) == []
