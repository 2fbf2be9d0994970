"""Progress of what takes long: when it appears, where, and that it leaves nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import aexbench
from aexbench import Dataset, Detector, Features, corruptions, datasets, explainers, waiting
from aexbench.waiting import Picture, drawn, in_html, in_notebook
from tests.aexbench.running.test_progress import read, terminal  # noqa: F401  # a fixture

LOOK = 0.02


@pytest.fixture
def at_once(monkeypatch):
    """Show what goes on from the beginning, and often."""
    monkeypatch.setattr(waiting, "AFTER_S", 0.0)
    monkeypatch.setattr(waiting, "EVERY_S", LOOK)


class ZMQInteractiveShell:
    pass


class Colab(ZMQInteractiveShell):
    pass


@pytest.fixture(params=[ZMQInteractiveShell, Colab])
def notebook(request, monkeypatch):
    """A notebook: what it is told to show, in order."""
    told: list[dict[str, str]] = []

    def display(bundle, raw, display_id):
        assert (raw, display_id) == (True, True)
        told.append(bundle)
        return SimpleNamespace(update=lambda bundle, raw: told.append(bundle))

    shell, module = ModuleType("IPython"), ModuleType("IPython.display")
    shell.get_ipython = request.param  # type: ignore[attr-defined]
    module.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return told


def until(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(LOOK)


def test_two_seconds_pass_before_anything_is_shown():
    assert waiting.AFTER_S == 2.0


def test_a_notebook_shows_text_and_share_and_keeps_nothing(notebook, at_once):
    assert in_notebook()
    with waiting.waiting("counting") as say:
        until(lambda: notebook)
        assert "<progress></progress>" in notebook[0]["text/html"]
        assert notebook[0]["text/plain"] == "0:00:00 counting"
        say("counting <b>", 0.25)
        until(lambda: "25%" in notebook[-1]["text/plain"])
        assert notebook[-1]["text/html"] == (
            '<progress value="0.2500"></progress>  25% 0:00:00<br>counting &lt;b&gt;'
        )
    assert notebook[-1] == {"text/plain": "", "text/html": ""}


def test_what_is_quick_is_not_shown_in_a_notebook(notebook, monkeypatch):
    monkeypatch.setattr(waiting, "AFTER_S", 30.0)
    with waiting.waiting("counting"):
        time.sleep(3 * LOOK)
    assert notebook == []


def test_what_is_named_does_nothing_in_html():
    shown = in_html(Picture(None, "<a>\x1b", "<script>"))["text/html"]
    assert shown == "<progress></progress> &lt;a&gt; <br>&lt;script&gt;"


def test_a_terminal_shows_it_below_what_is_printed(terminal, monkeypatch, at_once):  # noqa: F811
    master, stream = terminal
    monkeypatch.setattr(sys, "stderr", stream)
    with waiting.waiting("counting") as say:
        say("counting sheep", 0.5)
        time.sleep(5 * LOOK)
        print("baa", file=sys.stderr)
    written = read(master).decode()
    assert "counting sheep" in written
    assert " 50% 0:00:00" in written
    assert "baa" in written
    assert sys.stderr is stream


def test_what_is_quick_is_not_shown_on_a_terminal(terminal, monkeypatch, at_once):  # noqa: F811
    master, stream = terminal
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(waiting, "AFTER_S", 30.0)
    with waiting.waiting("counting"):
        time.sleep(3 * LOOK)
    assert b"counting" not in read(master)  # the cursor goes and comes, in versions of rich


def test_where_nobody_looks_nothing_is_drawn_and_nothing_imported(capsys):
    with waiting.waiting("counting"):
        pass
    assert capsys.readouterr() == ("", "")
    code = (
        "import sys; from aexbench.waiting import waiting\n"
        "with waiting('x'): pass\n"
        "assert not {'rich', 'IPython', 'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_one_at_a_time_is_shown(notebook, at_once):
    with waiting.waiting("the whole"):
        until(lambda: notebook)
        with waiting.waiting("a part") as say:
            say("a part", 0.5)
            time.sleep(3 * LOOK)
    assert {shown["text/plain"][8:] for shown in notebook} == {"the whole", ""}
    with drawn(None), waiting.waiting("of something quiet"):
        time.sleep(3 * LOOK)
    assert not any("quiet" in shown["text/plain"] for shown in notebook)


def test_after_an_error_the_next_one_is_shown(notebook, at_once):
    for error in (KeyboardInterrupt, ValueError):
        with suppress(error), waiting.waiting("one"):
            raise error
    with waiting.waiting("another"):
        until(lambda: any("another" in shown["text/plain"] for shown in notebook))


def test_a_worker_shows_nothing(notebook, at_once, monkeypatch):
    monkeypatch.setattr("multiprocessing.parent_process", lambda: "a coordinator")
    with waiting.waiting("counting"):
        time.sleep(3 * LOOK)
    assert notebook == []


def test_hours_are_counted(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 7325.9)
    assert waiting.elapsed(0.0) == "2:02:05"


@pytest.fixture
def pictures(monkeypatch):
    """What would be shown: the last picture of each piece of work, outermost ones alone."""
    seen: list[Picture] = []
    real = waiting.drawn

    def watched(picture):
        class Watched:
            def __enter__(self):
                self.outer = not waiting._shown.locked()
                self.real = real(None)
                return self.real.__enter__()

            def __exit__(self, *error):
                if self.outer and picture is not None:
                    seen.append(picture())
                return self.real.__exit__(*error)

        return Watched()

    monkeypatch.setattr(waiting, "drawn", watched)
    return seen


def test_all_that_may_take_long_is_shown(pictures, monkeypatch, tmp_path):
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path))
    data = datasets.create("wine")
    assert pictures.pop().now == "making data set wine"
    found = data.detector()
    trained = pictures.pop()
    assert trained.now == best(found.report)
    assert trained.share == found.report["epochs"] / 1000
    Detector(found.model).calibrate(data.validation)
    assert pictures.pop()[::2] == (1.0, "calibrating the detector")
    corruption = corruptions.create("random[count=5,threshold=0.1]")
    assert pictures.pop().now == "making corruption random"
    made = corruption.generate(found, data.normal)
    assert pictures.pop()[1:][-1] == "5 of 5 anomalies by random[threshold=0.1,count=5]"
    explainer = explainers.create("residual", found)
    assert pictures.pop().now == "making explainer residual"
    explainer.explain(made.x[:1])
    explainer.explain(made.x)
    assert [one.now for one in pictures] == ["explaining 5 samples by residual"]


def best(report: Mapping[str, float]) -> str:
    return f"validation error {report['validation_error']:.3g} at epoch {report['best_epoch']}"


def test_what_is_trained_tells_who_asks(pictures, monkeypatch, tmp_path):
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path))
    told = []
    x = np.random.default_rng(0).random((40, 3)).astype(np.float32)
    data = Dataset(x, x, x, Features(), autoencoder="mlp[epochs=2]")
    with suppress(aexbench.RequestError):  # too short to learn anything
        data.detector(progress=lambda text, share: told.append(share))
    assert told[:2] == [0.5, 1.0]
    assert pictures.pop().now == "training the detector"


def test_results_show_that_they_are_read_and_ranked(pictures):
    results = aexbench.open(Path(__file__).parents[2] / "results" / "quickstart")
    _ = results.records
    assert pictures.pop().now == "reading 1080 records"
    results.board()
    assert pictures.pop().now == "ranking 1080 cells"


def test_a_run_is_shown_as_a_whole(detector, linear_rows, notebook, at_once):
    class Slow:
        def __init__(self, detector):
            self.detector = detector

        def explain(self, x):
            time.sleep(0.2)
            return self.detector.error_map(x)

    aexbench.evaluate(
        detector,
        linear_rows[300:],
        background=linear_rows[:300],
        explainers=[Slow],
        corruptions=["random[threshold=0.2]"],
        twins=0,
        count=5,
    )
    texts = [shown["text/plain"] for shown in notebook]
    assert any("slow on your data" in text for text in texts)
    assert not any("explaining" in text for text in texts)
