"""OpenML from a server that a function plays."""

from __future__ import annotations

import hashlib
import io
import json
from urllib.error import URLError

import numpy as np
import pytest

from aexbench import RequestError, datasets
from aexbench.datasets import openml
from aexbench.fetching import downloads
from aexbench.fetching.downloads import DownloadError

pytestmark = pytest.mark.usefixtures("home")

ARFF = """@RELATION toy
@ATTRIBUTE width REAL
@ATTRIBUTE colour {red,blue}
@ATTRIBUTE note STRING
@ATTRIBUTE class {good,bad,ugly}
@DATA
"""
COLUMNS = {"width": "numeric", "colour": "nominal", "note": "string", "class": "nominal"}


class OpenML:
    """Answers as openml.org does, for one table of 40 rows."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        kinds = ["good"] * 30 + ["bad", "ugly"] * 5
        self.rows = [
            [f"{rng.random():.3f}", str(rng.choice(["red", "blue"])), f"'row {i}'", kinds[i]]
            for i in range(40)
        ]
        self.targets, self.asked, self.down = ["class"], [], False

    def answer(self, path: str) -> object:
        if path.endswith("/limit/2/data_version/1"):
            return {"data": {"dataset": [{"did": 7, "name": "toy", "version": 1}]}}
        if path.endswith("/data/7"):
            about = {
                "id": "7",
                "name": "toy",
                "version": "1",
                "status": "active",
                "format": "ARFF",
                "licence": "CC0",
            }
            about["md5_checksum"] = hashlib.md5(self.arff.encode()).hexdigest()
            return {
                "data_set_description": {**about, "description": "", "url": "http://x/toy.arff"}
            }
        if path.endswith("/features/7"):
            return {
                "data_features": {
                    "feature": [self.feature(i, name) for i, name in enumerate(COLUMNS)]
                }
            }
        return {
            "data_qualities": {
                "quality": [{"name": "NumberOfInstances", "value": str(len(self.rows))}]
            }
        }

    @property
    def arff(self) -> str:
        return ARFF + "\n".join(map(",".join, self.rows))

    def feature(self, index: int, name: str) -> dict[str, str]:
        flags = {
            "is_target": str(name in self.targets).lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
        }
        missing = sum(row[index] == "?" for row in self.rows)
        made = {"index": str(index), "name": name, "data_type": COLUMNS[name], **flags}
        return {**made, "number_of_missing_values": str(missing), "nominal_value": []}

    def urlopen(self, request: object, *_: object, **__: object) -> io.BytesIO:
        url = request.full_url
        self.asked.append(url)
        if self.down:
            raise URLError("no route to host")
        text = self.arff if url.endswith(".arff") else json.dumps(self.answer(url))
        response = io.BytesIO(text.encode())
        response.info = dict
        return response


@pytest.fixture
def server(monkeypatch):
    made = OpenML()
    monkeypatch.setattr("sklearn.datasets._openml.urlopen", made.urlopen)
    return made


def get(**parameters: object):
    with downloads.fetching():
        return datasets.create("openml", **{"table": "toy", "drop": ["note"], **parameters})


def test_only_get_asks_the_network_and_afterwards_nobody_does(server):
    with pytest.raises(RequestError, match=r"aexbench data get 'openml\[table=toy,version=1\]'"):
        datasets.create("openml", table="toy")
    assert not server.asked
    fetched = get()
    count = len(server.asked)
    assert count > 0
    server.down = True
    again = datasets.create("openml", table="toy", drop=["note"])
    assert len(server.asked) == count
    np.testing.assert_array_equal(fetched.test, again.test)


def test_the_most_frequent_class_is_normal_and_others_are_kinds(server):
    made = get()
    assert made.features.names == ("width", "colour=blue", "colour=red", "colour=(other)")
    assert made.features.groups == (0, 1, 1, 1)
    assert (len(made.train), len(made.validation), len(made.test)) == (18, 6, 16)
    assert sorted(set(made.test_kinds[made.test_labels])) == ["bad", "ugly"]
    widths = sorted(float(row[0]) for row in server.rows[:30])
    got = np.sort(np.concatenate([made.train, made.validation, made.normal])[:, 0])
    spread = (widths[-1] - widths[0]) / (got[-1] - got[0])
    np.testing.assert_allclose(
        got * spread, np.array(widths) - widths[0] + got[0] * spread, atol=1e-5
    )


def test_target_and_normal_class_may_be_chosen(server):
    made = get(target="colour", normal="red", drop=["note", "class"])
    assert made.features.names == ("width",)
    assert made.features.groups is None
    assert set(made.test_kinds[made.test_labels]) == {"blue"}


def test_gaps_are_refused_or_filled_with_the_mean_of_the_training_split(server):
    server.rows[2][0] = server.rows[35][0] = server.rows[3][1] = "?"
    with pytest.raises(
        RequestError, match=r"column 'width' has 2 gaps: write gaps=mean, or drop=\[width\]"
    ):
        get()
    made = datasets.create("openml", table="toy", drop=["note"], gaps="mean", seed=1)
    assert np.isfinite(made.test).all()
    assert "colour=(missing)" in made.features.names or made.features.names[-1] == "colour=(other)"
    every = np.concatenate([made.train, made.validation, made.test])[:, 0]
    values, counts = np.unique(every, return_counts=True)
    filled = values[counts.argmax()]
    known = made.train[made.train[:, 0] != filled, 0]
    assert counts.max() >= 2
    assert filled == pytest.approx(known.mean(), abs=1e-5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"table": None}, "table=NAME or id=NUMBER"),
        ({"id": 7}, "table=NAME or id=NUMBER"),
        ({"target": "clas"}, "did you mean 'class'"),
        ({"drop": ["nte"]}, "did you mean 'note'"),
        ({"normal": "goood"}, "did you mean 'good'"),
        ({"normal": "bad", "drop": ["note"]}, "5 normal rows are too few to split"),
    ],
)
def test_wrong_requests_are_told_what_there_is(server, parameters, message):
    with pytest.raises(RequestError, match=message) as error:
        get(**parameters)
    assert "\n" not in str(error.value)


def test_texts_without_end_are_refused(server):
    server.rows = [[*row[:2], f"'{i}'", "good"] for i, row in enumerate(server.rows * 10)]
    with pytest.raises(
        RequestError, match=r"column 'note' holds 240 different texts: drop=\[note\]"
    ):
        get(drop=[])


def test_a_table_without_a_target_asks_for_one(server):
    server.targets = []
    with pytest.raises(RequestError, match="write target=COLUMN"):
        get()
    assert get(target="class").test_labels.sum() == 10


def test_no_network_is_a_failed_download_not_a_wrong_request(server, monkeypatch):
    monkeypatch.setattr("sklearn.datasets._openml.time.sleep", lambda _: None)
    server.down = True
    with pytest.raises(DownloadError, match="could not fetch it: no route to host") as error:
        get()
    assert "\n" not in str(error.value)


def test_a_damaged_table_is_one_clear_line(server, home):
    get(table=None, id=7)
    [path] = (home / "openml" / "tables").iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RequestError, match=r"cannot be read .*aexbench data get 'openml\[id=7\]'"):
        datasets.create("openml", id=7)


@pytest.mark.parametrize("normal", [0, 0.0, "0", "0.0"])
def test_a_class_of_numbers_is_found_however_it_is_written(server, monkeypatch, normal):
    monkeypatch.setitem(COLUMNS, "class", "numeric")
    monkeypatch.setattr(f"{__name__}.ARFF", ARFF.replace("{good,bad,ugly}", "REAL"))
    server.rows = [
        [*row[:3], "0" if number < 25 else "1"] for number, row in enumerate(server.rows)
    ]
    assert get(normal=normal).test_labels.sum() == 15
    with pytest.raises(RequestError, match="unknown class '2'"):
        datasets.create("openml", table="toy", drop=["note"], normal=2)


def test_a_class_of_the_very_name_comes_first():
    assert openml._class(1, ["1", "1.0", "01"]) == "1"
    assert openml._class(True, ["false", "true"]) == "true"
    with pytest.raises(RequestError, match="unknown class '1'"):
        openml._class(1, ["1.0", "01"])
    with pytest.raises(RequestError, match="did you mean 'good'"):
        openml._class("Good", ["good", "bad"])


def test_tables_of_like_names_have_their_own_files(server, home):
    one = get(table="a b")
    server.rows = server.rows[::-1]
    get(table="a&b")
    assert len(list((home / "openml" / "tables").iterdir())) == 2
    again = datasets.create("openml", table="a b", drop=["note"])
    np.testing.assert_array_equal(one.test, again.test)
