"""Logs of a real server, cut down to a session, in all three formats; prefixes, sessions,
statements, hostile input.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import html
import io
import json
import lzma
import re
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench import RequestError, datasets
from aexbench.datasets.sql import postgres
from aexbench.datasets.sql.postgres.collectors import source
from aexbench.datasets.sql.postgres.files import find
from aexbench.datasets.sql.postgres.lines import Report
from aexbench.datasets.sql.postgres.prefix import COMMON, guess, line_pattern
from aexbench.datasets.sql.postgres.sessions import Statements

pytest.importorskip("sqlglot", reason="the extra `sql` is not installed")
from aexbench.datasets.sql.postgres.statements import measure, normalise

REAL = Path(__file__).parents[3] / "shared" / "data" / "postgres_log" / "rds.log.bz2"

# One psql session as PostgreSQL 15 wrote it with log_destination = 'stderr,csvlog,jsonlog',
# log_statement = all and log_min_duration_statement = 0; names and addresses are changed, entries
# left out.
PREFIX = "%m [%p] %q%u@%d app=%a host=%h sess=%c start=%s state=%e "
STDERR = """2024-05-06 03:31:15.960 UTC [417] [unknown]@[unknown] app=[unknown] host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  connection received: host=10.0.0.7 port=51988
2024-05-06 03:31:15.962 UTC [417] clerk@shop app=[unknown] host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  connection authorized: user=clerk database=shop application_name=psql
2024-05-06 03:31:16.008 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  statement: INSERT INTO customers (name, city, balance) VALUES ('Anna', 'Zürich', 10.5), ('O''Neil', '東京', -3), ('semi;colon', 'a, "b"', 1e3);
2024-05-06 03:31:16.009 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  duration: 0.616 ms
2024-05-06 03:31:16.012 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  statement: SELECT id, name
\t  FROM customers
\t WHERE city = 'Zürich'
\t\tAND balance > 0;
2024-05-06 03:31:16.012 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  duration: 0.679 ms
2024-05-06 03:31:16.027 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  statement: SELECT nothing FROM nowhere;
2024-05-06 03:31:16.027 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=42P01 ERROR:  relation "nowhere" does not exist at character 21
2024-05-06 03:31:16.027 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=42P01 STATEMENT:  SELECT nothing FROM nowhere;
2024-05-06 03:31:16.032 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=42601 ERROR:  syntax error at or near "SELEC" at character 1
2024-05-06 03:31:16.032 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=42601 STATEMENT:  SELEC 1;
2024-05-06 03:31:16.092 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  statement: SELECT f(1);
2024-05-06 03:31:16.092 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=22012 ERROR:  division by zero
2024-05-06 03:31:16.092 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=22012 CONTEXT:  PL/pgSQL function f(integer) line 4 at RETURN
2024-05-06 03:31:16.092 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=22012 STATEMENT:  SELECT f(1);
2024-05-06 03:31:16.096 UTC [417] clerk@shop app=psql host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  statement: SET application_name = 'report: "daily", x';
2024-05-06 03:31:16.096 UTC [417] clerk@shop app=report: "daily", x host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  duration: 0.129 ms
2024-05-06 03:31:16.104 UTC [417] clerk@shop app=report: "daily", x host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  statement: SELECT 'duration: 1.0 ms  statement: SELECT 1';
2024-05-06 03:31:16.104 UTC [417] clerk@shop app=report: "daily", x host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  duration: 0.188 ms
2024-05-06 03:31:16.208 UTC [417] clerk@shop app=report: "daily", x host=10.0.0.7 sess=6638a1c3.1a1 start=2024-05-06 03:31:15 UTC state=00000 LOG:  disconnection: session time: 0:00:00.256 user=clerk database=shop host=10.0.0.7 port=51988
"""  # noqa: E501
CSVLOG = '''2024-05-06 03:31:15.960 UTC,,,417,"10.0.0.7:51988",6638a1c3.1a1,1,"",2024-05-06 03:31:15 UTC,,0,LOG,00000,"connection received: host=10.0.0.7 port=51988",,,,,,,,,"","not initialized",,0
2024-05-06 03:31:15.962 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,2,"authentication",2024-05-06 03:31:15 UTC,3/267,0,LOG,00000,"connection authorized: user=clerk database=shop application_name=psql",,,,,,,,,"","client backend",,0
2024-05-06 03:31:16.008 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,5,"idle",2024-05-06 03:31:15 UTC,3/269,0,LOG,00000,"statement: INSERT INTO customers (name, city, balance) VALUES ('Anna', 'Zürich', 10.5), ('O''Neil', '東京', -3), ('semi;colon', 'a, ""b""', 1e3);",,,,,,,,,"psql","client backend",,0
2024-05-06 03:31:16.009 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,6,"INSERT",2024-05-06 03:31:15 UTC,3/0,0,LOG,00000,"duration: 0.616 ms",,,,,,,,,"psql","client backend",,0
2024-05-06 03:31:16.012 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,7,"idle",2024-05-06 03:31:15 UTC,3/270,0,LOG,00000,"statement: SELECT id, name
  FROM customers
 WHERE city = 'Zürich'
\tAND balance > 0;",,,,,,,,,"psql","client backend",,0
2024-05-06 03:31:16.012 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,8,"SELECT",2024-05-06 03:31:15 UTC,3/0,0,LOG,00000,"duration: 0.679 ms",,,,,,,,,"psql","client backend",,0
2024-05-06 03:31:16.027 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,11,"idle",2024-05-06 03:31:15 UTC,3/272,0,LOG,00000,"statement: SELECT nothing FROM nowhere;",,,,,,,,,"psql","client backend",,0
2024-05-06 03:31:16.027 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,12,"SELECT",2024-05-06 03:31:15 UTC,3/272,0,ERROR,42P01,"relation ""nowhere"" does not exist",,,,,,"SELECT nothing FROM nowhere;",21,,"psql","client backend",,0
2024-05-06 03:31:16.032 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,13,"idle",2024-05-06 03:31:15 UTC,3/273,0,ERROR,42601,"syntax error at or near ""SELEC""",,,,,,"SELEC 1;",1,,"psql","client backend",,0
2024-05-06 03:31:16.092 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,32,"idle",2024-05-06 03:31:15 UTC,3/283,0,LOG,00000,"statement: SELECT f(1);",,,,,,,,,"psql","client backend",,0
2024-05-06 03:31:16.092 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,33,"SELECT",2024-05-06 03:31:15 UTC,3/283,0,ERROR,22012,"division by zero",,,,,"PL/pgSQL function f(integer) line 4 at RETURN","SELECT f(1);",,,"psql","client backend",,0
2024-05-06 03:31:16.096 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,34,"idle",2024-05-06 03:31:15 UTC,3/284,0,LOG,00000,"statement: SET application_name = 'report: ""daily"", x';",,,,,,,,,"psql","client backend",,0
2024-05-06 03:31:16.096 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,35,"SET",2024-05-06 03:31:15 UTC,3/0,0,LOG,00000,"duration: 0.129 ms",,,,,,,,,"report: ""daily"", x","client backend",,0
2024-05-06 03:31:16.104 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,36,"idle",2024-05-06 03:31:15 UTC,3/285,0,LOG,00000,"statement: SELECT 'duration: 1.0 ms  statement: SELECT 1';",,,,,,,,,"report: ""daily"", x","client backend",,0
2024-05-06 03:31:16.104 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,37,"SELECT",2024-05-06 03:31:15 UTC,3/0,0,LOG,00000,"duration: 0.188 ms",,,,,,,,,"report: ""daily"", x","client backend",,0
2024-05-06 03:31:16.208 UTC,"clerk","shop",417,"10.0.0.7:51988",6638a1c3.1a1,62,"idle",2024-05-06 03:31:15 UTC,,0,LOG,00000,"disconnection: session time: 0:00:00.256 user=clerk database=shop host=10.0.0.7 port=51988",,,,,,,,,"report: ""daily"", x","client backend",,0
'''  # noqa: E501
JSONLOG = r"""{"timestamp":"2024-05-06 03:31:15.960 UTC","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":1,"ps":"","session_start":"2024-05-06 03:31:15 UTC","txid":0,"error_severity":"LOG","message":"connection received: host=10.0.0.7 port=51988","backend_type":"not initialized","query_id":0}
{"timestamp":"2024-05-06 03:31:15.962 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":2,"ps":"authentication","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/267","txid":0,"error_severity":"LOG","message":"connection authorized: user=clerk database=shop application_name=psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.008 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":5,"ps":"idle","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/269","txid":0,"error_severity":"LOG","message":"statement: INSERT INTO customers (name, city, balance) VALUES ('Anna', 'Zürich', 10.5), ('O''Neil', '東京', -3), ('semi;colon', 'a, \"b\"', 1e3);","application_name":"psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.009 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":6,"ps":"INSERT","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/0","txid":0,"error_severity":"LOG","message":"duration: 0.616 ms","application_name":"psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.012 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":7,"ps":"idle","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/270","txid":0,"error_severity":"LOG","message":"statement: SELECT id, name\n  FROM customers\n WHERE city = 'Zürich'\n\tAND balance > 0;","application_name":"psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.012 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":8,"ps":"SELECT","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/0","txid":0,"error_severity":"LOG","message":"duration: 0.679 ms","application_name":"psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.027 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":11,"ps":"idle","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/272","txid":0,"error_severity":"LOG","message":"statement: SELECT nothing FROM nowhere;","application_name":"psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.027 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":12,"ps":"SELECT","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/272","txid":0,"error_severity":"ERROR","state_code":"42P01","message":"relation \"nowhere\" does not exist","statement":"SELECT nothing FROM nowhere;","cursor_position":21,"application_name":"psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.032 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":13,"ps":"idle","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/273","txid":0,"error_severity":"ERROR","state_code":"42601","message":"syntax error at or near \"SELEC\"","statement":"SELEC 1;","cursor_position":1,"application_name":"psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.092 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":32,"ps":"idle","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/283","txid":0,"error_severity":"LOG","message":"statement: SELECT f(1);","application_name":"psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.092 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":33,"ps":"SELECT","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/283","txid":0,"error_severity":"ERROR","state_code":"22012","message":"division by zero","context":"PL/pgSQL function f(integer) line 4 at RETURN","statement":"SELECT f(1);","application_name":"psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.096 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":34,"ps":"idle","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/284","txid":0,"error_severity":"LOG","message":"statement: SET application_name = 'report: \"daily\", x';","application_name":"psql","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.096 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":35,"ps":"SET","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/0","txid":0,"error_severity":"LOG","message":"duration: 0.129 ms","application_name":"report: \"daily\", x","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.104 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":36,"ps":"idle","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/285","txid":0,"error_severity":"LOG","message":"statement: SELECT 'duration: 1.0 ms  statement: SELECT 1';","application_name":"report: \"daily\", x","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.104 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":37,"ps":"SELECT","session_start":"2024-05-06 03:31:15 UTC","vxid":"3/0","txid":0,"error_severity":"LOG","message":"duration: 0.188 ms","application_name":"report: \"daily\", x","backend_type":"client backend","query_id":0}
{"timestamp":"2024-05-06 03:31:16.208 UTC","user":"clerk","dbname":"shop","pid":417,"remote_host":"10.0.0.7","remote_port":51988,"session_id":"6638a1c3.1a1","line_num":62,"ps":"idle","session_start":"2024-05-06 03:31:15 UTC","txid":0,"error_severity":"LOG","message":"disconnection: session time: 0:00:00.256 user=clerk database=shop host=10.0.0.7 port=51988","application_name":"report: \"daily\", x","backend_type":"client backend","query_id":0}
"""  # noqa: E501
EXCERPTS = {"stderr": STDERR, "csvlog": CSVLOG, "jsonlog": JSONLOG}
TEXTS = {
    "user": ["clerk"] * 7,
    "program": ["psql"] * 6 + ['report: "daily", x'],
    "host": ["10.0.0.7"] * 7,
    "database": ["shop"] * 7,
    "command": ["insert", "select", "select", "other", "select", "set", "select"],
    "error": ["00000", "00000", "42P01", "42601", "22012", "00000", "00000"],
}
MISSING = np.nan
NUMBERS = {
    "hour": [
        3 + 31 / 60 + second / 3600
        for second in (16.008, 16.012, 16.027, 16.032, 16.092, 16.096, 16.104)
    ],
    "weekday": [0] * 7,  # the sixth of May 2024 was a Monday
    "session-age": [0.048, 0.052, 0.067, 0.072, 0.132, 0.136, 0.144],
    "statements": [0, 1, 2, 3, 4, 5, 6],
    "gap": [0.048, 0.004, 0.015, 0.005, 0.060, 0.004, 0.008],
    "tables": [1, 1, 1, MISSING, 0, 0, 0],
    "joins": [0, 0, 0, MISSING, 0, 0, 0],
    "predicates": [0, 2, 0, MISSING, 0, 0, 0],
    "columns": [3, 2, 1, MISSING, 1, 0, 1],
    "length": [130, 73, 28, 8, 12, 44, 47],
    "literals": [9, 2, 0, 1, 1, 1, 1],
    "duration": [0.616, 0.679, MISSING, MISSING, MISSING, 0.129, 0.188],
}


def read(path: Path, prefix: str | None = None) -> tuple[Statements, Report]:
    statements, report = Statements(measure), Report()
    for log in find(path, "auto", prefix, report):
        for entry in log.entries(report):
            statements.add(entry)
    return statements, report


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def texts(statements: Statements, name: str) -> list[str]:
    return [
        statements.vocabulary[name][code] if code >= 0 else ""
        for code in statements.activity()[name]
    ]


def lines(count: int, pid: int = 7, day: int = 1) -> str:
    """Return so many statements with the default prefix, one a second."""
    return "".join(
        f"2024-05-{day:02d} 10:{i // 60:02d}:{i % 60:02d}.250 UTC [{pid}] LOG:  duration: "
        f"{i + 1}.000 ms  statement: "
        f"SELECT name FROM customers WHERE id = {i}\n"
        for i in range(count)
    )


@pytest.mark.parametrize("form", EXCERPTS)
def test_all_formats_give_what_is_read_off_by_hand(tmp_path, form):
    statements, report = read(written(tmp_path / "any.name", EXCERPTS[form]), PREFIX)
    assert (report.rejected, report.entries, statements.unparsed) == (0, 16, 1)
    for name, expected in TEXTS.items():
        assert texts(statements, name) == expected, name
    activity = statements.activity()
    for name, expected in NUMBERS.items():
        assert np.allclose(activity[name], expected, rtol=0, atol=1e-6, equal_nan=True), (
            name,
            activity[name],
        )
    assert {"role", "rows", "bytes"}.isdisjoint(activity)
    assert set(statements.units) == {0}


VALUES = {
    **{
        "a": "my app",
        "u": "clerk",
        "d": "shop_1",
        "r": "10.0.0.7(5432)",
        "h": "[local]",
        "L": "10.0.0.9",
    },
    **{
        "b": "client backend",
        "p": "4711",
        "P": "",
        "t": "2024-05-06 07:08:09 CET",
        "i": "SELECT",
        "e": "42P01",
    },
    **{"m": "2024-05-06 07:08:09.123 +03", "n": "1715000000.123", "c": "6638a1c3.1a1", "l": "12"},
    **{"s": "2024-05-06 07:00:00 UTC", "v": "3/270", "x": "0", "Q": "-8191"},
}
KEPT = {
    "a": "program",
    "u": "user",
    "d": "database",
    "r": "remote",
    "h": "host",
    "p": "pid",
    "e": "sqlstate",
}
KEPT |= {"n": "epoch", "c": "session", "s": "start"}
SESSION_ONLY = "adhiLruv"
pieces = st.tuples(
    st.sampled_from(sorted(VALUES)),
    st.sampled_from(["", "-3", "1", "9", "-30", "30"]),
    st.sampled_from([" | ", "|", "; ", "%%|", "~ LOG"]),  # of signs that are in no value
)


def formatted(prefix: str, session: bool) -> str:
    """Write a prefix as the server does."""
    if not session:
        prefix = prefix.split("%q")[0]

    def fill(found: re.Match[str]) -> str:
        width, letter = found.groups()
        if letter in "%q":
            return "%" if letter == "%" else ""
        value = VALUES[letter] if session or letter not in SESSION_ONLY else ""
        number = int(width or 0)
        return value.ljust(-number) if number < 0 else value.rjust(number)

    return re.sub(r"%(-?\d*)(.)", fill, prefix)


@given(st.lists(pieces, max_size=6), st.integers(0, 6), st.booleans())
def test_any_prefix_that_is_written_is_read_again(parts, stop, session):
    written_parts = [f"%{width}{letter}{sign}" for letter, width, sign in parts]
    prefix = "<" + "".join(written_parts[:stop]) + "%q" + "".join(written_parts[stop:])
    found = line_pattern(prefix).match(f"{formatted(prefix, session)}ERROR:  a: b LOG:  c")
    assert found is not None
    assert (found["severity"], found["message"]) == ("ERROR", "a: b LOG:  c")
    seen = [letter for letter, _, _ in (parts if session else parts[:stop])]
    for letter, name in KEPT.items():
        if letter in seen:
            assert found[name] == (
                VALUES[letter] if session or letter not in SESSION_ONLY else ""
            ), (prefix, name)


@pytest.mark.parametrize("prefix", COMMON)
def test_common_prefixes_are_guessed(prefix):
    line = f"{formatted(prefix, True)}LOG:  statement: SELECT 1\n"
    guessed, names = guess([line, "\tFROM t\n"] * 5), {**KEPT, "t": "time", "m": "time"}
    for known in (prefix, guessed):
        found = line_pattern(known).match(line).groupdict()
        assert {name: value for name, value in found.items() if value} == {
            **{
                names[letter]: VALUES[letter]
                for letter in re.findall("%(.)", prefix)
                if letter in names
            },
            **{"severity": "LOG", "message": "statement: SELECT 1\n"},
        }


def test_a_prefix_of_your_own_is_asked_for_and_not_mistaken_for_a_common_one(tmp_path):
    log = written(tmp_path / "server.log", STDERR)
    with pytest.raises(
        RequestError,
        match=r"cannot guess .* give prefix=…, as SHOW log_line_prefix prints it; a line",
    ):
        datasets.create("postgres-log", path=log)
    with pytest.raises(
        RequestError, match=r"none of the 23 lines .* can be read: give .* prefix=…"
    ):
        datasets.create("postgres-log", path=log, prefix="%p: ")


def test_an_execution_counts_once_with_its_own_duration(tmp_path):
    head = "2024-05-06 07:08:09.100 UTC [7] LOG:  "
    log = "".join(
        f"{head}{message}\n"
        for message in (
            "duration: 0.400 ms  parse P_0: SELECT a FROM t WHERE b = $1",
            "duration: 0.500 ms  bind P_0: SELECT a FROM t WHERE b = $1",
            "execute P_0: SELECT a FROM t WHERE b = $1",
            "duration: 0.141 ms",
            "duration: 9.000 ms",  # of something that was not logged
            "duration: 3.000 ms  plan:",
            "duration: 7.000 ms  execute fetch from P_0/c: SELECT a FROM t WHERE b = $1",
        )
    )
    statements, report = read(written(tmp_path / "server.log", log))
    assert report.rejected == 0
    assert statements.activity()["duration"].tolist() == [0.141, 7.0]
    assert statements.activity()["literals"].tolist() == [0, 0]
    start = statements.activity()["hour"] * 3600 % 1
    assert np.allclose(
        start, [0.1, 0.093], atol=1e-6
    )  # an entry with its duration is written at the end


def test_errors_belong_to_the_statement_that_was_sent_and_codes_stand_in_verbose_messages(tmp_path):
    log = "".join(
        f"2024-05-06 07:08:09.100 UTC [{8 if 'other' in message else 7}] {message}\n"
        for message in (
            "LOG:  00000: statement: SELECT 1",
            "LOCATION:  exec_simple_query, postgres.c:1309",
            "FATAL:  57P01: terminating connection due to administrator command",  # it was idle
            "ERROR:  42601: syntax error",
            "LOCATION:  scanner_yyerror, scan.l:1192",
            "STATEMENT:  SELEC\n\t2",
            "LOG:  00000: statement: SELECT 3/0",
            "ERROR:  22012: division by zero",  # log_min_error_statement keeps the text back
            "STATEMENT:  SELECT 'of another process'",
            "LOG:  ERROR: statement: SELECT 4",  # says who knows what, but no code
            "LOG:  00000: duration: 5.000 ms",  # of neither
        )
    )
    statements, report = read(written(tmp_path / "server.log", log))
    assert (report.rejected, report.entries) == (0, 7)
    assert texts(statements, "error") == ["00000", "42601", "22012"]
    assert statements.activity()["length"].tolist() == [8, 7, 10]
    assert np.isnan(statements.activity()["duration"]).all()


def test_connections_tell_what_the_prefix_does_not_and_part_sessions_of_one_process_id(tmp_path):
    parts = []
    for day, user in ((1, "ann"), (2, "bob"), (3, "cid")):
        head = f"2024-05-{day:02d} 09:59:50.250 UTC [7] LOG:  connection "
        if user != "cid":  # a server may log only the second half of it
            parts += [
                f"{head}received: host=10.0.0.{day} port=5\n",
                f'{head}authenticated: identity="{user}"\n',
            ]
        parts += [
            f"{head}authorized: user={user} database=shop application_name=psql SSL enabled (x)\n"
        ]
        parts += [lines(2, day=day)]
    statements, _ = read(written(tmp_path / "server.log", "".join(parts)))
    assert texts(statements, "user") == ["ann", "ann", "bob", "bob", "cid", "cid"]
    assert texts(statements, "host") == ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2", "", ""]
    assert texts(statements, "program") == ["psql"] * 6
    activity = statements.activity()
    assert activity["statements"].tolist() == [0, 1] * 3
    assert np.allclose(activity["session-age"], [9.999, 10.998] * 3, atol=1e-6)
    assert len(set(statements.units)) == 3


def test_a_disconnection_ends_a_session(tmp_path):
    end = (
        "2024-05-01 11:00:00.000 UTC [7] LOG:  "
        "disconnection: session time: 0:00:00.256 user=ann database=shop\n"
    )
    statements, _ = read(written(tmp_path / "server.log", lines(2) + end + lines(2, day=2)))
    assert statements.activity()["statements"].tolist() == [0, 1, 0, 1]
    assert np.isnan(statements.activity()["session-age"]).all()


def test_another_user_on_a_process_id_is_another_session(tmp_path):
    log = "".join(
        f"2024-05-06 07:08:09 UTC:::1(5):{user}@shop:[7]:LOG:  duration: 1.0 ms  statement: "
        "SELECT 1\n"
        for user in ("ann", "ann", "bob")
    )
    statements, _ = read(written(tmp_path / "server.log", log))
    assert statements.activity()["statements"].tolist() == [0, 1, 0]
    assert texts(statements, "host") == ["::1"] * 3
    assert texts(statements, "error") == [""] * 3  # the prefix has no %e


@pytest.mark.parametrize(
    ("text", "command", "tables", "joins", "predicates", "columns", "literals"),
    [
        ("SELECT a, b FROM t WHERE c = 1 AND d LIKE 'x%'", "select", 1, 0, 2, 2, 2),
        (
            "SELECT * FROM t a JOIN s.t b ON a.i = b.i LEFT JOIN u USING (i, j)",
            "select",
            3,
            2,
            3,
            1,
            0,
        ),
        ("SELECT a = b FROM t, u WHERE a IN (1, 2, 3) AND b IS NOT NULL", "select", 2, 1, 2, 1, 3),
        (
            "WITH w AS (SELECT i FROM t WHERE x > .5e3) SELECT i FROM w JOIN u ON w.i = u.i",
            "select",
            2,
            1,
            2,
            1,
            1,
        ),
        ("with w as (select 1) insert into t (a, b) select * from w", "insert", 1, 0, 0, 2, 1),
        ("INSERT INTO t VALUES (1, now(), 'it''s'), (2, now(), $$x'y$$)", "insert", 1, 0, 0, 3, 4),
        (
            "UPDATE t SET a = 0, b = $1 WHERE c BETWEEN 1 AND 2 OR d = ANY ('{3}')",
            "update",
            1,
            0,
            2,
            2,
            4,
        ),
        ("DELETE FROM t USING u WHERE t.i = u.i RETURNING t.i", "delete", 2, 0, 1, 1, 0),
        ("/* x' */ (SELECT a FROM t) -- it's\nUNION SELECT 2", "select", 1, 0, 0, 1, 1),
        ("EXPLAIN (ANALYZE, BUFFERS) SELECT 1 FROM t", "explain", 1, 0, 0, 1, 1),
        ("COPY t (a, b) FROM STDIN", "copy", 1, 0, 0, 2, 0),
        ("CREATE TABLE t (a int PRIMARY KEY, b varchar(9))", "ddl", 1, 0, 0, 0, 1),
        ("START TRANSACTION", "begin", 0, 0, 0, 0, 0),
        ("SELECT 1; DROP TABLE t", "select", 1, 0, 0, 1, 1),
        (" ;", "empty", 0, 0, 0, 0, 0),
        ("SELEC 1", "other", *[MISSING] * 4, 1),
        ("LOCK TABLE t", "lock", *[MISSING] * 4, 0),
    ],
)
def test_statements_are_measured_as_by_hand(
    text, command, tables, joins, predicates, columns, literals
):
    measured = measure(text)
    assert (measured.command, measured.length, measured.literals) == (command, len(text), literals)
    assert np.array_equal(measured.structure, [tables, joins, predicates, columns], equal_nan=True)


@given(
    st.lists(
        st.one_of(st.text(), st.integers(min_value=0), st.floats(0, 1e9)), min_size=1, max_size=8
    )
)
def test_constants_change_nothing_but_their_number_and_the_length(constants):
    quoted = [
        repr(c) if not isinstance(c, str) else "'" + c.replace("'", "''") + "'" for c in constants
    ]
    kinds = ["''" if isinstance(c, str) else "0" for c in constants]
    form = 'SELECT t1.a2 FROM "o\'x" WHERE f(' + "{}" + ")"
    assert normalise(form.format(" + ".join(quoted))) == (
        form.format(" + ".join(kinds)),
        len(constants),
    )


def test_long_lists_are_one_form():
    forms = {
        normalise(f"SELECT a FROM t WHERE b IN ({', '.join(map(str, range(n)))})")[0]
        for n in range(1, 50)
    }
    forms |= {normalise(f"SELECT a FROM t WHERE b IN ({n})")[0] for n in range(5)}
    assert len(forms) == 1
    rows = {
        normalise("INSERT INTO t VALUES " + ", ".join(["(1, f('x'))"] * n))[0] for n in range(1, 50)
    }
    assert len(rows) == 1


@pytest.mark.parametrize(
    "text", ["SELECT " + "(" * 9000, "SELECT '" + "a''" * 10**6, "/*" * 10**6, "\ud800\0", "$a$"]
)
def test_no_text_is_too_much(text):
    assert measure(text).length == len(text)


def test_splits_follow_time_and_what_is_left_out_is_named(tmp_path):
    late = "2024-05-02 09:00:00.000 UTC [2] LOG:  connection authorized: user=ann database=shop\n"
    log = written(
        tmp_path / "server.log", lines(60, 1, day=1) + "what is this\n" + late + lines(40, 2, day=2)
    )
    with pytest.warns(postgres.LogWarning) as caught:
        made = datasets.create("postgres-log", path=log)
    assert str(caught[0].message) == (
        "102 lines read, 101 entries, 100 statements; 1 lines could not be read (first: "
        "server.log line 61); "
        "0 statements of unknown structure; features left out, as the log does not carry them: "
        "user, role, program, host, database, session-age, rows, bytes, error"
    )
    assert (len(made.train), len(made.validation), len(made.test)) == (60, 20, 20)
    assert made.features.names[:2] == ("hour", "weekday")
    weekday = made.features.names.index("weekday")
    assert (made.train[:, weekday] == made.train[0, weekday]).all()
    assert (made.test[:, weekday] != made.train[0, weekday]).all()
    assert made.test_labels is None
    assert len(set(made.test_units.tolist())) == 1


@pytest.mark.filterwarnings("ignore::aexbench.datasets.sql.postgres.LogWarning")
def test_groups_number_the_features_that_there_are(tmp_path):
    made = datasets.create(
        "postgres-log", path=written(tmp_path / "a.log", lines(100)), encoding="groups"
    )
    assert {"command=select", "hour=sin", "gap"} <= set(made.features.names)
    assert np.isfinite(made.test).all()


def test_a_folder_is_read_in_the_order_of_time_and_in_one_format(tmp_path):
    written(tmp_path / "server.log", lines(1, 30, day=3))
    written(tmp_path / "server.log.1", lines(1, 20, day=2))
    (tmp_path / "server.log.2.gz").write_bytes(gzip.compress(lines(1, 10, day=1).encode()))
    written(tmp_path / "README", "not a log")
    statements, report = read(tmp_path)
    assert statements.activity()["weekday"].tolist() == [2, 3, 4]
    written(tmp_path / "server.csv", CSVLOG)
    statements, report = read(tmp_path)
    assert len(statements) == 7
    assert report.notes == ["3 files left out, empty or in another format than csvlog"]


@pytest.mark.parametrize(
    "junk", [b"\0" * 5000, b"\xff\xfe\xfa", b"x" * 10**7, b"", b"2024-99-99 00:00:00.000 UTC [7]"]
)
@pytest.mark.parametrize("form", EXCERPTS)
def test_junk_between_entries_is_counted_and_costs_no_entry(tmp_path, form, junk):
    entry = {
        "stderr": "2024-05-06 03:31:16.208",
        "csvlog": "2024-05-06 03:31:16.208",
        "jsonlog": '{"timestamp"',
    }[form]
    head, _, tail = EXCERPTS[form].encode().rpartition(entry.encode())
    statements, report = read(
        written(tmp_path / "a.log", head + junk + b"\n" + entry.encode() + tail), PREFIX
    )
    assert (report.rejected, report.entries, len(statements)) == (1, 16, 7)
    assert report.first == f"a.log line {head.count(10) + 1}"


def test_a_statement_of_ten_megabytes_with_nul_and_invalid_bytes_is_a_statement(tmp_path):
    text = b"SELECT '" + b"\0\xff" * 5_000_000 + b"'"
    log = (
        b"\0" * 5000
        + lines(1).encode()
        + b"2024-05-02 10:00:00.250 UTC [7] LOG:  statement: "
        + text
        + b"\n\tFROM t\n"
    )
    statements, report = read(written(tmp_path / "a.log", log))
    assert report.rejected == 0
    assert statements.activity()["length"][1] == len(text) + len("\nFROM t")
    assert statements.activity()["tables"].tolist() == [1, 1]


def test_a_csv_that_begins_within_an_entry_or_loses_a_quote_finds_its_way(tmp_path):
    cut = CSVLOG[CSVLOG.index("  FROM customers") :]
    statements, report = read(written(tmp_path / "a.csv", cut))
    assert (len(statements), report.rejected, report.first) == (5, 3, "a.csv line 1")
    lost = CSVLOG.replace('balance > 0;"', "balance > 0;")
    statements, report = read(written(tmp_path / "a.csv", lost))
    assert (len(statements), report.rejected, report.first) == (6, 4, "a.csv line 5")


@pytest.mark.parametrize(
    ("pack", "name"), [(gzip.compress, "a.log.gz"), (bz2.compress, "a.log.bz2")]
)
def test_of_a_file_that_is_cut_off_the_beginning_is_read(tmp_path, pack, name):
    whole = lines(3000, day=1).encode()
    first, second = pack(whole), pack(lines(3000, day=2).encode())
    written(tmp_path / name, first + second[: len(second) // 2])
    with pytest.warns(postgres.LogWarning, match=rf"{name} ends early after line \d+ \("):
        made = datasets.create("postgres-log", path=tmp_path / name)
    assert len(made.train) + len(made.validation) + len(made.test) >= 3000
    written(tmp_path / name, first[:20])
    with pytest.raises(RequestError, match=r"there is nothing to read in .* ends early"):
        datasets.create("postgres-log", path=tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "there is nothing to read in .*: it is empty"),
        (
            lines(20),
            r"20 statements \(20 lines, 0 of them not readable\); at least 50 are needed: .* "
            r"log_statement",
        ),
        (lines(90).replace("statement", "connection"), "holds 0 statements"),
        ("[" * 100_000 + '\n{"a":1}\n', "none of the 2 lines"),
    ],
)
def test_what_is_no_log_of_statements_is_one_clear_line(tmp_path, content, message):
    with pytest.raises(RequestError, match=message) as caught:
        datasets.create("postgres-log", path=written(tmp_path / "a.log", content))
    assert "\n" not in str(caught.value)


def test_too_few_statements_come_with_what_was_not_read(tmp_path):
    packed = gzip.compress(lines(60).encode(), compresslevel=0)
    written(tmp_path / "a.log.gz", packed[: len(packed) // 2])
    written(tmp_path / "b.log.zst", b"\x28\xb5\x2f\xfd rest")
    for path, said in (
        (tmp_path / "a.log.gz", [r"a\.log\.gz ends early after line \d+"]),
        (tmp_path, [r"b\.log\.zst is compressed with zstd: unpack", r"a\.log\.gz ends early"]),
    ):
        with pytest.raises(RequestError, match="at least 50 are needed") as caught:
            datasets.create("postgres-log", path=path)
        for note in said:
            assert re.search(note, str(caught.value))
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [20, 70])
def test_lines_that_are_not_read_come_with_files_that_are_not(tmp_path, bad):
    written(tmp_path / "a.log", lines(30))
    written(tmp_path / "b.log.zst", b"\x28\xb5\x2f\xfd rest")
    written(tmp_path / "c.log", "nothing known\n" * bad)
    with pytest.raises(RequestError, match=r"b\.log\.zst is compressed with zstd"):
        datasets.create("postgres-log", path=tmp_path, prefix="%m [%p] ")


def test_places_without_logs_are_errors(tmp_path):
    written(tmp_path / "README", "x")
    with pytest.raises(RequestError, match="holds no logs: names must be like"):
        datasets.create("postgres-log", path=tmp_path)
    with pytest.raises(RequestError, match="there is no file or folder"):
        datasets.create("postgres-log", path=tmp_path / "nothing")
    written(tmp_path / "a.log", lines(60))
    written(tmp_path / "b.log", lines(60))
    with pytest.raises(RequestError, match="holds no csvlog log, but stderr"):
        datasets.create("postgres-log", path=tmp_path, format="csvlog")


@pytest.mark.skipif(not REAL.exists(), reason="the real log is not here")
def test_every_entry_of_the_real_log_is_accounted_for():
    report = Report()
    (log,) = find(REAL, "auto", None, report)
    severities = [entry.severity for entry in log.entries(report)]
    assert (report.lines, report.entries, report.rejected) == (114_604, 114_604, 0)
    assert (severities.count("LOG"), severities.count("FATAL")) == (114_602, 2)


@pytest.mark.parametrize("form", ["csvlog", "jsonlog"])
def test_a_session_start_with_a_zone_after_the_minutes_is_a_rejected_line(tmp_path, form):
    first, rest = EXCERPTS[form].split("\n", 1)
    assert first.count("2024-05-06 03:31:15 UTC") == 1
    odd = first.replace("2024-05-06 03:31:15 UTC", "2024-05-06 07:00Z")
    statements, report = read(written(tmp_path / "any.name", f"{odd}\n{rest}"))
    assert (report.rejected, report.entries, report.first) == (1, 15, "any.name line 1")
    assert len(statements) == 7


def quiet(path: Path, **parameters):
    """Make the data set; what it says is not looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", postgres.LogWarning)
        return datasets.create("postgres-log", path=path, **parameters)


def said(path: Path, **parameters) -> str:
    """Return what the data set says of a log."""
    with pytest.warns(postgres.LogWarning) as caught:
        datasets.create("postgres-log", path=path, **parameters)
    return str(caught[0].message)


USERS = ("svc@proj.iam", "ann@north.example", "ann@south.example")


def by_users(form: str, users: tuple[str, ...] = USERS, count: int = 60) -> str:
    """Return statements of several users under a prefix that `form` writes."""
    return "".join(
        form.format(time=f"2024-05-01 10:{i:02d}:00.000 UTC", user=users[i % len(users)])
        + "LOG:  statement: SELECT 1\n"
        for i in range(count)
    )


@pytest.mark.parametrize(
    ("prefix", "form"),
    [
        ("%m [%p] %q%u@%d ", "{time} [7] {user}@shop "),
        ("%m:%r:%u@%d:[%p]:", "{time}:10.0.0.7(51988):{user}@shop:[7]:"),
        ("%m %-30u@%d [%p] ", "{time} {user:<30}@shop [7] "),
        ("%m [%p] %d@%u ", "{time} [7] shop@{user} "),
        ("%m [%p] user=%u,db=%d ", "{time} [7] user={user},db=shop "),
        ("%m [%p] %u %d ", "{time} [7] {user} shop "),
    ],
)
def test_users_with_an_at_are_whole_and_so_are_databases(tmp_path, prefix, form):
    log = written(tmp_path / "server.log", by_users(form))
    statements, report = read(log, prefix)
    assert (report.rejected, report.unclear) == (0, 0)
    assert texts(statements, "user") == [*USERS] * 20
    assert set(texts(statements, "database")) == {"shop"}


def test_users_with_an_at_do_not_hide_a_common_prefix(tmp_path):
    for form in ("{time} [7] {user}@shop ", "{time}:10.0.0.7(51988):{user}@shop:[7]:"):
        statements, _ = read(written(tmp_path / "server.log", by_users(form)))
        assert set(texts(statements, "user")) == set(USERS)
        assert set(texts(statements, "database")) == {"shop"}


def test_names_with_blanks_are_whole_where_another_sign_parts_them(tmp_path):
    users = ("Ann Lee", "Ann@corp.example (ops)")
    for prefix, form in (
        ("%m [%p] %u@%d ", "{time} [7] {user}@shop "),
        ("%m [%p] <%u|%d> ", "{time} [7] <{user}|shop> "),
    ):
        log = written(tmp_path / "server.log", by_users(form, users))
        statements, report = read(log, prefix)
        assert report.unclear == 0
        assert texts(statements, "user") == [*users] * 30
        assert set(texts(statements, "database")) == {"shop"}


@pytest.mark.parametrize(
    ("prefix", "form", "user"),
    [
        ("%m [%p] %u %d ", "{time} [7] {user} shop ", "Ann Lee"),
        ("%m [%p] %u-%d ", "{time} [7] {user}-shop ", "svc-app"),
        ("%m [%p] %d/%u ", "{time} [7] shop/{user} ", "north/ann"),
    ],
)
def test_names_that_cannot_be_told_apart_are_unknown_and_that_is_said(tmp_path, prefix, form, user):
    log = written(tmp_path / "server.log", by_users(form, ("bob", user)))
    statements, report = read(log, prefix)
    assert texts(statements, "user") == ["bob", ""] * 30
    assert texts(statements, "database") == ["shop", ""] * 30
    assert report.rejected == 0
    assert "; user and database of 30 entries left out, as the sign between" in said(
        log, prefix=prefix
    )


def multiline(before: str, after: str = "\t", pids: int = 1) -> str:
    """Return 60 statements of three lines each, of which `before` stands before every one."""
    parts = []
    for i in range(60):
        pid, minute = 7 + i % pids, f"{i:02d}"
        lead = before.format(pid=pid, minute=minute, line=1, stamp=f"{i:09d}".rstrip("0") or "0")
        parts.append(
            f"{lead}2024-05-01 10:{minute}:00.000 UTC [{pid}] LOG:  statement: SELECT a{pid}\n"
        )
        for line, text in ((2, "FROM t"), (3, f"WHERE c = 1{' AND d = 2' * (i % 3)}")):
            lead = before.format(pid=pid, minute=minute, line=line, stamp=f"{900 + i:09d}")
            parts.append(f"{lead}{after}{text}\n")
    return "".join(parts)


COLLECTED = {
    "compose": "db-1  | ",
    "compose in colour": "\x1b[36mdb-1  | \x1b[0m",
    "compose 1 in colour": "\x1b[36mdb_1  |\x1b[0m ",
    "kubectl": "[pod/db-0/postgres] ",
    "kubectl and times": "[pod/db-0/postgres] 2024-05-01T10:{minute}:00.{stamp}Z ",
    "kubernetes": "2024-05-01T10:{minute}:00.{stamp}Z ",
    "node": "2024-05-01T10:{minute}:00.{stamp}Z stderr F ",
    "compose and times": "db-1  | 2024-05-01T10:{minute}:00.{stamp}Z ",
    "syslog": "May  1 10:{minute}:00 host postgres[{pid}]: [5-{line}] ",
    "another": "shop db/0 (main) > ",
    "journal": "2024-05-01T10:{minute}:00+0200 host postgres[{pid}]: ",
    "syslog 5424": "<134>1 2024-05-01T10:{minute}:00.1Z host postgres {pid} - - [{minute}-{line}] ",
    "syslog and years": "May  1 2024 10:{minute}:00 host postgres[{pid}]: [5-{line}] ",
    "journal in full": "Wed 2024-05-01 10:{minute}:00 CEST host postgres[{pid}]: ",
    "journal in seconds": "1714557600.{minute}0000 host postgresql@15-main[{pid}]: ",
    "swarm": "2024-05-01T10:{minute}:00.{stamp}Z db.1.x7@node-1    | ",
    "CloudWatch": "2024-05-01T10:{minute}:00.123000+00:00 db-1.0 ",
}


@pytest.mark.parametrize("name", COLLECTED)
@pytest.mark.parametrize("prefix", [None, "%m [%p] "])
def test_what_a_collector_puts_before_each_line_is_no_part_of_it(tmp_path, name, prefix):
    plain_lines, _ = read(written(tmp_path / "a.log", multiline("")))
    for tab in ("\t", "#011"):
        log = written(tmp_path / "b.log", multiline(COLLECTED[name], tab))
        statements, report = read(log, prefix)
        assert (report.rejected, report.entries, report.lines) == (0, 60, 180)
        for feature, expected in plain_lines.activity().items():
            assert np.array_equal(statements.activity()[feature], expected, equal_nan=True)
    assert set(plain_lines.activity()["predicates"]) == {1, 2, 3}


KNOWN = [name for name in COLLECTED if name != "another"]  # that is known from its tabs alone


def collected(name: str, log: str) -> str:
    """Return a log with what a collector puts before each line."""
    return "".join(
        COLLECTED[name].format(pid=7, minute=f"{i % 60:02d}", line=1, stamp=f"{i:09d}") + line
        for i, line in enumerate(log.splitlines(keepends=True))
    )


@pytest.mark.parametrize("name", KNOWN)
def test_times_and_counters_make_no_other_source(name):
    form = COLLECTED[name]
    one = form.format(pid=7, minute="01", line=1, stamp="5")
    assert source(form.format(pid=7, minute="02", line=2, stamp="123456789")) == source(one)
    if "pid" in form:
        assert source(form.format(pid=8, minute="01", line=1, stamp="5")) != source(one)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize(
    ("prefix", "form"),
    [
        ("%m [%p] %q%u@%d ", "{time} [7] {user}@shop "),
        ("%m:%r:%u@%d:[%p]:", "{time}:10.0.0.7(51988):{user}@shop:[7]:"),
        ("< %m > %u@%d ", "< {time} > {user}@shop "),
        ("%u@%d %m [%p] ", "{user}@shop {time} [7] "),
    ],
)
def test_a_collector_s_time_takes_nothing_of_the_server_s(tmp_path, name, prefix, form):
    log = written(tmp_path / "a.log", collected(name, by_users(form)))
    for known in (prefix, None) if prefix in COMMON else (prefix,):
        statements, report = read(log, known)
        assert (report.rejected, len(statements)) == (0, 60)
        assert texts(statements, "user") == [*USERS] * 20
        assert set(texts(statements, "database")) == {"shop"}
        assert np.allclose(statements.activity()["hour"] * 60, 600 + np.arange(60))


@pytest.mark.parametrize(
    "before", [COLLECTED["another"], '2024-05-01T10:00:00Z {app="db", of="x"} ']
)
def test_before_a_known_prefix_that_begins_with_a_time_anything_may_stand(tmp_path, before):
    bare = by_users("{time} [7] {user}@shop ")
    log = "".join(before + line for line in bare.splitlines(keepends=True))
    statements, report = read(written(tmp_path / "a.log", log), "%m [%p] %u@%d ")
    assert (report.rejected, len(statements)) == (0, 60)
    assert texts(statements, "user") == [*USERS] * 20
    with pytest.raises(RequestError, match="cannot guess the log_line_prefix"):
        quiet(tmp_path / "a.log")
    quoted = "".join(f'17145576000,"{line}"\n' for line in bare.splitlines())
    with pytest.raises(RequestError, match="none of the 60 lines"):
        quiet(written(tmp_path / "a.log", quoted), prefix="%m [%p] %u@%d ")


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("form", ["csvlog", "jsonlog"])
def test_other_formats_behind_a_collector_are_read_too(tmp_path, name, form):
    expected, _ = read(written(tmp_path / "a.log", EXCERPTS[form]))
    statements, report = read(written(tmp_path / "b.log", collected(name, EXCERPTS[form])))
    assert (report.rejected, report.entries) == (0, 16)
    for feature, column in expected.activity().items():
        assert np.array_equal(statements.activity()[feature], column, equal_nan=True), feature


def test_a_few_objects_among_a_collector_s_lines_make_no_jsonlog(tmp_path):
    log = collected("compose", lines(60)) + 'web-1  | {"level": "info"}\n'
    statements, report = read(written(tmp_path / "a.log", log))
    assert (report.rejected, len(statements)) == (1, 60)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC, csv.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csvlog_that_another_program_has_written_again(tmp_path, quoting, end):
    expected, _ = read(written(tmp_path / "a.csv", CSVLOG))
    again = io.StringIO()
    rows = csv.reader(io.StringIO(CSVLOG, newline=""))
    csv.writer(again, quoting=quoting, lineterminator=end).writerows(rows)
    statements, report = read(written(tmp_path / "b.csv", again.getvalue()))
    assert (report.rejected, report.entries) == (0, 16)
    for feature, column in expected.activity().items():
        assert np.array_equal(statements.activity()[feature], column, equal_nan=True), feature


CNPG = {
    "log_time": "timestamp",
    "user_name": "user",
    "database_name": "dbname",
    "session_id": "session_id",
    "session_start_time": "session_start",
    "error_severity": "error_severity",
    "sql_state_code": "state_code",
    "message": "message",
    "query": "statement",
    "application_name": "application_name",
}


def cloud_native(line: str) -> str:
    """Return a line of jsonlog as CloudNativePG writes it."""
    entry = json.loads(line)
    record = {name: entry.get(key, "") for name, key in CNPG.items()}
    record["connection_from"] = f"{entry['remote_host']}:{entry['remote_port']}"
    record["sql_state_code"] = record["sql_state_code"] or "00000"
    return json.dumps({"level": "info", "logger": "postgres", "msg": "record", "record": record})


@pytest.mark.parametrize("left_out", ["nothing", "connection "])  # which tells the start too
def test_entries_in_the_log_of_cloud_native_pg_are_those_of_the_server(tmp_path, left_out):
    kept = [line for line in JSONLOG.splitlines() if f'"{left_out}' not in line]
    expected, _ = read(written(tmp_path / "a.json", "\n".join(kept)))
    log = "".join(f"{cloud_native(line)}\n" for line in kept)
    log = '{"level":"info","msg":"Starting","record":"none"}\n' + log
    statements, report = read(written(tmp_path / "b.json", log))
    assert (report.rejected, report.entries) == (1, len(kept))
    for name, names in TEXTS.items():
        assert texts(statements, name) == names, name
    for feature, column in expected.activity().items():
        assert np.array_equal(statements.activity()[feature], column, equal_nan=True), feature


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"[{JSONLOG.replace(chr(10), ',')[:-1]}]", r"a\.log is a JSON array: .*one object a line"),
        (json.dumps([json.loads(JSONLOG.splitlines()[0])], indent=1), "is a JSON array"),
        (json.dumps({"a": 1}, indent=1) * 60, "objects of several lines: write one a line"),
        ('{"level": "info", "msg": "x"}\n' * 60, r"none of the 60 lines .*jsonlog is one object a"),
        (CSVLOG.replace(",", ";"), r"a\.log looks like csvlog, .*cells with commas"),
        ("".join(f"{i},{CSVLOG.splitlines()[0]}\n" for i in range(60)), "looks like csvlog"),
        (
            "".join(f'17145576000{i},"{line}"\n' for i, line in enumerate(lines(60).splitlines())),
            r"the lines of a\.log are inside another table or JSON: take what the server wrote",
        ),
    ],
)
def test_other_forms_are_named_with_what_to_do(tmp_path, content, message):
    with pytest.raises(RequestError, match=message) as caught:
        quiet(written(tmp_path / "a.log", content))
    assert "log_line_prefix" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_log_that_is_newest_first_is_refused(tmp_path):
    newest_first = "".join(reversed(lines(60).splitlines(keepends=True)))
    with pytest.raises(RequestError, match=r"backwards in time: 59 of 60 entries .* oldest first"):
        quiet(written(tmp_path / "a.log", newest_first))
    whole_seconds = newest_first.replace("5.250", "4.250").replace(".250", ".000")
    with pytest.raises(RequestError, match="backwards in time"):
        quiet(written(tmp_path / "a.log", whole_seconds))


def test_a_clock_that_is_set_back_is_said_and_a_little_disorder_is_not(tmp_path):
    log = written(tmp_path / "a.log", lines(60) + lines(60, pid=8))
    assert "; 1 entries are more than a second earlier than the one before (a clock" in said(log)
    one = lines(60).splitlines(keepends=True)
    swapped = "".join(one[i + 1] + one[i] for i in range(0, 60, 2))
    assert "earlier than" not in said(written(log, swapped))


def test_a_prefix_with_what_the_collector_puts_before_it_is_taken_too(tmp_path):
    for before in ("db-1  | ", "postgres-main-0 :: "):
        statements, report = read(
            written(tmp_path / "b.log", multiline(before)), f"{before}%m [%p] "
        )
        assert (report.rejected, len(statements)) == (0, 60)
        assert set(statements.activity()["predicates"]) == {1, 2, 3}


def test_lines_of_processes_that_alternate_belong_to_their_own(tmp_path):
    one = multiline(COLLECTED["syslog"], "#011", pids=2).splitlines(keepends=True)
    mixed = []
    for i in range(0, len(one), 6):  # statements of 7 and 8, their lines taking turns
        mixed += [one[i + k + 3 * pid] for k in range(3) for pid in range(2)]
    statements, report = read(written(tmp_path / "a.log", "".join(mixed)))
    assert report.rejected == 0
    assert statements.activity()["predicates"].tolist() == [1, 2, 3] * 20
    containers = mixed[0].replace("host", "db-1") + mixed[2].replace("host", "db-2")
    statements, report = read(written(tmp_path / "a.log", "".join(mixed) + containers))
    assert report.rejected == 1  # of a source that has begun no message


def test_a_line_with_a_tab_somewhere_is_no_further_line(tmp_path):
    log = multiline("db-1  | ") + "web-1 | \tGET /\n" + "db-1  | GET\t/\n"
    statements, report = read(written(tmp_path / "a.log", log), "db-1  | %m [%p] ")
    assert (report.rejected, len(statements)) == (2, 60)
    log = lines(60) + "2024-05-01 10:00:00.250 UTC [7] \tFROM u\n"
    statements, report = read(written(tmp_path / "a.log", log))
    assert report.rejected == 1


@pytest.mark.parametrize(
    "wrap",
    [
        lambda line: {"log": line, "stream": "stderr", "time": "2024-05-01T10:00:00Z"},
        lambda line: {"time": "2024-05-01T10:00:00Z", "stream": "stderr", "log": line},
        lambda line: {"_PID": "7", "MESSAGE": line.rstrip("\n"), "PRIORITY": "6"},
        lambda line: {"insertId": "x", "textPayload": line.rstrip("\n")},
    ],
)
def test_lines_inside_objects_of_docker_and_the_journal_are_unwrapped(tmp_path, wrap):
    wrapped = "".join(
        json.dumps(wrap(line)) + "\n" for line in multiline("").splitlines(keepends=True)
    )
    statements, report = read(written(tmp_path / "a.log", wrapped))
    assert (report.rejected, len(statements)) == (0, 60)
    assert set(statements.activity()["predicates"]) == {1, 2, 3}


def in_docker(text, stream):
    return json.dumps({"log": text, "stream": stream, "time": "2024-05-01T10:00:00Z"}) + "\n"


def on_node(text, stream):
    flag = "F" if text.endswith("\n") else "P"
    line = text.rstrip("\n")
    return f"2024-05-01T10:00:00.123456789Z {stream} {flag} {line}\n"


@pytest.mark.parametrize("wrap", [in_docker, on_node])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_long_lines_that_a_container_s_log_splits_are_whole_again(tmp_path, wrap, ends):
    parts = []
    for line in multiline("").splitlines(keepends=True):
        for start in range(0, len(line), 16):
            parts.append(wrap(line[start : start + 16], "stderr"))
            parts += [wrap("some ", "stdout")] if start == 16 else []
    log = "".join(parts).replace("\n", ends)
    statements, report = read(written(tmp_path / "a.log", log), prefix="%m [%p] ")
    assert (report.rejected, len(statements)) == (1, 60)  # what stands on stdout is no message
    assert set(statements.activity()["predicates"]) == {1, 2, 3}


def test_several_lines_that_syslog_writes_as_one_are_several(tmp_path):
    log = "".join(
        line.rstrip("\n") + ("#012#011" if number % 3 < 2 else "\n")
        for number, line in enumerate(multiline("").splitlines(keepends=True))
    ).replace("#012#011\t", "#012#011")
    before = "2024-05-01T10:00:00+02:00 host postgres[7]: "
    log = "".join(before + line for line in log.splitlines(keepends=True))
    statements, report = read(written(tmp_path / "a.log", log))
    assert (report.rejected, len(statements)) == (0, 60)
    assert set(statements.activity()["predicates"]) == {1, 2, 3}


@pytest.mark.parametrize("before", ["", "db-1  | ", "2024-05-01T10:00:00.5Z stderr F "])
def test_a_log_most_of_whose_lines_belong_to_nothing_is_refused(tmp_path, before):
    log = multiline(before, "")  # somebody has taken the tabs away
    with pytest.raises(RequestError) as caught:
        quiet(written(tmp_path / "a.log", log), prefix="%m [%p] ")
    assert str(caught.value).startswith("120 of the 180 lines of ")
    assert "belong to no entry (first: a.log line 2): give the server's" in str(caught.value)
    with pytest.raises(
        RequestError,
        match=r"log_line_prefix of a\.log: 60 of 180 lines begin with '%m .*', the",
    ):
        quiet(written(tmp_path / "a.log", log))
    half = multiline("").splitlines(keepends=True)
    log = "".join(line[1:] if i % 3 == 1 else line for i, line in enumerate(half))
    assert "60 lines could not be read" in said(written(tmp_path / "a.log", log), prefix="%m [%p] ")


@pytest.mark.parametrize(
    "message",
    [
        "LOG:  Anweisung: SELECT 1",
        "LOG:  Dauer: 0.321 ms  Anweisung: select a from t",
        "LOG:  Ausführen P_0: UPDATE t SET a = 1",
        "LOG:  instruction : SELECT 1",
        "LOG:  durée : 0.321 ms  exécute <unnamed> : BEGIN",
        "LOG:  duración: 0.321 ms  sentencia: WITH w AS (SELECT 1) SELECT 2",
        "LOG:  istruzione: DELETE FROM t",
        "СООБЩЕНИЕ:  оператор: SELECT 1",
        "СООБЩЕНИЕ:  продолжительность: 0.321 мс, оператор: SELECT 1",
        "LOG:  期間: 0.321 ミリ秒  文: SELECT 1",
        "日志:  执行时间: 0.321 ms  语句: SELECT 1",
        "GÜNLÜK:  ifade: SELECT 1",
        "로그:  명령 구문: SELECT 1",
        "ANWEISUNG:  SELECT 1",
        "INSTRUCTION :  SELECT 1",
    ],
)
def test_messages_in_another_language_are_named_as_the_reason(tmp_path, message):
    log = lines(60)
    log = "".join(line[:32] + message + "\n" for line in log.splitlines())
    for prefix in (None, "%m [%p] "):
        with pytest.raises(
            RequestError, match=r"the messages of .*a\.log are not in English.* lc_messages"
        ) as caught:
            quiet(written(tmp_path / "a.log", log), prefix=prefix)
        assert "\n" not in str(caught.value)
        assert "; one: '" in str(caught.value)
    severity, _, text = message.partition(":  ")
    if ":" not in text:  # of an error, which the other formats write in a field of its own
        return
    for name, form, excerpt in (("a.csv", CSVLOG, "csv"), ("a.json", JSONLOG, "json")):
        entry = next(line for line in form.splitlines() if "SELEC" in line and "nowhere" in line)
        entry = entry.replace("statement: SELECT nothing FROM nowhere;", text)
        entry = entry.replace('"LOG"', f'"{severity}"').replace(",LOG,", f",{severity},")
        with pytest.raises(RequestError, match="are not in English"):
            quiet(written(tmp_path / name, (entry + "\n") * 60))
        assert excerpt in name


def test_messages_that_are_no_statements_are_no_other_language(tmp_path):
    head = "2024-05-01 10:00:00.250 UTC [7] "
    log = "".join(
        f"{head}{message}\n"
        for message in (
            "LOG:  checkpoint complete: wrote 3 buffers (0.0%)",
            'LOG:  automatic vacuum of table "shop.public.t": index scans: 0',
            "LOG:  listening on IPv4 address 0.0.0.0, port 5432",
            "LOG:  cron job 1 starting: SELECT refresh()",
            "LOG:  process 7 still waiting for ShareLock on transaction 9 after 1000.1 ms",
            "LOG:  could not send data to client: Broken pipe",
        )
    )
    with pytest.raises(RequestError, match="holds 0 statements"):
        quiet(written(tmp_path / "a.log", log * 20))
    other = lines(60) + f"{head}LOG:  Anweisung: SELECT 1\n" * 5
    assert "; 5 messages left out: they are not in English" in said(
        written(tmp_path / "a.log", other)
    )
    assert "not in English" not in said(written(tmp_path / "a.log", lines(60) + log))


def in_tar(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("server.log")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def in_zip(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("server.log", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (in_zip(lines(60).encode()), "is a zip archive"),
        (in_tar(lines(60).encode()), "is a tar archive"),
        (b"\x28\xb5\x2f\xfd" + bytes(99), "is compressed with zstd"),
        (b"\x04\x22\x4d\x18" + bytes(99), "is compressed with lz4"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(99), "is a 7z archive"),
    ],
)
def test_what_is_packed_otherwise_is_named_by_its_content(tmp_path, content, what):
    log = written(tmp_path / "server.log", content)
    with pytest.raises(RequestError, match=rf"nothing to read in .*server\.log {what}: unpack it"):
        quiet(log)
    written(tmp_path / "other.log", lines(60))
    assert f"; left out: server.log {what}: unpack it first" in said(tmp_path)


@pytest.mark.parametrize(
    "pack", [lzma.compress, gzip.compress, bz2.compress, lambda content: content]
)
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_packed_and_wide_files_are_read_by_their_content(tmp_path, pack, encoding):
    expected, _ = read(written(tmp_path / "a.log", STDERR), PREFIX)
    for text in (STDERR, STDERR.replace("\n", "\r\n")):
        log = written(tmp_path / "b.log", pack(text.encode(encoding)))
        statements, report = read(log, PREFIX)
        assert (report.rejected, report.entries, report.notes) == (0, 16, [])
        for feature, column in expected.activity().items():
            assert np.array_equal(statements.activity()[feature], column, equal_nan=True)


def test_a_wide_file_with_a_mark_of_either_order_and_a_torn_xz(tmp_path):
    for mark, encoding in ((b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le")):
        content = mark + CSVLOG.encode(encoding)
        statements, report = read(written(tmp_path / "a.csv", content))
        assert (report.rejected, len(statements)) == (0, 7)
    torn = lzma.compress("".join(map(lines, range(900, 1000))).encode())
    log = written(tmp_path / "a.log.xz", torn[: len(torn) * 2 // 3])
    assert "a.log.xz ends early after line" in said(log)
    middle = len(torn) // 2
    written(log, torn[:middle] + bytes(200) + torn[middle + 200 :])
    assert re.search(r"a\.log\.xz ends early after line \d+ \(Corrupt", said(log))
    with pytest.raises(RequestError, match=r"nothing to read in .* ends early"):
        quiet(written(tmp_path / "a.log.xz", torn[:40]))


SQL = 'SELECT a, "b\\c"\n  FROM t\n WHERE b = \'x < "y" & z\''
PLANS = {
    "text": f"Query Text: {SQL}\n"
    "Query Parameters: $1 = '3'\n"
    "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..0.2 rows=1 loops=1)\n"
    "  Filter: (b = 1)",
    "text without parameters": f"Query Text: {SQL}\nResult  (cost=0.00..0.01 rows=1 width=4)",
    "json": '{\n  "Query Text": ' + json.dumps(SQL) + ',\n  "Plan": {"Node Type": "Result"}\n}',
    "yaml": f'Query Text: {json.dumps(SQL)}\nPlan: \n  Node Type: "Result"',
    "xml": '<explain xmlns="http://www.postgresql.org/2009/explain">\n'
    f"  <Query-Text>{html.escape(SQL)}</Query-Text>\n  <Plan/>\n</explain>",
}


def messages(*texts_: str, pid: int = 7, minute: int = 0) -> str:
    """Return a log of these messages, a second after one another."""
    return "".join(
        f"2024-05-01 10:{minute:02d}:{i:02d}.000 UTC [{pid}] LOG:  "
        + text.replace("\n", "\n\t")
        + "\n"
        for i, text in enumerate(texts_)
    )


@pytest.mark.parametrize("form", PLANS)
def test_a_plan_of_auto_explain_tells_its_statement(tmp_path, form):
    plan = f"duration: 3.000 ms  plan:\n{PLANS[form]}"
    direct = f"duration: 4.000 ms  statement: {SQL}"
    statements, report = read(written(tmp_path / "a.log", messages(plan, plan)))
    assert report.rejected == 0
    assert statements.activity()["length"].tolist() == [len(SQL)] * 2
    assert statements.activity()["duration"].tolist() == [3.0, 3.0]
    assert statements.activity()["predicates"].tolist() == [1, 1]
    for told, durations in (
        ((plan, direct), [4.0]),
        ((f"statement: {SQL}", plan, "duration: 4.000 ms"), [4.0]),
        ((f"statement: {SQL}", plan), [3.0]),
        ((plan, direct, plan, direct, f"duration: 1.000 ms  statement: {SQL}"), [4.0, 4.0, 1.0]),
    ):
        statements, _ = read(written(tmp_path / "a.log", messages(*told).replace(":01.", ":00.")))
        assert statements.activity()["duration"].tolist() == durations
    late = messages(plan) + messages(direct, minute=30)  # of another execution
    statements, _ = read(written(tmp_path / "a.log", late))
    assert statements.activity()["duration"].tolist() == [3.0, 4.0]


def test_what_extensions_tell_is_said_and_what_they_leave_out_too(tmp_path):
    plans = [f"duration: 3.000 ms  plan:\nQuery Text: SELECT {i}" for i in range(30)]
    audits = [f"AUDIT: SESSION,{i},1,READ,SELECT,,,SELECT {i} + 1,<none>" for i in range(30)]
    log = messages(*plans, "duration: 3.000 ms  plan:") + messages(
        *audits, "AUDIT: SESSION,99,1,READ,SELECT,,,<not logged>,<not logged>", "AUDIT: ?", minute=1
    )
    text = said(written(tmp_path / "a.log", log))
    assert "63 entries, 60 statements; " in text
    assert "; 30 statements told by auto_explain alone; 30 statements told by pgaudit alone" in text
    assert "; 1 plans of auto_explain left out, as they hold no statement" in text
    assert "; 2 lines of pgaudit left out, as they hold no statement" in text
    assert "told by" not in said(written(tmp_path / "a.log", lines(60)))
    both = [
        (audit, f"duration: 1.000 ms  statement: SELECT {i} + 1") for i, audit in enumerate(audits)
    ]
    twice = messages(*sum(both, ())) + lines(30, pid=9, day=2)
    assert "told by" not in said(written(tmp_path / "a.log", twice))
    unlogged = messages(*["AUDIT: SESSION,9,1,READ,SELECT,,,<not logged>,<not logged>"] * 60)
    with pytest.raises(RequestError, match=r"holds 0 statements .*; 60 lines of pgaudit left out"):
        quiet(written(tmp_path / "a.log", unlogged))


def test_lines_of_pgaudit_about_one_statement_are_one(tmp_path):
    quoted = SQL.replace('"', '""')
    audit = f'AUDIT: SESSION,1,1,READ,SELECT,,,"{quoted}",<none>'
    relation = f'AUDIT: OBJECT,1,1,READ,SELECT,TABLE,public.t,"{quoted}",<none>'
    inner = "AUDIT: SESSION,1,2,WRITE,INSERT,,,INSERT INTO u VALUES (1),<none>"
    again = "AUDIT: SESSION,1,2,WRITE,INSERT,TABLE,public.u,<previously logged>,<previously logged>"
    once = again.replace("1,2", "1,1").replace("INSERT", "SELECT")
    other = "AUDIT: SESSION,2,1,DDL,CREATE TABLE,TABLE,public.v,CREATE TABLE v (a int),<none>"
    for told, lengths in (
        ((audit,), [len(SQL)]),
        ((audit, relation, once, inner, again, other), [len(SQL), 22]),
        ((f"statement: {SQL}", audit, relation), [len(SQL)]),
        ((audit, f"duration: 9.000 ms  statement: {SQL};"), [len(SQL)]),
        ((audit, "duration: 9.000 ms", other), [len(SQL), 22]),
        ((audit, audit.replace("1,1", "2,1")), [len(SQL)] * 2),
    ):
        log = re.sub(r":\d\d\.000", ":00.000", messages(*told))
        statements, report = read(written(tmp_path / "a.log", log))
        assert report.rejected == 0
        assert statements.activity()["length"].tolist() == lengths
        durations = statements.activity()["duration"]
        assert [d for d in durations if d == d] == [9.0] * ("9.000" in log)
    repeated = "AUDIT: SESSION,1,1,READ,SELECT,,,SELECT 1,<none>"
    log = "".join(messages(repeated, minute=i) for i in range(5))  # of sessions of one process id
    assert len(read(written(tmp_path / "a.log", log))[0]) == 5


def test_an_error_belongs_to_the_statement_that_pgaudit_has_told(tmp_path):
    log = messages("AUDIT: SESSION,1,1,READ,SELECT,,,SELECT 1/0,<none>")
    head = "2024-05-01 10:00:00.000 UTC [7] "
    log += f"{head}ERROR:  22012: division by zero\n{head}STATEMENT:  SELECT 1/0;\n"
    statements, _ = read(written(tmp_path / "a.log", log))
    assert texts(statements, "error") == ["22012"]


def test_pgaudit_in_csvlog_and_at_another_level(tmp_path):
    line = next(line for line in CSVLOG.splitlines() if "SELECT f(1)" in line and "LOG" in line)
    audit = 'AUDIT: SESSION,1,1,READ,SELECT,,,""SELECT f(1), 2"",<none>'
    for level in ("LOG", "NOTICE"):
        record = line.replace("statement: SELECT f(1);", audit).replace(",LOG,", f",{level},")
        statements, _ = read(written(tmp_path / "a.csv", record + "\n"))
        assert statements.activity()["length"].tolist() == [len("SELECT f(1), 2")]
        assert texts(statements, "command") == ["select"]
        assert texts(statements, "user") == ["clerk"]
