"""What a worker may take, what is kept of what it prints, and by what its cells are known."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest

import aexbench
from aexbench import RequestError, families
from aexbench.running import wire, workers
from aexbench.running.planning import explainer
from aexbench.running.stopping import SIGNALS, stopping
from aexbench.running.workers import Limits, Worker


def worker(asked: float | None, now: float) -> Worker:
    made = Worker(None, SimpleNamespace(pid=1), asked=asked)  # type: ignore[arg-type]
    made.now = lambda: now  # type: ignore[method-assign]
    return made


@pytest.mark.parametrize(
    ("asked", "now", "state"),
    [(None, 1e9, None), (100.0, 109.9, None), (100.0, 110.1, "timeout")],
)
def test_seconds_count_from_the_call_of_the_explainer(asked, now, state):
    over = worker(asked, now).over(Limits(timeout=10.0))
    assert (over and over[0]) == state


@pytest.mark.parametrize(
    ("asked", "held", "state"),
    [(None, 9e9, None), (1.0, 1.9e9, None), (1.0, 2.1e9, "out-of-memory")],
)
def test_memory_counts_in_gb_while_the_explainer_runs(asked, held, state, monkeypatch):
    monkeypatch.setattr(workers, "resident", lambda pid: held)
    over = worker(asked, 1.0).over(Limits(memory=2.0))
    assert (over and over[0]) == state
    assert worker(asked, 1e9).over(Limits()) is None


def test_resident_memory_is_that_of_the_process():
    before = workers.resident(os.getpid())
    held = b"x" * 10**8
    assert workers.resident(os.getpid()) - before > 0.9 * len(held)
    assert workers.resident(2**22 + 1) == 0


def test_the_end_of_what_is_printed_is_kept():
    read, write = os.pipe()
    os.set_blocking(read, False)
    made = worker(None, 0.0)
    made.output = SimpleNamespace(fileno=lambda: read)
    for number in range(20):
        os.write(write, f"{number:5}".encode() * 800)
        made.drain()
    assert len(made.printed) == workers.OUTPUT == 2**16
    assert made.text().endswith("   19   19")
    assert not made.silent
    os.close(write)
    made.drain()
    assert made.silent
    os.close(read)


def test_a_component_travels_by_its_name_and_arrives_with_its_parameters():
    sent = explainer("lrp[first=w2]")
    arrived = wire.loads(wire.dumps([sent]))[0]
    assert arrived == sent
    assert arrived.plugin is sent.plugin
    assert arrived.arguments == sent.arguments


def test_another_plugin_of_the_same_name_is_not_taken_for_it(monkeypatch):
    monkeypatch.setattr(families.explainers, "_plugins", dict(families.explainers._plugins))

    def registered(factor):
        families.explainers._plugins.pop("mine", None)

        @aexbench.explainers.register("mine")
        def mine(detector, x):
            """Return the error map."""
            return factor * detector.error_map(x)

    registered(1.0)
    content = wire.dumps(explainer("mine"))
    assert wire.loads(content).name == "mine"
    registered(2.0)
    with pytest.raises(RequestError, match="explainer mine is not known in this process"):
        wire.loads(content)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_the_second_ends_the_run(number, capsys):
    before = signal.getsignal(number)
    with stopping() as stop:
        assert not stop()
        signal.raise_signal(number)
        assert (stop(), stop.number) == (True, number)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    assert signal.getsignal(number) is before
    assert "stopping when what runs is done" in capsys.readouterr().err
