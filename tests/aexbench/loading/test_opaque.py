"""Functions as models: what can be asked of them is, what must see inside is skipped."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import aexbench
from aexbench import Detector, RequestError, SkipError, corruptions, explainers
from aexbench.running.controls import controlled
from tests.explainers.test_gradient_cut import FAMILY

ROWS = np.random.default_rng(0).random((80, 3)) @ np.random.default_rng(1).random((3, 8)) / 3
ROWS = ROWS.astype(np.float32)
BASIS = np.linalg.svd(ROWS, full_matrices=False)[2][:3]


def projected(x):
    return x @ BASIS.T @ BASIS


@pytest.fixture
def opaque():
    return Detector.of(projected).calibrate(ROWS[40:])


def test_a_function_is_asked_with_arrays(opaque):
    assert np.allclose(opaque.reconstruct(ROWS).numpy(), projected(ROWS), atol=1e-6)
    assert opaque.opaque
    assert not Detector(torch.nn.Linear(8, 8)).opaque


RESULTS = {
    "a list": lambda x: x.tolist(),
    "float64": lambda x: x.astype(np.float64),
    "integers": lambda x: np.rint(x).astype(int),
    "a tensor": lambda x: torch.as_tensor(x),
}


@pytest.mark.parametrize("function", RESULTS.values(), ids=RESULTS)
def test_numbers_of_any_kind_are_x_hat(function):
    found = Detector.of(function).reconstruct(ROWS[:3])
    assert found.dtype == torch.float32
    assert np.allclose(found.numpy(), np.asarray(function(ROWS[:3])), atol=1e-6)


def test_a_function_that_writes_into_one_array_each_time_is_copied():
    buffer = np.zeros((1, 8), dtype=np.float32)

    def reusing(x):
        buffer[:] = 2 * x
        return buffer

    found = Detector.of(reusing, batch=1).reconstruct(ROWS[:5])
    assert np.allclose(found.numpy(), 2 * ROWS[:5])


def test_parts_of_results_are_picked(opaque):
    for result, output in (((0, 1), 1), ({"a": 0, "b": 1}, "b")):
        both = isinstance(result, dict)
        made = Detector.of(
            lambda x, both=both: {"a": x[:, 0], "b": 2 * x} if both else (x[:, 0], 2 * x),
            output=output,
        )
        assert np.allclose(made.reconstruct(ROWS[:3]).numpy(), 2 * ROWS[:3])


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda x: None, r"takes an array \(N, 8\) and returns x̂ of that shape.*NoneType"),
        (lambda x: "text", "returned a str"),
        (lambda x: x[:, :3], r"\(2, 8\) came out as \(2, 3\)"),
    ],
)
def test_what_is_no_x_hat_is_one_line(made, message):
    with pytest.raises(RequestError, match=message):
        Detector.of(made).reconstruct(ROWS[:2])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.nn.Linear(2, 2).state_dict(), "a state dict holds weights and no network"),
        ("model.py:build", "aexbench.loading.load"),
        (torch.nn.Linear, "Linear is a class: give an object"),
        (None, "not a NoneType"),
    ],
)
def test_what_makes_no_x_hat_is_refused(given, message):
    with pytest.raises(RequestError, match=message):
        Detector.of(given)


def test_a_module_is_taken_as_it_is():
    model = torch.nn.Linear(8, 8)
    assert Detector.of(model).model is model


@pytest.mark.parametrize("name", [*FAMILY, "lrp"])
def test_what_must_see_inside_is_skipped(opaque, name):
    with pytest.raises(SkipError, match="the model is a function: it has no gradients"):
        explainers.create(name, opaque, background=ROWS).explain(torch.as_tensor(ROWS[:3]))


def test_a_function_that_is_constant_piece_by_piece_is_skipped_too():
    made = Detector.of(np.round)
    with pytest.raises(SkipError, match="the model is a function"):
        explainers.create("saliency", made).explain(ROWS[:3])
    with pytest.raises(SkipError, match="the model is a function"):
        made.error_gradient(ROWS[:3])


@pytest.mark.parametrize("name", ["residual", "repair", "kernelshap-batched", "acme-ad"])
def test_what_asks_the_detector_alone_runs(opaque, name):
    found = explainers.create(name, opaque, background=ROWS).explain(torch.as_tensor(ROWS[:3]))
    assert float(found.abs().sum()) > 0


def test_adversarial_anomalies_need_gradients(opaque):
    with pytest.raises(SkipError, match="adversarial: the model is a function"):
        corruptions.create("adversarial", count=5).generate(opaque, ROWS)


@pytest.mark.parametrize("control", ["initial", "permuted"])
def test_a_function_has_no_untrained_twins(opaque, control):
    with pytest.raises(SkipError, match=r"drawn anew; Detector.of.*fresh=function"):
        controlled(opaque, control, 0)
    assert controlled(opaque, "loss-ablated", 0).error(ROWS).std() == 0


def test_an_untrained_model_that_is_given_is_the_twin():
    made = Detector.of(projected, fresh=lambda: torch.nn.Linear(8, 8))
    assert isinstance(controlled(made, "initial", 0).model, torch.nn.Linear)


def test_a_board_says_which_floors_are_lacking(opaque):
    results = aexbench.evaluate(
        opaque,
        ROWS[40:],
        background=ROWS[:40],
        explainers=["residual", "saliency"],
        corruptions=["random[threshold=0.05]", "adversarial"],
        count=8,
        twins=1,
    )
    frame = results.frame
    assert set(frame[frame.corruption.str.startswith("adversarial")].state) == {"skipped"}
    notes = results.board().notes
    lacking = [note for note in notes if note.startswith("floors that are lacking")]
    assert len(lacking) == 1
    assert "untrained twins (initial, permuted), skipped: the model is a function" in lacking[0]
    assert any("saliency has no score: skipped:" in note for note in notes)
    (row,) = (row for row in results.board().rows if row.explainer == "residual")
    assert row.rank == (1, 1)


def test_constants_of_units_stay_in_permuted_twins():
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = ROWS * np.arange(1, 9)
    made = Detector.of(make_pipeline(StandardScaler(), PCA(3)).fit(x))
    for control in ("initial", "permuted"):
        twin = controlled(made, control, 0)
        own, other = (dict(one.model.named_buffers()) for one in (made, twin))
        assert own.keys() == other.keys() != set()
        assert all(torch.equal(own[name], other[name]) for name in own)
        assert not any(
            torch.equal(one, two)
            for one, two in zip(made.model.parameters(), twin.model.parameters(), strict=True)
        )


def test_what_makes_an_untrained_model_leaves_the_process_as_it_is():
    def fresh():
        torch.set_default_dtype(torch.float64)
        return torch.nn.Linear(8, 8)

    own = {
        "explainers": ["residual", "repair"],
        "corruptions": ["random[threshold=0.05]"],
        "count": 4,
    }
    made = Detector.of(projected, fresh=fresh)
    frame = aexbench.evaluate(made, ROWS[40:], background=ROWS[:40], twins=1, **own).frame
    assert torch.get_default_dtype() == torch.float32
    said = frame[(frame.control == "initial") & frame.explainer.isin(own["explainers"])]
    assert said.reason.str.contains("what makes an untrained twin changed").all()
    assert set(said.explainer) == {*own["explainers"]}
