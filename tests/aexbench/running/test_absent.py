"""Suites that say so leave out data sets that are not here, with the line that fetches them."""

from __future__ import annotations

import pytest

from aexbench.errors import AbsentError
from aexbench.running import planning


@pytest.fixture
def bottles(tmp_path, monkeypatch):
    """A data folder in which the bottles of MVTec lie, and nothing else does."""
    (tmp_path / "mvtec_ad" / "bottle" / "train").mkdir(parents=True)
    monkeypatch.setenv("AEXBENCH_DATA", str(tmp_path))


def test_what_is_absent_is_left_out_and_told(bottles, capsys):
    suite = planning.load("paper-images")
    assert [made.title for made in planning.datasets(suite)] == ["bottle"]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(" is left out: ")[0] for line in told] == ["hazelnut", "transistor"]
    assert all("aexbench data get mvtec fetches all" in line for line in told)


def test_a_suite_that_does_not_say_so_is_refused(bottles):
    suite = planning.load("paper-images").model_copy(update={"skip_absent": False})
    with pytest.raises(AbsentError, match="hazelnut"):
        planning.datasets(suite)


def test_where_nothing_is_here_the_first_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("AEXBENCH_DATA", str(tmp_path))
    with pytest.raises(AbsentError, match="fetch it: aexbench data get mvtec"):
        planning.datasets(planning.load("paper-images"))


def test_a_category_that_mvtec_has_not_is_no_absent_one(bottles):
    suite = planning.load("paper-images").model_copy(
        update={"datasets": ["mvtec", "mvtec[category=botle]"]}
    )
    with pytest.raises(ValueError, match="did you mean 'bottle'") as raised:
        planning.datasets(suite)
    assert not isinstance(raised.value, AbsentError)
