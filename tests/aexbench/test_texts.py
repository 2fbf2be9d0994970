"""Texts of strangers command no terminal, and no text names a folder of this machine."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench import specs
from aexbench.errors import plain
from aexbench.running.store import SCHEMA, Record
from aexbench.texts import pathless, plain_lines
from tests.aexbench.running.test_plans import cell

HOSTILE = {
    "escape": "\x1b[2J",
    "bell": "\x07",
    "carriage return": "\r",
    "line": "\n",
    "delete": "\x7f",
    "C1": "\x9b31m",
    "line separator": "\N{LINE SEPARATOR}",
    "override": "\N{RIGHT-TO-LEFT OVERRIDE}",
    "isolate": "\N{RIGHT-TO-LEFT ISOLATE}",
    "zero width": "\N{ZERO WIDTH SPACE}",
    "joiner": "\N{ZERO WIDTH JOINER}",
    "byte order mark": "\ufeff",
    "soft hyphen": "\N{SOFT HYPHEN}",
    "filler": "\N{HANGUL FILLER}",
    "variation": "\N{VARIATION SELECTOR-16}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_a_terminal_obeys_or_nobody_sees_is_a_space(text):
    assert plain(f"lrp{text[0]}x") == "lrp x"
    assert plain_lines(f"one{text[0]}x\ntwo") == ("one x\ntwo" if text != "\n" else "one\nx\ntwo")


@given(st.text(st.characters(codec="utf-8")))
def test_a_name_is_written_without_what_nobody_sees(text):
    assert specs.write("x", {"a": text}).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("FileNotFoundError: '/home/me/rows.csv'", "FileNotFoundError: 'rows.csv'"),
        ("b'/home/me/my data/rows.csv' is missing", "b'rows.csv' is missing"),
        ("cannot open /home/me/rows.csv: no", "cannot open rows.csv: no"),
        ("/home/me/my data/rows.csv", "my data/rows.csv"),
        ("in /home/me/folder/, and", "in folder, and"),
        ("path=/srv/a/b.csv,label=y", "path=b.csv,label=y"),
        ("error:/srv/a/b.csv", "error:b.csv"),
        ("(/srv/a/b.csv)", "(b.csv)"),
        ("PATH is /usr/bin:/opt/me/bin", "PATH is bin:bin"),
        ("file:///home/me/rows.csv", "rows.csv"),
        (r"C:\Users\me\rows.csv failed", "rows.csv failed"),
        ("'C:/Users/my name/rows.csv'", "'rows.csv'"),
        ('File "/home/me/x.py", line 3, in f', 'File "x.py", line 3, in f'),
        (
            "https://example.org/a/b, s3://bucket/key/x",
            "https://example.org/a/b, s3://bucket/key/x",
        ),
        ("wine / null, 3/4 of and/or, data/rows.csv", "wine / null, 3/4 of and/or, data/rows.csv"),
        ("./a/b.csv and ../c/d.csv and ~/e/f.csv", "./a/b.csv and ../c/d.csv and ~/e/f.csv"),
        ("|x − x̂|/m, 5 /s", "|x − x̂|/m, 5 /s"),
    ],
)
def test_of_an_absolute_path_its_last_part_is_left(text, shown):
    assert pathless(text) == shown


def test_a_long_text_of_slashes_is_read_in_no_time():
    text = "/" * 50_000 + "'/" + "a/ " * 20_000
    assert len(pathless(text)) > 50_000


@pytest.mark.parametrize("made", [Record, lambda **parts: Record.model_validate_json(blank(parts))])
def test_a_record_holds_no_text_that_commands_or_names_folders(made):
    text = "\x1b[31mno '/home/me/rows.csv'\r\nand /srv/x/y.py"
    parts = {"reason": text, "traceback": text, "output": text}
    record = made(schema_version=SCHEMA, cell=cell(), state="failed", **parts)
    assert record.reason == " [31mno 'rows.csv'  and y.py"
    assert record.traceback == record.output == " [31mno 'rows.csv' \nand y.py"


def blank(parts: dict) -> str:
    return json.dumps({**parts, "cell": parts["cell"].model_dump()})
