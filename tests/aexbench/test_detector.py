from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch

from aexbench import Detector, Features, RequestError
from aexbench.detector import ScoreScale, in_chunks
from aexbench.errors import SkipError
from aexbench.running.controls import controlled
from tests.conftest import mlp

X = torch.rand(50, 5)
MODEL = mlp((5, 3, 5), ("relu", "sigmoid")).float()


@pytest.mark.parametrize(
    ("loss", "expected"), [("l1", lambda d: d.abs().mean(1)), ("l2", lambda d: (d**2).mean(1))]
)
def test_error_is_equation_6_and_7_and_the_map_sums_to_it(loss, expected):
    detector = Detector(MODEL, loss)
    torch.testing.assert_close(detector.error(X), expected(X - MODEL(X)).detach())
    torch.testing.assert_close(detector.error_map(X).sum(1), detector.error(X))


def test_chunks_do_not_change_results(monkeypatch):
    whole = Detector(MODEL).error(X)
    monkeypatch.setattr("aexbench.detector.CHUNK_BYTES", {"cpu": 1})
    torch.testing.assert_close(Detector(MODEL).error(X), whole)
    assert Detector(MODEL).error(X[:0]).shape == (0,)


def test_gradients_flow_where_the_input_requires_them():
    x = X.clone().requires_grad_()
    Detector(MODEL).error(x).sum().backward()
    assert x.grad is not None
    assert not Detector(MODEL).error(X).requires_grad


def test_evaluation_mode_is_lent_and_given_back():
    model = torch.nn.Sequential(torch.nn.Linear(5, 5), torch.nn.Dropout(0.9)).train()
    detector = Detector(model)
    torch.testing.assert_close(detector.error(X), detector.error(X))
    assert model.training
    assert model[1].training


def test_arrays_and_other_types_are_taken():
    np.testing.assert_allclose(
        Detector(MODEL).error(X.numpy().astype(np.float64)), Detector(MODEL).error(X)
    )


@pytest.mark.parametrize(
    "model", [torch.nn.Linear(5, 4), torch.nn.Linear(4, 5), torch.nn.Flatten(0)]
)
def test_a_model_that_is_no_autoencoder_is_refused(model):
    with pytest.raises(RequestError, match=r"\(\d+, 5\)"):
        Detector(model).error(X)


def test_score_needs_a_scale_and_spans_zero_to_one():
    detector = Detector(MODEL)
    with pytest.raises(RequestError, match="calibrate"):
        detector.score(X)
    score = detector.calibrate(X).score(X)
    assert float(score.min()) == 0
    assert float(score.max()) <= 1
    assert detector.scale == Detector(MODEL).calibrate(X.numpy()).scale
    assert detector.scale != Detector(MODEL).calibrate(X, seed=1).scale


def test_scale_is_least_normal_error_and_nearly_greatest_corrupted_one():
    detector = Detector(MODEL).calibrate(X)
    assert detector.calibrated.low == pytest.approx(float(detector.error(X).min()))
    rows = X[torch.randint(len(X), (20_000,))].clone()
    rows[torch.arange(20_000), torch.randint(5, (20_000,))] = torch.rand(20_000)
    assert detector.calibrated.high == pytest.approx(
        float(detector.error(rows).quantile(0.999)), rel=0.1
    )


def test_no_error_scores_more_than_one():
    scale = ScoreScale(1.0, 3.0, 0.0, 0.0)
    assert (scale.error_at(0.0), scale.error_at(0.25), scale.error_at(1.0)) == (1.0, 1.5, np.inf)


def test_a_scale_is_of_one_loss():
    detector = Detector(MODEL, "l2", scale=ScoreScale(0, 1, 0.1, 0.2))
    assert detector.with_loss("l1").scale is None
    assert detector.scale is not None


def test_a_detector_that_detects_nothing_is_refused():
    with pytest.raises(RequestError, match="detects nothing"):
        Detector(torch.nn.Identity()).calibrate(X)


def test_unknown_loss_and_wrong_features_are_refused():
    with pytest.raises(RequestError, match="l1, l2"):
        Detector(MODEL, "l3")
    with pytest.raises(RequestError, match="differ in length"):
        Features(names=("a", "b"), groups=(0,))
    with pytest.raises(RequestError, match="without a gap"):
        Features(groups=(0, 2))
    with pytest.raises(RequestError, match="below high"):
        Features(low=1.0)


def test_loss_ablated_map_is_constant_whatever_the_loss():
    ablated = controlled(Detector(MODEL), "loss-ablated", 0)
    for detector in (ablated, ablated.with_loss("l1")):
        torch.testing.assert_close(detector.error_map(X), torch.full((50, 5), 0.2))


def test_initial_twin_has_other_weights_by_seed_and_the_original_stays():
    before = {name: value.clone() for name, value in MODEL.state_dict().items()}
    one, same, other = (controlled(Detector(MODEL), "initial", seed) for seed in (0, 0, 1))
    torch.testing.assert_close(one.reconstruct(X), same.reconstruct(X))
    assert not torch.allclose(one.reconstruct(X), other.reconstruct(X))
    assert all(torch.equal(value, before[name]) for name, value in MODEL.state_dict().items())


@pytest.mark.parametrize("control", ["initial", "permuted"])
def test_a_twin_leaves_the_random_state(control):
    state = torch.random.get_rng_state()
    controlled(Detector(MODEL), control, 0)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_permuted_twin_has_the_same_elements_in_another_order():
    twin = controlled(Detector(MODEL), "permuted", 0)
    for one, other in zip(MODEL.parameters(), twin.model.parameters(), strict=True):
        torch.testing.assert_close(one.flatten().sort().values, other.flatten().sort().values)
    assert not torch.equal(MODEL[0].weight, twin.model[0].weight)


def test_twin_of_a_module_that_cannot_be_reset_is_skipped_with_the_reason():
    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.scale * x

    with pytest.raises(SkipError, match=r"no initial weights: 0\.scale would stay trained"):
        controlled(Detector(torch.nn.Sequential(Scaled())), "initial", 0)


def test_groups_are_summed_and_any_true_column_makes_a_true_group():
    features = Features(groups=(0, 1, 0))
    np.testing.assert_allclose(features.sum_groups([[1.0, 2.0, 3.0]]), [[4.0, 2.0]])
    np.testing.assert_array_equal(features.any_groups([[False, False, True]]), [[True, False]])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_results_come_back_to_the_samples_device():
    detector = Detector(mlp((5, 3, 5), ("relu", "sigmoid")).float().cuda())
    assert detector.error(X).device.type == "cpu"
    torch.testing.assert_close(detector.error(X), Detector(MODEL).error(X), rtol=1e-4, atol=1e-6)


def test_chunks_halve_where_memory_runs_out():
    seen: list[int] = []

    def compute(part):
        seen.append(len(part))
        if len(part) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 2 * part

    x = torch.arange(10.0)[:, None]
    assert torch.equal(in_chunks(compute, x, rows=8), 2 * x)
    assert seen == [8, 4, 2, 2, 2, 2, 2]


def test_no_part_stays_in_memory_for_itself():
    made: list[weakref.ref[torch.Tensor]] = []

    def compute(part):
        assert sum(one() is not None for one in made) <= 1
        result = 2 * part
        made.append(weakref.ref(result))
        return result

    x = torch.arange(100.0)[:, None]
    assert torch.equal(in_chunks(compute, x, rows=3), 2 * x)
    assert len(made) == 34


def test_parts_that_have_no_row_for_each_sample_are_joined_as_they_come():
    x = torch.arange(7.0)
    assert in_chunks(lambda part: part.sum(dim=0, keepdim=True), x, rows=3).tolist() == [3, 12, 6]
    assert in_chunks(lambda part: part[:0], x, rows=3).tolist() == []
    assert in_chunks(lambda part: part.repeat(2), x, rows=3).tolist()[:6] == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("no"), RuntimeError("another error"), ValueError("and another")],
)
def test_other_errors_and_a_single_sample_that_does_not_fit_are_raised(error):
    def compute(part):
        raise error

    with pytest.raises(type(error), match=str(error)):
        in_chunks(
            compute, torch.zeros(4, 1), rows=1 if isinstance(error, torch.OutOfMemoryError) else 4
        )


def test_asking_how_many_rows_fit_leaves_the_model_as_it_was():
    model = torch.nn.Sequential(
        torch.nn.Linear(5, 5), torch.nn.BatchNorm1d(5), torch.nn.Dropout(0.5)
    ).train()
    before, state = (
        {k: v.clone() for k, v in model.state_dict().items()},
        torch.random.get_rng_state(),
    )
    assert Detector(model).chunk_rows(X.double()) > 1
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())
    assert model[1].training


def test_a_model_that_overwrites_its_input_is_given_a_copy():
    detector, x = Detector(torch.nn.Sequential(torch.nn.ReLU(inplace=True), *MODEL)), X - 0.5
    given = x.clone()
    expected = Detector(torch.nn.Sequential(torch.nn.ReLU(), *MODEL)).error(x)
    torch.testing.assert_close(detector.error(given), expected)
    torch.testing.assert_close(
        detector.error_gradient(given)[x < 0],
        torch.autograd.grad(detector.error(point := given.clone().requires_grad_()).sum(), point)[
            0
        ][x < 0],
    )
    assert torch.equal(given, x)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_gradient_of_the_error_is_autograds(mode):
    point = X.clone().requires_grad_()
    expected = torch.autograd.grad((point - MODEL(point)).square().mean(1).sum(), point)[0]
    with mode():
        found = Detector(MODEL).error_gradient(X)
    torch.testing.assert_close(found.clone(), expected)
    assert not found.requires_grad
    assert Detector(MODEL).error_gradient(X.numpy()[:0]).shape == (0, 5)


@pytest.mark.parametrize(
    "change", [lambda x: x[::-1], lambda x: x.astype(">f4"), lambda x: x.T.copy().T, list]
)
def test_arrays_of_any_layout_are_taken(detector, linear_rows, change):
    x = linear_rows[:20]
    expected = detector.error(np.array(np.asarray(change(x)), dtype=np.float32))
    torch.testing.assert_close(detector.error(change(x)), expected)
    assert Detector(detector.model).calibrate(change(linear_rows)).scale is not None


def test_features_take_lists_and_arrays_as_they_come():
    low, high = np.zeros(3, np.float32), np.array([1, 2, 3], np.float32)
    features = Features(list("abc"), low, high, np.array([0, 1, 1]))
    assert features == Features(("a", "b", "c"), (0.0, 0.0, 0.0), (1.0, 2.0, 3.0), (0, 1, 1))
    assert [type(part) for part in (features.low[0], features.groups[0])] == [float, int]
    with pytest.raises(RequestError, match="differ in length"):
        Features(names=["a", "b"], low=low)
