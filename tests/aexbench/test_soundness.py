"""A detector is a fact, checked once: whether a board can follow, and what to do where none can."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import aexbench
from aexbench import Detector, Features, RequestError
from aexbench.soundness import DetectorWarning, check, findings

X = torch.rand(40, 6, generator=torch.Generator().manual_seed(0))


class Sampling(nn.Module):
    """A variational autoencoder as many write it: it samples in evaluation too."""

    def __init__(self):
        super().__init__()
        self.mean, self.decode = nn.Linear(6, 2), nn.Linear(2, 6)

    def forward(self, x):
        mean = self.mean(x)
        return self.decode(mean + 0.3 * torch.randn_like(mean))


class AlwaysDropout(nn.Linear):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.3, training=True)


class TimeFirst(nn.Module):
    """The most copied mistake: an LSTM that takes the batch for time."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 6)

    def forward(self, x):
        return self.lstm(x[:, None])[0][:, 0]


class Centred(nn.Linear):
    share = 1.0

    def forward(self, x):
        return super().forward(x - self.share * x.mean(0))


class HardlyCentred(Centred):
    share = 1e-3


UNSOUND = {
    "samples": (Sampling, "draws noise"),
    "dropout": (lambda: AlwaysDropout(6, 6), "draws noise"),
    "time first": (TimeFirst, "depends on the batch"),
    "mean of the batch": (lambda: Centred(6, 6), "depends on the batch"),
    "a thousandth of the mean": (lambda: HardlyCentred(6, 6), "depends on the batch"),
    "norm of the batch": (
        lambda: nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6, track_running_stats=False)),
        "depends on the batch",
    ),
}
SOUND = {
    "plain": lambda: nn.Linear(6, 6),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 6), nn.Dropout()),
    "batch norm": lambda: nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6)).eval(),
    "perfect": nn.Identity,
    "nearly perfect": lambda: Nearly(),
    "float64": lambda: nn.Linear(6, 6).double(),
    "bfloat16": lambda: nn.Linear(6, 6).bfloat16(),
}


class Nearly(nn.Module):
    """Reconstructs up to rounding: errors are nothing but that."""

    def forward(self, x):
        return (x * 3.0 + 1.0 - 1.0) / 3.0


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_detectors_are_named_with_the_way_out(name):
    torch.manual_seed(0)
    make, message = UNSOUND[name]
    model = make()
    with pytest.raises(RequestError, match=message):
        check(Detector(model), X.numpy())
    options = {"background": X.numpy(), "explainers": ["residual"], "count": 5, "twins": 0}
    with pytest.raises(RequestError, match=message):
        aexbench.evaluate(Detector(model), X.numpy(), **options)


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("unit", [1.0, 1e4])
@pytest.mark.parametrize("name", SOUND)
def test_sound_ones_pass(name, loss, unit):
    torch.manual_seed(0)
    detector = Detector(SOUND[name](), loss)
    assert findings(detector, (X * unit).to(detector.dtype)) == []


def test_it_is_warned_of_once_where_no_board_is_asked_for():
    detector = Detector(Sampling())
    with pytest.warns(DetectorWarning, match="draws=50"):
        detector.error(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.error(X)


def test_a_check_costs_at_most_five_chunks_and_leaves_the_random_state():
    rows = []
    model = nn.Linear(6, 6)
    model.register_forward_hook(lambda module, given, result: rows.append(len(result)))
    sampling = Sampling()
    state = torch.random.get_rng_state()
    findings(Detector(model), X)
    assert sum(rows) <= 5 * 32
    findings(Detector(sampling), X)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_mean_of_seeded_draws_is_a_detector():
    torch.manual_seed(0)
    model = Sampling()
    detector = Detector(model, draws=400)
    assert findings(detector, X) == []
    expected = model.decode(model.mean(X[:5]))  # linear: the mean draw is the draw of the mean
    torch.testing.assert_close(detector.reconstruct(X[:5]), expected, atol=0.1, rtol=0)
    torch.testing.assert_close(detector.reconstruct(X)[3:4], detector.reconstruct(X[3:4]))
    x = X[:2].clone().requires_grad_()
    assert torch.autograd.grad(detector.error(x).sum(), x)[0].abs().sum() > 0


def test_a_batch_of_one_makes_each_sample_its_own():
    torch.manual_seed(0)
    detector = Detector(TimeFirst(), batch=1)
    assert findings(detector, X) == []
    torch.testing.assert_close(detector.error(X)[7:8], detector.error(X[7:8]))


class Returns(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.inner, self.shape = nn.Linear(6, 6), shape

    def forward(self, x):
        return self.shape(self.inner(x), x)


@dataclass
class Named:
    x_hat: torch.Tensor
    code: torch.Tensor


PARTS = {
    "tuple": (lambda x_hat, x: (x_hat, x[:, :2]), 0),
    "list": (lambda x_hat, x: [x[:, :2], x_hat], 1),
    "dict": (lambda x_hat, x: {"code": x[:, :2], "x_hat": x_hat}, "x_hat"),
    "dataclass": (lambda x_hat, x: Named(x_hat, x[:, :2]), "x_hat"),
}


@pytest.mark.parametrize("kind", PARTS)
def test_the_one_part_of_the_right_shape_is_taken_and_said(kind):
    shape, output = PARTS[kind]
    model = Returns(shape)
    expected = model.inner(X).detach()
    with pytest.warns(UserWarning, match=f"output={output!r}"):
        torch.testing.assert_close(Detector(model).reconstruct(X), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(Detector(model, output=output).reconstruct(X), expected)
        part = (lambda result: result.x_hat) if kind == "dataclass" else (lambda r: r[output])
        torch.testing.assert_close(Detector(model, output=part).reconstruct(X), expected)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (lambda x_hat, x: (x_hat, x), r"a tuple \(0: \(\d+, 6\), 1: \(\d+, 6\)\): say which"),
        (lambda x_hat, x: {"a": 1}, "a dict .*output='name'"),
        (lambda x_hat, x: x_hat.view(len(x), 2, 3), r"reshape\(-1, \*\(6,\)\)"),
        (lambda x_hat, x: x_hat[:, :3], "came out as"),
        (lambda x_hat, x: None, "a NoneType"),
    ],
)
def test_what_leaves_x_hat_unclear_is_refused_with_what_to_write(shape, message):
    with pytest.raises(RequestError, match=message):
        Detector(Returns(shape)).reconstruct(X)


class TakesTwo(nn.Linear):
    def forward(self, x, mask):
        return super().forward(x) * mask


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Linear(6, 6).state_dict(), "a state dict holds weights"),
        (lambda x: x, r"not a function: Detector.of\(function\).*class Wrapped"),
        (np.zeros(3), "not a ndarray"),
        (torch.jit.script(nn.Linear(6, 6)), "TorchScript"),
    ],
)
def test_what_is_no_model_is_one_line(model, message):
    with pytest.raises(RequestError, match=message):
        Detector(model)


class ByName(nn.Linear):
    def forward(self, *, x):
        return super().forward(x)


def test_a_model_that_takes_x_by_name_shows_the_wrapper():
    with pytest.raises(RequestError, match=r"or not like that .*class Wrapped"):
        Detector(ByName(6, 6)).error(X)


@pytest.mark.parametrize("batch", [None, 1])
def test_statistics_of_the_batch_are_no_way_out_of_themselves(batch):
    norm = nn.BatchNorm1d(6, track_running_stats=False)
    with pytest.raises(RequestError, match="track_running_stats=True") as caught:
        check(Detector(norm, batch=batch), X)
    assert "batch=1" not in str(caught.value)


class Scaling(nn.Linear):
    """Writes into what it is given, where values tell it to."""

    def forward(self, x):
        if x.max() > 1:
            x /= 255
        return super().forward(x) * 255


def test_a_model_that_sometimes_writes_into_its_input_writes_into_a_copy():
    model, x = Scaling(6, 6), (255 * X).numpy()
    given = x.copy()
    error = Detector(model).error(x)
    assert np.array_equal(x, given)
    expected = (torch.as_tensor(given) - model(torch.as_tensor(given.copy()))).square().mean(1)
    torch.testing.assert_close(error, expected.detach())


class InSequence(nn.Module):
    def forward(self, x):
        return x.view(-1, 6).mul(0.5).view(x.shape) + torch.randn_like(x) * 1e-3


def test_a_mean_of_draws_is_given_memory_in_order():
    x = X[:20].reshape(4, 5, 6)
    torch.testing.assert_close(
        Detector(InSequence(), draws=50).reconstruct(x), x / 2, atol=1e-2, rtol=0
    )


class OwnGenerator(nn.Linear):
    def forward(self, x):
        return super().forward(x) + np.random.default_rng().normal()


def test_draws_do_not_seed_generators_of_others():
    with pytest.raises(RequestError, match="draws from another one"):
        check(Detector(OwnGenerator(6, 6), draws=5), X)


def test_samples_are_looked_at_from_first_to_last():
    norm = nn.Sequential(nn.BatchNorm1d(6, track_running_stats=False), nn.Linear(6, 6))

    class OfBatch(nn.Module):
        def forward(self, x):
            return norm(x) if len(x) > 1 else x

    rows = torch.cat([torch.zeros(100, 6), X])
    with pytest.raises(RequestError, match="depends on the batch"):
        check(Detector(OfBatch()), rows)


class Own(Detector):
    def reconstruct(self, x):
        return 2 * super().reconstruct(x)


class Asserting(nn.Linear):
    def forward(self, x):
        assert x.min() > 0, "values must be positive"
        return super().forward(x)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Own(nn.Linear(6, 6)), "Own has its own reconstruct"),
        (lambda: Detector(nn.LazyLinear(6)), "a lazy module has no weights yet"),
        (lambda: Detector(nn.Linear(6, 6), nn.MSELoss()).error(X), "reduction='none'"),
        (lambda: Detector(Asserting(6, 6)).error(-X - 1), "refuses samples .*must be positive"),
        (lambda: check(Detector(nn.Linear(6, 6).bfloat16()), X), r"bfloat16: model\.float"),
        (lambda: Features(groups=(0, None)), "groups of Features holds something else than ints"),
        (lambda: Features(low=("a", "b")), "low of Features holds something else than floats"),
    ],
)
def test_what_cannot_be_is_one_line(made, message):
    with pytest.raises(RequestError, match=message):
        made()


def test_the_first_look_is_at_samples_and_not_at_zeros():
    assert len(Detector(Asserting(6, 6)).error(X + 0.1)) == len(X)


class SeldomNoisy(nn.Module):
    def forward(self, x):
        return x * 0.5 + (x > 0.5) * torch.rand_like(x)


def test_noise_of_the_last_sample_alone_is_seen():
    x = torch.zeros(64, 2)
    x[-1] = 1
    assert [found.name for found in findings(Detector(SeldomNoisy()), x)] == ["draws noise"]


class Drifting(nn.Module):
    """The error of what lies above a half grows by a thousandth at each call."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x - 1 - 1e-3 * self.calls * (x > 0.5)


def test_noise_of_one_sample_is_not_shared_among_all():
    x = torch.zeros(64, 2)
    x[-1] = 1
    found = findings(Detector(Drifting(), "l1"), x)
    assert [one.name for one in found] == ["draws noise"]


class SlightlyNoisy(nn.Module):
    def forward(self, x):
        return x + 1e-3 * (1 + 0.2 * torch.rand_like(x))


def test_noise_of_a_small_error_is_no_rounding():
    detector = Detector(SlightlyNoisy())
    assert [found.name for found in findings(detector, X)] == ["draws noise"]


def test_an_error_that_is_negative_for_some_samples_is_none():
    detector = Detector(nn.Identity(), lambda x, x_hat: (x - 0.5) + 0 * x_hat)
    found = findings(detector, torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert [one.name for one in found] == ["negative error"]


def test_a_negative_error_is_none():
    detector = Detector(nn.Linear(6, 6), lambda x, x_hat: -(x - x_hat).square() / 6)
    with pytest.raises(RequestError, match="negative: a loss returns each column's share"):
        check(detector, X)


def test_a_model_of_two_arguments_shows_the_wrapper():
    with pytest.raises(RequestError, match=r"takes more than x .*class Wrapped"):
        Detector(TakesTwo(6, 6)).error(X)


@pytest.mark.parametrize(
    ("make", "least"),
    [
        (lambda: nn.LSTM(6, 64, batch_first=True, proj_size=6), 20 * 64 * 4),
        (lambda: nn.GRU(6, 6, batch_first=True), 20 * 6 * 4),
        (lambda: nn.TransformerEncoderLayer(6, 2, 64, batch_first=True), 20 * 64 * 4),
        (lambda: Attention(), 20 * 6 * 4 * 4),
    ],
)
def test_memory_counts_what_tuples_and_fused_layers_hold(make, least):
    model = make().eval()
    output = 0 if isinstance(model, nn.RNNBase) else None
    detector = Detector(model, output=output)
    assert detector.activation_bytes(torch.zeros(1, 20, 6)) >= least


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)[0]


def test_bounds_come_from_a_background_that_leaves_0_to_1(linear_rows):
    rows = linear_rows * np.array([1, 10, 100, 1000, 1, 1, 1, 1], np.float32) + 50
    model = nn.Sequential(nn.Linear(8, 3), nn.Linear(3, 8))
    options = {"background": rows[:300], "explainers": ["residual"], "count": 5, "twins": 0}
    options["corruptions"] = ["random"]
    with pytest.warns(UserWarning, match="no Features were given"):
        results = aexbench.evaluate(Detector(model), rows[300:], **options)
    anomalies = results.anomalies(results.cells[0])
    low, high = rows[:300].min(0), rows[:300].max(0)
    np.testing.assert_allclose(anomalies.features.low, low, rtol=1e-6)
    np.testing.assert_allclose(anomalies.features.high, high, rtol=1e-6)
    assert any("no Features were given" in note for note in results.board().notes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inside = {**options, "background": linear_rows[:300].clip(0, 1)}
        aexbench.evaluate(Detector(model), linear_rows[300:].clip(0, 1), **inside)
    wrong = Detector(model, features=Features(low=0.0, high=1.0))
    with pytest.warns(UserWarning, match="outside of the detector's Features"):
        aexbench.evaluate(wrong, rows[300:], **options)


def test_a_set_of_hardly_anomalous_samples_is_said_on_the_board(detector, linear_rows):
    options = {"background": linear_rows[:300], "explainers": ["residual"], "twins": 0}
    corruptions = ["random[threshold=0.01,count=30]", "random[threshold=0.4,count=30]"]
    board = aexbench.evaluate(detector, linear_rows[300:], corruptions=corruptions, **options)
    said = [note for note in board.board().notes if "the median score rose by" in note]
    gains = [np.median(board.anomalies(c).details["gain"]) for c in board.cells]
    assert bool(said) == (min(gains) < 0.1)
