"""The ledger of a store is that of its detectors and anomalies."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import aexbench
from aexbench import RequestError
from aexbench.plotting import kinds, ledger
from aexbench.plotting.choosing import Wanted
from aexbench.plotting.ledger import Book
from aexbench.plotting.looks import LIGHT
from aexbench.running.store import Store
from tests.aexbench.plotting.conftest import RESULTS


class Layer:
    def __init__(self, handed_on: list[float], contraction: list[float]) -> None:
        self.name, self.rule = "0 (Linear)", "z-plus"
        self.handed_on, self.contraction = torch.tensor(handed_on), torch.tensor(contraction)
        self.random = torch.tensor([0.3, 0.35, 0.6])


class Made:
    error = torch.tensor([1.0, 2.0, 4.0])
    total = torch.tensor([1.0, 2.0, 2.0])
    correlation = torch.tensor([0.5, 0.6, 0.9])
    diagonal = torch.tensor([1.0, 2.5, 9.0])
    tied = 4.0
    layers = (Layer([0.5, 2.0, 1.0], [0.2, float("nan"), 0.4]),)


def test_shares_are_of_the_error_sample_by_sample():
    first, last = ledger.data([Book("lrp", Made())])
    assert first["kept"] == 0.5  # of .5, 1 and .25
    assert first["kept_low"] == pytest.approx(np.quantile([0.5, 1, 0.25], 0.05))
    assert first["kept_high"] == pytest.approx(np.quantile([0.5, 1, 0.25], 0.95))
    assert first["contraction"] == pytest.approx(0.3)  # of those that are numbers
    assert first["random"] == pytest.approx(0.35)
    assert first["name"] == "0 (Linear), z-plus"
    assert (last["name"], last["kept"], last["contraction"]) == ("x: the whole map", 1.0, None)


def test_the_diagonal_and_a_tied_layers_stand_below_the_title():
    heading = ledger.chart("store", "set", [Book("lrp", Made())], LIGHT).to_dict()["title"]
    said = " ".join(heading["subtitle"])
    assert "its own feature, over chance: lrp 2.5 (a random tied layer 4.0)" in said


def test_a_book_is_of_the_stores_detector_and_anomalies(ran):
    records = sorted(ran.records, key=kinds.boards.by_name)
    name, (book,) = ledger.books(ran.store, records, Wanted(only="null"))
    assert name.endswith("/ null[threshold=0.1,count=8], seed 0")
    (cell,) = (
        record.cell
        for record in records
        if ledger.set_name(record) == name
        and (record.cell.explainer.name, record.cell.control) == ("lrp", "none")
    )
    assert book.explainer == "lrp"
    stored = ran.attributions(cell).sum(axis=1)
    assert book.ledger.total.numpy() == pytest.approx(stored, rel=1e-4)
    assert book.ledger.error.numpy() == pytest.approx(ran.anomalies(cell).error, rel=1e-4)


def test_nobody_who_keeps_no_book_is_asked(ran):
    records = sorted(ran.records, key=kinds.boards.by_name)
    with pytest.raises(RequestError, match="keeps a ledger as lrp does"):
        ledger.books(ran.store, records, Wanted(explainers=("residual",)))


def test_a_detector_that_is_not_there_is_not_trained(ran, tmp_path):
    other = Store(tmp_path, create=True)
    with pytest.raises(RequestError, match="is missing: run the suite again"):
        ledger.books(other, ran.records, Wanted())
    assert not list((tmp_path / "detectors").iterdir())


def test_a_packed_store_says_what_it_lacks():
    with pytest.raises(RequestError, match="is packed and has no detectors"):
        aexbench.open(RESULTS / "quickstart").plot("ledger")


def test_a_given_network_is_not_in_its_store(linear_rows, detector):
    found = aexbench.evaluate(
        detector, linear_rows[:300], background=linear_rows[300:], explainers=["lrp"],
        corruptions=["random[threshold=0.1,count=4]"], seeds=1,
    )  # fmt: skip
    with pytest.raises(RequestError, match="of a given network"):
        found.plot("ledger")
