"""Files that are written together, and JSON that is read quickly where nothing is remarkable."""

from __future__ import annotations

import json

import pytest

from aexbench import files
from aexbench.errors import StoreError


def test_files_written_together_are_there_at_the_end_and_not_before(tmp_path):
    paths = [tmp_path / name for name in ("one", "two")]
    paths[0].write_bytes(b"before")
    with files.together() as write:
        for path in paths:
            write(path, path.name.encode())
        assert paths[0].read_bytes() == b"before"
        assert not paths[1].exists()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "one": b"one",
        "two": b"two",
    }


def test_an_error_among_them_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "one").write_bytes(b"before")

    def two() -> None:
        with files.together() as write:
            write(tmp_path / "one", b"after")
            write(tmp_path / "nowhere" / "two", b"")

    with pytest.raises(StoreError, match=r"cannot write .*nowhere"):
        two()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one").read_bytes() == b"before"


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "é", {"b": []}], "c": -0.0, "d": 5e-324},
        {"most": 2**64 - 1, "least": -(2**63), "long": 0.0005727430689148605},
        "\ud800",
        float("inf"),
    ],
)
def test_what_is_read_quickly_or_slowly_is_what_json_reads(value):
    text = json.dumps(value)
    for form in (text, text.encode()):
        assert files.parse(form) == json.loads(form) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[1e999]", "beyond the range of floats"),
        ('{"a": [{"b": -1e400}]}', "beyond the range of floats"),
        ("[18446744073709551616]", "more than 64 bits"),
        ('{"a": -9223372036854775809}', "more than 64 bits"),
        ("[" * 101 + "]" * 101, "nested too deeply"),
        ("[NaN]", "NaN is no number"),
    ],
)
def test_what_no_file_of_ours_holds_is_refused(text, why):
    with pytest.raises(ValueError, match=why):
        files.parse(text, files.no_constant)


@pytest.mark.parametrize("value", [float("nan"), [float("-inf")], {"a": {"b": 2**64}}])
def test_what_cannot_be_read_again_is_not_written(tmp_path, value):
    with pytest.raises(ValueError, match="JSON holds no NaN"):
        files.write_json(tmp_path / "x.json", value)
    assert not list(tmp_path.iterdir())
