"""Downloads from a server of our own that breaks off, ignores ranges or gives other bytes; archives
that mean harm.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import re
import sys
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from aexbench import RequestError, datasets, families
from aexbench.cli import data as data_command
from aexbench.errors import SkipError
from aexbench.fetching import downloads, local_data
from aexbench.fetching.archives import ArchiveError, unpack
from aexbench.fetching.downloads import DownloadError

CONTENT = {
    "toy/a/rows.bin": np.random.default_rng(0).bytes(300_000),
    "toy/b.txt": b"two\n",
    "other/c.txt": b"three\n",
}


def as_tar(members: dict[str, bytes] | None = None, mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for name, content in (CONTENT if members is None else members).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def as_zip(members: dict[str, bytes] | None = None) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in (CONTENT if members is None else members).items():
            packed.writestr(name, content)
    return file.getvalue()


ARCHIVE = as_tar(mode="w:xz")
WHOLE, LEFT = (downloads.readable(len(ARCHIVE) - have) for have in (0, 100_000))


@dataclass
class Server:
    """What the server holds and how it behaves, and what it was asked for."""

    content: bytes = ARCHIVE
    breaks_after: int = 0  # bytes of a response
    ranges: bool = True
    status: int = 0
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and self.ranges else 0
        status = self.status or (416 if start >= len(self.content) else 206 if start else 200)
        body = self.content[start:] if status in (200, 206) else b""
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        if status == 206:
            request.send_header(
                "Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
            )
        request.end_headers()
        request.wfile.write(body[: self.breaks_after] if self.breaks_after else body)


@pytest.fixture
def server():
    made = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    made.url = f"http://127.0.0.1:{http.server_port}/toy.tar.xz"
    yield made
    http.shutdown()
    http.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The data folder; nothing of the user's own is seen or touched."""
    monkeypatch.setenv("AEXBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    return tmp_path / "data"


def toy(server: Server, **changes: object) -> downloads.Download:
    made = {
        "url": server.url,
        "sha256": hashlib.sha256(ARCHIVE).hexdigest(),
        "size": len(ARCHIVE),
        "unpacked": 400_000,
        "inside": "toy",
        "folders": ["toy-data", "toy"],
        "contains": "a/rows.bin",
        "page": "https://example.org/toy",
    }
    return {key: value for key, value in {**made, **changes}.items() if value is not None}


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_was_wanted_of_the_archive_is_there_and_nothing_else(server, home):
    fetched = downloads.fetch(toy(server))
    assert fetched == downloads.Fetched(home / "toy-data", hashlib.sha256(ARCHIVE).hexdigest())
    assert {p.relative_to(fetched.folder).as_posix() for p in fetched.folder.rglob("*")} == {
        "a",
        "a/rows.bin",
        "b.txt",
    }
    assert (fetched.folder / "a" / "rows.bin").read_bytes() == CONTENT["toy/a/rows.bin"]
    assert names(home) == {"toy-data", "toy-data.source.json"}
    assert json.loads((home / "toy-data.source.json").read_text())["url"] == server.url
    assert downloads.fetch(toy(server)).folder == fetched.folder
    assert len(server.asked) == 1


def test_a_download_that_broke_off_goes_on_where_it_stopped(server, home):
    seen: list[tuple[str, int, int]] = []
    for have in (0, 100_000, 200_000):
        server.breaks_after = 100_000
        with pytest.raises(
            DownloadError, match=r"stopped: the connection was closed; .* are here, .* are left"
        ) as error:
            downloads.fetch(toy(server))
        assert server.asked[-1] == (f"bytes={have}-" if have else "")
        assert "The same command goes on from there" in str(error.value)
        assert names(home) == {".toy-data.download"}
    server.breaks_after = 0
    downloads.fetch(toy(server), lambda *step: seen.append(step))
    assert server.asked[-1] == "bytes=300000-"
    assert ("downloading", len(ARCHIVE), len(ARCHIVE)) in seen
    assert ("unpacking", 300_004, 0) in seen
    assert (home / "toy-data" / "b.txt").read_text() == "two\n"


def test_a_server_without_ranges_sends_it_all_again(server, home):
    server.breaks_after = 100_000
    with pytest.raises(DownloadError):
        downloads.fetch(toy(server))
    server.breaks_after, server.ranges = 0, False
    downloads.fetch(toy(server))
    assert server.asked[-1] == "bytes=100000-"
    assert (home / "toy-data").is_dir()


@pytest.mark.parametrize("rest", [0, 1])
def test_a_part_that_is_whole_or_too_long_costs_no_wrong_file(server, home, rest):
    (home / ".toy-data.download").mkdir(parents=True)
    (home / ".toy-data.download" / "part").write_bytes(ARCHIVE + b"x" * rest)
    downloads.fetch(toy(server))
    assert server.asked == ([""] if rest else [])


def test_other_bytes_are_refused_and_not_kept(server, home):
    server.content = ARCHIVE[:-1] + b"?"
    with pytest.raises(
        DownloadError,
        match=r"another SHA-256 than the data set should have.*https://example\.org/toy",
    ):
        downloads.fetch(toy(server))
    assert names(home) == set()
    server.content = ARCHIVE + b"?"
    with pytest.raises(
        DownloadError, match=f"{len(ARCHIVE) + 1:,} bytes instead of {len(ARCHIVE):,}"
    ):
        downloads.fetch(toy(server))
    server.content = ARCHIVE
    downloads.fetch(toy(server))


def test_a_checksum_that_nobody_knows_is_kept_and_asked_for_the_next_time(server, home):
    unknown = toy(server, sha256=None)
    fetched = downloads.fetch(unknown)
    assert (fetched.known, fetched.sha256) == (False, hashlib.sha256(ARCHIVE).hexdigest())
    (home / "toy-data").rename(home / "put-aside")
    server.content = as_tar()
    with pytest.raises(DownloadError, match=r"than the first time, by .*toy-data\.source\.json"):
        downloads.fetch({**unknown, "size": 0})
    server.content = ARCHIVE
    assert downloads.fetch(unknown).known


def test_without_a_checksum_no_part_is_continued(server):
    server.breaks_after = 100_000
    for _ in range(2):
        with pytest.raises(DownloadError):
            downloads.fetch(toy(server, sha256=None))
    assert server.asked == ["", ""]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": 404}, "HTTP 404 Not Found from http"),
        ({"status": 416}, "another one now"),
        ({"url": "http://127.0.0.1:1/toy"}, "refused"),
    ],
)
def test_a_network_that_fails_is_one_clear_line(server, home, changes, message):
    server.status = changes.get("status", 0)
    download = toy(server, **({"url": changes["url"]} if "url" in changes else {}))
    (home / ".toy-data.download").mkdir(parents=True)
    (home / ".toy-data.download" / "part").write_bytes(ARCHIVE[:1000])
    with pytest.raises(DownloadError, match=message) as error:
        downloads.fetch(download)
    assert "\n" not in str(error.value)
    assert "are left" in str(error.value)
    assert "https://example.org/toy" in str(error.value)
    server.status = 0
    downloads.fetch(toy(server))
    assert server.asked[-1] == ("" if changes.get("status") == 416 else "bytes=1000-")


def test_a_full_disk_is_told_before_the_download(server):
    with pytest.raises(DownloadError, match=r"free and .* are needed"):
        downloads.fetch(toy(server, unpacked=10**18))
    assert not server.asked


def test_a_folder_that_is_not_whole_is_left_alone(server, home):
    (home / "toy-data").mkdir(parents=True)
    with pytest.raises(DownloadError, match="move it away"):
        downloads.fetch(toy(server))
    assert not server.asked


def test_two_at_once_do_not_spoil_each_other(server, home):
    work = home / ".toy-data.download"
    work.mkdir(parents=True)
    with downloads._alone(work), pytest.raises(DownloadError, match="another process is at work"):
        downloads.fetch(toy(server))
    assert not server.asked
    downloads.fetch(toy(server))


def test_an_interrupted_check_costs_no_second_download(server, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pooch.core.hash_matches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            downloads.fetch(toy(server))
    downloads.fetch(toy(server))
    assert len(server.asked) == 1


def test_a_file_system_without_hard_links_will_do(server, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    assert downloads.fetch(toy(server)).folder.is_dir()


def test_a_damaged_archive_leaves_nothing_behind(server, home):
    server.content = ARCHIVE[: len(ARCHIVE) // 2]
    with pytest.raises(DownloadError, match="damaged or cut off"):
        downloads.fetch(toy(server, sha256=None, size=0))
    assert names(home) == set()


def test_a_disk_that_fills_up_while_unpacking_costs_no_second_download(server, home, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("aexbench.fetching.archives._write", full)
        with pytest.raises(
            DownloadError, match=r"cannot unpack .*: No space left on device\. It stays"
        ):
            downloads.fetch(toy(server))
    assert names(home) == {".toy-data.download"}
    downloads.fetch(toy(server))
    assert len(server.asked) == 1


def test_pooch_is_asked_for_by_the_name_of_its_extra(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises((RequestError, SkipError), match=r"aexbench\[data\]") as error:
        downloads.fetch(toy(server))
    assert isinstance(error.value, RequestError)


def unpacked(content: bytes, tmp_path, **options: object):
    archive, target = tmp_path / "archive", tmp_path / "deep" / "target"
    archive.write_bytes(content)
    target.parent.mkdir()
    unpack(archive, target, **{"at_most": 10**6, **options})
    return target


@pytest.mark.parametrize(
    "pack", [as_tar, partial(as_tar, mode="w:gz"), partial(as_tar, mode="w:bz2"), as_zip]
)
def test_every_kind_of_archive_is_unpacked(pack, tmp_path):
    target = unpacked(pack(), tmp_path)
    assert {
        p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*") if p.is_file()
    } == CONTENT
    assert names(target.parent) == {"target"}


def special(kind: bytes, link: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        info = tarfile.TarInfo("toy/odd")
        info.type, info.linkname = kind, link
        tar.addfile(info)
    return file.getvalue()


def zip_link() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        info = zipfile.ZipInfo("toy/odd")
        info.external_attr = 0o120777 << 16
        packed.writestr(info, "/etc/passwd")
    return file.getvalue()


ESCAPES = [
    "../escaped",
    "/tmp/escaped",
    "toy/../../escaped",
    "C:\\escaped",
    "..\\escaped",
    "\\escaped",
    "C:escaped",
]
EVIL = {
    **{f"tar {name}": as_tar({"toy/fine": b"1", name: b"evil"}) for name in ESCAPES},
    **{f"zip {name}": as_zip({"toy/fine": b"1", name: b"evil"}) for name in ESCAPES},
    "link out": special(tarfile.SYMTYPE, "../../outside"),
    "link in": special(tarfile.SYMTYPE, "fine"),
    "hard link": special(tarfile.LNKTYPE, "/etc/passwd"),
    "device": special(tarfile.CHRTYPE),
    "pipe": special(tarfile.FIFOTYPE),
    "zip link": zip_link(),
}


@pytest.mark.parametrize("case", EVIL)
@pytest.mark.parametrize("inside", ["", "toy"])
def test_members_that_escape_or_are_no_files_are_refused(case, inside, tmp_path):
    with pytest.raises(
        ArchiveError, match=r"refused: its member .* (is a|would lie outside)"
    ) as error:
        unpacked(EVIL[case], tmp_path, inside=inside)
    assert "\n" not in str(error.value)
    assert ("is a link" in str(error.value)) == ("link" in case)
    assert names(tmp_path) == {"archive", "deep"}
    assert names(tmp_path / "deep") == set()


@pytest.mark.parametrize(
    "content",
    [
        as_zip({"bomb": bytes(10**7)}),
        as_tar({"bomb": bytes(10**7)}, "w:gz"),
        as_tar({"bomb": bytes(10**7)}),
    ],
)
def test_bombs_stop_at_the_declared_size(content, tmp_path):
    sizes: list[int] = []
    with pytest.raises(ArchiveError, match="more than the 2,000,000 bytes"):
        unpacked(content, tmp_path, at_most=2_000_000, progress=sizes.append)
    assert max(sizes, default=0) <= 2_000_000
    assert names(tmp_path / "deep") == set()


def test_many_empty_files_are_a_bomb_too(tmp_path):
    with pytest.raises(ArchiveError, match="more than the 5,000 bytes"):
        unpacked(as_zip({f"{i}": b"" for i in range(20)}), tmp_path, at_most=5000)


@pytest.mark.parametrize(
    "pack", [*(partial(as_tar, mode=f"w:{kind}") for kind in ("gz", "bz2", "xz")), as_zip]
)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_archives_that_are_cut_off_leave_no_folder(pack, share, tmp_path):
    content = pack()
    with pytest.raises(ArchiveError, match=r"cut off") as error:
        unpacked(content[: int(share * len(content))], tmp_path)
    assert "\n" not in str(error.value)
    assert names(tmp_path / "deep") == set()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        gzip.compress(b"text", mtime=0),
        as_zip({}),
        as_tar({"toy/a": b"", "toy/a/b": b""}),
    ],
)
def test_what_is_no_such_archive_is_one_clear_line(content, tmp_path):
    with pytest.raises(ArchiveError):
        unpacked(content, tmp_path, contains="toy/a/b")
    assert names(tmp_path / "deep") == set()


@pytest.mark.parametrize("pack", [as_tar, as_zip])
def test_a_name_that_no_file_can_have_is_the_archives_fault(pack, tmp_path):
    with pytest.raises(ArchiveError, match="the archive is damaged: File name too long"):
        unpacked(pack({"toy/fine": b"1", "toy/" + "x" * 300: b"2"}), tmp_path)
    assert names(tmp_path / "deep") == set()


def test_a_member_without_a_name_is_the_archives_fault(tmp_path):
    content = bytearray(as_zip({"x": b"1"}))
    place = content.index(
        b"PK\1\2"
    )  # of the list of members: the length of a name stands at 28, of a comment at 32
    content[place + 28], content[place + 32] = 0, 1
    with pytest.raises(ArchiveError, match="the archive is damaged"):
        unpacked(content, tmp_path)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EILSEQ])
def test_places_and_names_that_cannot_be_are_the_archives_fault(number, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(number, "as a seek before the start of a file")

    monkeypatch.setattr("aexbench.fetching.archives._write", fail)
    with pytest.raises(ArchiveError, match="the archive is damaged: as a seek"):
        unpacked(as_zip(), tmp_path)


def test_a_name_that_no_file_can_have_is_no_download_to_go_on_with(server, home):
    server.content = as_zip({"toy/" + "x" * 300: b"2"})
    with pytest.raises(DownloadError, match=r"File name too long; nothing of it is kept"):
        downloads.fetch(toy(server, sha256=None, size=0))
    assert names(home) == set()


def test_a_download_without_a_byte_leaves_no_folder(server, home):
    server.status = 404
    with pytest.raises(DownloadError):
        downloads.fetch(toy(server))
    assert names(home) == set()


@pytest.fixture
def registered(server):
    """Data sets to fetch, embedded and of one's own, known for the length of a test."""

    @datasets.register("toy-remote", licence="CC0 [x]", download=toy(server))
    def remote(*, part: int = 0):
        """Fetched from the server of this test."""
        return part

    @datasets.register("toy-library", licence="CC0", download=toy(server, url=None, size=0))
    def library(*, part: int = 0):
        """Fetched by its own function."""
        if not downloads.may_fetch():
            raise RequestError("fetch it first")
        (local_data.data_folder() / "toy-data" / "a").mkdir(parents=True)
        (local_data.data_folder() / "toy-data" / "a" / "rows.bin").write_bytes(bytes([part]))

    yield
    for name in ("toy-remote", "toy-library"):
        families.datasets._plugins.pop(name, None)


@pytest.fixture
def command(monkeypatch, capsys):
    """Run `aexbench data …` in this process: the exit code, what was printed, and the errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            data_command.app(list(arguments), standalone_mode=True)
        except SystemExit as end:
            code = int(end.code or 0)
        return (code, *capsys.readouterr())

    return run


def test_the_list_fits_a_narrow_terminal_and_says_what_is_here(
    command, registered, home, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = command("list")
    assert code == 0
    assert max(map(len, out.split("\n\n")[0].splitlines())) <= 80
    rows = {
        line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines() if line.strip()
    }
    assert rows["digits"] == "embedded – CC BY 4.0"
    assert rows["file"] == "your own – your own data"
    assert rows["smd"] == "to be fetched 105.3 MB MIT"
    assert rows["perfect-autoencoder"] == "embedded – MIT"
    assert rows["asd"] == "by hand – MIT"
    assert rows["petshop"] == "by hand – CC BY 4.0"
    assert rows["toy-remote"].endswith("CC0 [x]")
    assert command("get", "toy-remote")[0] == 0
    listed = {row["name"]: row for row in json.loads(command("list", "--json")[1])}
    assert (listed["toy-remote"]["state"], listed["toy-remote"]["size"]) == ("here", 300_004)
    assert listed["toy-remote"]["folder"] == str(home / "toy-data")
    assert listed["smd"]["download"]["sha256"].startswith("5bcce778")


@pytest.mark.parametrize(
    ("name", "holds", "page"),
    [
        ("asd", "InterFusion/data", "https://github.com/zhhlee/InterFusion"),
        (
            "petshop",
            "petshop-root-cause-analysis/dataset",
            "https://github.com/amazon-science/petshop-root-cause-analysis",
        ),
    ],
)
def test_what_is_fetched_by_hand_says_where_it_is_and_where_it_goes(
    command, home, name, holds, page
):
    said = (
        f"{holds} is not here: give root=FOLDER, .* that holds {holds}; it is published at {page}$"
    )
    with pytest.raises(RequestError, match=said):
        command("get", name)


def test_the_licence_comes_first_and_the_next_command_last(command, registered, home):
    code, out, err = command("get", "toy-remote")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == f"toy-remote: {WHOLE}; licence: CC0 [x]; https://example.org/toy"
    assert lines[1] == f"toy-remote is here: {home / 'toy-data'}"
    assert lines[2] == "Next: aexbench run -d 'toy-remote'"


def test_an_interrupted_get_ends_with_1_and_the_same_command_goes_on(
    command, registered, server, home
):
    server.breaks_after = 100_000
    code, _, err = command("get", "toy-remote")
    assert code == 1
    assert re.fullmatch(
        rf"error: the download stopped: .*100\.0 kB are here, {LEFT} are left\..*\n", err
    )
    server.breaks_after = 0
    assert command("get", "toy-remote")[0] == 0
    assert server.asked == ["", "bytes=100000-"]


def test_a_library_may_fetch_during_get_only(command, registered, home):
    with pytest.raises(RequestError, match="fetch it first"):
        datasets.create("toy-library")
    code, out, _ = command("get", "toy-library[part=7]")
    assert (code, out.splitlines()[-1]) == (0, "Next: aexbench run -d 'toy-library[part=7]'")
    assert (home / "toy-data" / "a" / "rows.bin").read_bytes() == b"\7"
    assert not downloads.may_fetch()


def test_wrong_requests_are_told_what_to_do(command, registered):
    for name, message in [
        ("toy-remot", "did you mean 'toy-remote'"),
        ("toy-remote[part=x]", "part='x' is wrong"),
        ("toy-library[parts=1]", "did you mean 'part'"),
        ("file", r"data of your own: write file\[path=\.\.\.\]"),
        ("smd[", "cannot read"),
    ]:
        with pytest.raises(RequestError, match=message):
            command("get", name)
    code, out, _ = command("get", "digits")
    assert (code, out) == (0, "digits needs no download. Next: aexbench run -d digits\n")


def test_plain_lines_where_there_is_no_terminal(command, registered, monkeypatch):
    monkeypatch.setattr(data_command, "EVERY_S", 0.0)
    _, _, err = command("get", "toy-remote")
    lines = err.splitlines()
    assert f"downloading: {WHOLE} of {WHOLE}" in lines
    assert lines[-1] == "unpacking: 300.0 kB"


def test_data_sets_find_what_was_fetched(server, home, monkeypatch):
    downloads.fetch(toy(server))
    assert local_data.folder(None, "toy-data", "a/rows.bin") == home / "toy-data"
    monkeypatch.delenv("AEXBENCH_DATA")
    with pytest.raises(RequestError, match="or fetch it: aexbench data get toy"):
        local_data.folder(None, "toy-data", "a/rows.bin", "toy")
    fetched = downloads.fetch(toy(server))
    assert fetched.folder != home / "toy-data"
    assert local_data.folder(None, "toy-data", "a/rows.bin") == fetched.folder
    monkeypatch.setenv("AEXBENCH_DATA", "/nowhere")
    assert local_data.folder(None, "toy-data", "a/rows.bin") == fetched.folder
