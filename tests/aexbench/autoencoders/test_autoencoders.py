from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aexbench import Dataset, Detector, Features, RequestError, autoencoders, datasets, explainers
from aexbench.autoencoders import fitting, training
from aexbench.contracts import Untrained
from aexbench.datasets.tools.windows import views_of
from aexbench.declarations import Training
from aexbench.running.controls import controlled
from tests.explainers.networks import table_2

SHAPES = {
    "linear": (7,),
    "mlp": (7,),
    "variational": (7,),
    "conv": (1, 128, 128),
    "conv-transpose": (2, 16, 24),
    "unet": (3, 16, 24),
    **dict.fromkeys(("conv1d", "gru", "lstm", "tcn", "transformer"), (8, 3)),
}


def fresh(name, shape, seed):
    """Return an autoencoder at its initial weights."""
    return training.build(training.recipe(name, "mlp"), shape, seed)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_every_autoencoder_returns_its_shape_and_starts_alive(name):
    assert sorted(SHAPES) == autoencoders.names()
    x = torch.rand(3, *SHAPES[name])
    for seed in range(3):
        model = fresh(name, SHAPES[name], seed).model.eval()
        with torch.no_grad():
            x_hat = model(x)
        assert x_hat.shape == x.shape
        assert float((x_hat > 0).float().mean()) > 0.9
        assert float(x_hat.std(dim=0).max()) > 0


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_lrp_takes_every_autoencoder_and_conserves(name):
    model = fresh(name, SHAPES[name], 0).model
    detector = Detector(model, "l2")
    x = torch.rand(2, *SHAPES[name])
    relevance = explainers.create("lrp", detector, rule="z-plus", first="w2").explain(x)
    torch.testing.assert_close(relevance.flatten(1).sum(1), detector.error(x), rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_twins_have_other_weights_of_the_same_network(name):
    detector = Detector(fresh(name, SHAPES[name], 0).model)
    for kind in ("initial", "permuted"):
        twins = [controlled(detector, kind, seed) for seed in (1, 1, 2)]
        weights = [torch.cat([p.flatten() for p in twin.model.parameters()]) for twin in twins]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])
        own = torch.cat([p.flatten() for p in detector.model.parameters()])
        assert not torch.equal(weights[0], own)
        if name != "linear":  # whose weights are on no scale of torch's
            assert float(weights[0].std()) == pytest.approx(float(own.std()), rel=0.3)


def test_the_outermost_level_of_a_unet_has_no_skip():
    model = fresh("unet[channels=[4, 6]]", (3, 8, 8), 0).model
    assert [level.mix[0].in_channels for level in (model, model.deeper)] == [4, 6 + 4]


@pytest.mark.parametrize(
    ("name", "start"), [("conv", 0.5), ("conv-transpose", 0.6225), ("unet", 0.6225)]
)
def test_the_output_starts_in_the_middle(name, start):
    x = torch.rand(2, *SHAPES[name])
    for seed in range(5):
        with torch.no_grad():
            x_hat = fresh(name, SHAPES[name], seed).model.eval()(x)
        assert float((x_hat - start).abs().max()) < 0.25


def test_what_batch_norm_has_learned_is_permuted_too():
    model = nn.Sequential(nn.BatchNorm2d(8))
    model[0].running_mean.copy_(torch.arange(8.0))
    twin = controlled(Detector(model), "permuted", 0).model[0].running_mean
    assert twin.tolist() != list(range(8))
    assert sorted(twin.tolist()) == list(range(8))


def test_conv_is_table_2():
    made = fresh("conv", (1, 128, 128), 0).model
    expected = table_2()
    sizes = [tuple(p.shape) for p in made.parameters()]
    assert sizes == [tuple(p.shape) for p in expected.parameters()]
    shapes: list[tuple[int, ...]] = []
    for module in made.modules():
        if isinstance(module, nn.Conv2d | nn.Upsample):
            module.register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape[1:])))
    made(torch.zeros(1, 1, 128, 128))
    encoder = "62x32 30x32 28x32 12x64 10x64 4x128 2x512"
    decoder = "6x512 4x128 12x128 10x64 20x64 18x64 36x64 34x32 68x32 66x32 132x32"
    printed = f"{encoder} {decoder}"
    assert [f"{s[1]}x{s[0]}" for s in shapes] == [*printed.split(), "130x32", "128x1"]
    expected.load_state_dict(
        dict(zip(expected.state_dict(), made.state_dict().values(), strict=True))
    )
    x = torch.rand(2, 1, 128, 128)
    torch.testing.assert_close(made(x), expected(x))


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("conv", (1, 64, 64), "use conv-transpose or unet"),
        ("unet", (1, 20, 16), "divisible by 8"),
        ("unet", (1, 16, 20), "divisible by 8"),
        ("conv-transpose[channels=[]]", (1, 16, 16), "divisible"),
        ("conv-transpose", (16,), "takes images"),
        ("variational[widths=[]]", (16,), "widths of at least 1"),
        ("mlp", (1, 8, 8), "rows of features"),
        ("gru", (38,), "takes windows .* window=T"),
        ("transformer", (1, 8, 8), "takes windows"),
        ("tcn", (9, 3), "a multiple of 2 rows; got 9"),
        ("conv1d[channels=[4, 4, 4]]", (12, 3), "a multiple of 8 rows; got 12"),
        ("conv1d[channels=[]]", (8, 3), "channels of at least 1; got"),
        ("tcn[dilations=[0]]", (8, 3), "dilations of at least 1; got"),
        ("transformer[units=6]", (8, 3), "6 units cannot be divided among 4 heads"),
        ("linear", (1, 8, 8), "rows of features"),
        ("linear[blocks=[0, 0]]", (3,), "one of blocks for each of 3 columns"),
        ("linear[loadings=[1, 2]]", (3,), "one of loadings for each of 3 columns"),
        ("linear[blocks=[0, 2, 2]]", (3,), "numbered 0, 1, 2"),
        ("linear[blocks=[-1, 0, 1]]", (3,), "numbered 0, 1, 2"),
        ("linear[loadings=[1, 1, 0]]", (3,), "a loading that is not 0"),
    ],
)
def test_shapes_that_do_not_fit_are_said(text, shape, message):
    with pytest.raises(RequestError, match=message):
        fresh(text, shape, 0)


def test_a_linear_autoencoder_projects_each_block_on_its_loadings():
    text = "linear[blocks=[0, 1, 0, 1, 0, 2], loadings=[1, 2, -1, 1, 0, 0.3], centre=0.25]"
    model, x = fresh(text, (6,), 0).model.double(), torch.rand(4, 6, dtype=torch.float64)
    expected = torch.full_like(x, 0.25)
    loadings = torch.tensor([1, 2, -1, 1, 0, 0.3], dtype=torch.float64)
    for block in ([0, 2, 4], [1, 3], [5]):
        a = loadings[block]
        hidden = (x[:, block] - 0.25) @ a / (a @ a)
        expected[:, block] += hidden[:, None] * a
    torch.testing.assert_close(model(x), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model(x)[:, 5], x[:, 5], rtol=1e-6, atol=1e-6)
    assert torch.equal(model(x)[:, 4], torch.full((4,), 0.25).double())


def test_a_linear_autoencoder_takes_neighbours_for_pairs_where_nothing_is_said():
    x = torch.rand(2, 5)
    means = x.clone()
    means[:, :4] = x[:, :4].reshape(2, 2, 2).mean(2).repeat_interleave(2, dim=1)
    torch.testing.assert_close(fresh("linear", (5,), 0).model(x), means)


def test_weights_that_are_set_by_hand_are_calibrated_and_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path))
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.random((60, 2)), 2, axis=1) + 0.01 * rng.normal(size=(60, 4))
    made = Dataset(rows[:30], rows[30:45], rows[45:], Features(), autoencoder="linear")
    detector = made.detector()
    report, own = detector.report, fresh("linear", (4,), 0).model
    assert (report["epochs"], report["starts"]) == (0, 1)
    assert report["stopped"] == "nothing to train"
    for found, expected in zip(detector.model.parameters(), own.parameters(), strict=True):
        assert torch.equal(found, expected)
    assert detector.calibrated.normal_95 < 1e-3
    again = made.detector()  # from the file
    assert torch.equal(again.reconstruct(rows), detector.reconstruct(rows))


def test_the_penalty_of_a_variational_autoencoder_is_the_divergence_of_its_codes():
    model = fresh("variational[widths=[6],latent=2,beta=0.5]", (4,), 0).model
    x = torch.rand(100, 4)
    model.train()
    model(x)
    penalty = model.penalty()
    hidden = model.encoder(x)
    normal = torch.distributions.Normal(model.mean(hidden), (model.log_variance(hidden) / 2).exp())
    divergence = torch.distributions.kl_divergence(
        normal, torch.distributions.Normal(0.0, 1.0)
    ).sum(1)
    torch.testing.assert_close(penalty, 0.5 / 4 * divergence.mean())
    model.eval()
    torch.testing.assert_close(model(x), model(x))


def test_a_variational_autoencoder_learns_and_leaves_the_random_state(
    linear_rows, tmp_path, monkeypatch
):
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path))
    text = "variational[widths=[8],latent=3,beta=0.0001,epochs=60,learning_rate=0.01]"
    dataset = Dataset(
        linear_rows[:300], linear_rows[300:400], linear_rows[400:], Features(), autoencoder=text
    )
    state = torch.random.get_rng_state()
    report = dataset.detector().report
    assert report["validation_error"] < 0.5 * report["constant_error"]
    assert torch.equal(state, torch.random.get_rng_state())


class Dies(nn.Module):
    """Its output is one constant; with a good seed it learns."""

    def __init__(self, lives: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.lives = lives

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) if self.lives else torch.relu(self.layer(x) - 1000.0)


def told(text: str, share: float) -> None:
    TOLD.append(text)


TOLD: list[str] = []


def build(*lives: bool, seeds: list[int] | None = None):
    remaining, seeds = list(lives), [] if seeds is None else seeds
    training = Training(epochs=200, patience=100, learning_rate=0.01)
    return lambda seed: seeds.append(seed) or Untrained(Dies(remaining.pop(0)), training)


@pytest.fixture
def dataset(linear_rows) -> Dataset:
    return Dataset(linear_rows[:300], linear_rows[300:400], linear_rows[400:], Features())


def test_a_dead_network_is_started_again_and_soon(dataset):
    TOLD.clear()
    detector = fitting.fit(dataset, build(False, True), 0, told)
    assert detector.report["starts"] == 2
    assert detector.report["output_variation"] > 0.5
    came_to_nothing = next(
        i for i, text in enumerate(TOLD) if "start 1 of 3 came to nothing: the output" in text
    )
    assert came_to_nothing == 1, "after one epoch, not after two hundred"


def test_a_network_that_stays_dead_is_an_error(dataset):
    seeds: list[int] = []
    with pytest.raises(RequestError, match="nothing in 3 starts: the output does not vary"):
        fitting.fit(dataset, build(False, False, False, seeds=seeds), 7, told)
    assert seeds[0] == 7
    assert len(set(seeds)) == 3


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_a_network_that_hardly_varies_at_first_is_not_dead(activation):
    text = f"mlp[activation={activation},widths=[16, 8],epochs=60,learning_rate=0.01]"
    assert datasets.create("breast-cancer").detector(autoencoder=text).report["starts"] == 1


def test_a_single_sample_that_is_left_over_joins_the_last_batch():
    x = (
        np.random.default_rng(0).random((33, 1, 8, 8)).astype(np.float32)
        * np.linspace(0, 1, 33)[:, None, None, None]
    )
    text = "conv-transpose[channels=[4],epochs=30,batch_size=16,learning_rate=0.02]"
    dataset = Dataset(x.astype(np.float32), x, x, Features(), autoencoder=text)
    assert dataset.detector().report["output_variation"] > 0
    for count, sizes in ((33, [16, 17]), (32, [16, 16]), (1, [1]), (17, [17]), (18, [16, 2])):
        assert [len(batch) for batch in fitting._batches(torch.zeros(count, 2), 16)] == sizes


def test_a_network_no_better_than_a_constant_is_an_error():
    noise = np.random.default_rng(0).random((200, 8)).astype(np.float32)
    dataset = Dataset(
        noise[:80], noise[80:160], noise[160:], Features(), autoencoder="mlp[widths=[2],epochs=3]"
    )
    with pytest.raises(
        RequestError,
        match=r"came to nothing in 3 starts: .*(no better than one constant|does not vary)",
    ):
        fitting.fit(
            dataset,
            lambda seed: fresh(dataset.autoencoder, (8,), seed),
            0,
            told,
        )


@pytest.mark.parametrize(
    ("factor", "shift", "output", "cause"),
    [
        (0.05, 0.0, "sigmoid", "the greatest standard deviation of a feature is 0.0"),
        (0.05, 0.95, "sigmoid", "the greatest standard deviation of a feature is 0.0"),
        (1.0, -2.0, "sigmoid", "samples lie between -2 and -1.*, its output between 0 and 1"),
        (100.0, 0.0, "sigmoid", "samples lie between 0.* and 9.*, its output between 0 and 1"),
        (1.0, -5.0, "tanh", "samples lie between -5 and -4.*, its output between -1 and 1"),
        (1.0, -2.0, "relu", "samples lie between -2 and -1.*, its output between 0 and inf"),
        (1e9, 0.0, "identity", r"the greatest standard deviation of a feature is \d"),
        (0.0, 0.5, "sigmoid", "all the same: there is nothing to learn"),
    ],
)
def test_data_on_another_scale_are_named_where_nothing_is_learned(factor, shift, output, cause):
    rows = factor * np.random.default_rng(0).random((60, 4)).astype(np.float32) + np.float32(shift)
    text = f"mlp[widths=[1],epochs=1,output={output}]"
    dataset = Dataset(rows[:40], rows[40:50], rows[50:], Features(), autoencoder=text)
    with pytest.raises(RequestError, match=cause) as caught:
        fitting.fit(dataset, lambda seed: fresh(text, (4,), seed), 0, told)
    assert "train longer" not in str(caught.value)


def test_more_training_helps_data_on_the_scale_of_the_output(dataset):
    scaled = np.random.default_rng(0).random((80, 8)).astype(np.float32)
    scaled[0] = 1.01  # hardly beyond
    dataset = Dataset(scaled, scaled[:20], scaled[:20], Features())
    with pytest.raises(RequestError, match="train longer"):
        fitting.fit(dataset, lambda seed: fresh("mlp[widths=[1],epochs=1]", (8,), seed), 0, told)


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_the_constant_is_the_best_one(dataset, loss):
    detector = Detector(nn.Identity(), loss)
    found = fitting.constant_error(detector, dataset)
    train, validation = dataset.train.astype(np.float64), dataset.validation.astype(np.float64)
    centre = np.median(train, axis=0) if loss == "l1" else train.mean(axis=0)
    gap = np.abs(validation - centre)
    assert found == pytest.approx(float((gap if loss == "l1" else gap**2).mean()), rel=1e-5)


def test_gains_too_small_to_count_use_up_the_patience():
    rows = np.random.default_rng(0).random((200, 1)).astype(np.float32) @ np.ones((1, 4), "float32")
    dataset = Dataset(rows[:120], rows[120:160], rows[160:], Features())
    options = "activation=tanh,output=identity,epochs=60,patience=3,learning_rate=1e-6"
    made = fresh(f"mlp[widths=[3],{options}]", (4,), 0)
    detector = Detector(made.model, made.training.loss)
    report = fitting._train(detector, made.training, dataset, 0, told, softly=False)
    assert (report["epochs"], report["best_epoch"], report["stopped"]) == (4, 1, "early")


def test_detection_is_reported_where_there_are_labels_of_both_kinds(linear_rows):
    detector = Detector(nn.Linear(8, 8), "l2")
    labels = np.arange(200) < 40
    dataset = Dataset(
        linear_rows[:300], linear_rows[300:400], linear_rows[400:], Features(), labels
    )
    error = detector.error(dataset.test).numpy()
    pairs = error[labels][:, None] - error[~labels][None, :]
    found = fitting.detection(detector, dataset)
    assert found["roc_auc"] == pytest.approx(float(((pairs > 0) + 0.5 * (pairs == 0)).mean()))
    hits = labels[np.argsort(-error)]
    precision = np.cumsum(hits) / np.arange(1, 201)
    assert found["average_precision"] == pytest.approx(precision[hits].mean())
    assert found["anomalous_share"] == pytest.approx(0.2)
    for none in (np.zeros(200), np.ones(200)):
        assert (
            fitting.detection(detector, Dataset(*[linear_rows[400:]] * 3, Features(), none)) == {}
        )


def test_an_mlp_with_l1_adds_the_size_of_its_weights_and_of_no_bias():
    model = fresh("mlp[widths=[3],l1=0.25]", (2,), 0).model
    plain = fresh("mlp[widths=[3]]", (2,), 0).model
    assert list(model.state_dict()) == list(plain.state_dict())
    assert not hasattr(plain, "penalty")
    by_hand = 0.25 * sum(abs(w) for layer in (0, 2) for w in model[layer].weight.flatten().tolist())
    assert model.penalty().item() == pytest.approx(by_hand)
    model.penalty().backward()
    assert model[0].bias.grad is None
    torch.testing.assert_close(model[2].weight.grad, 0.25 * model[2].weight.sign())


def test_a_convolutional_network_has_the_same_penalty():
    model = fresh("conv[narrow=16,l1=0.25]", (1, 128, 128), 0).model
    plain = fresh("conv[narrow=16]", (1, 128, 128), 0).model
    assert list(model.state_dict()) == list(plain.state_dict())
    weights = [value for name, value in plain.state_dict().items() if name.endswith("weight")]
    assert len(weights) == 14
    assert model.penalty().item() == pytest.approx(
        0.25 * sum(float(w.abs().sum()) for w in weights)
    )


@pytest.mark.parametrize("start", ["he", "glorot"])
def test_initial_weights_have_the_spread_that_their_author_gives(start):
    model = fresh(f"conv[start={start}]", (1, 128, 128), 0).model
    *inner, last = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    for layer in (*inner[2:], last):
        share = 0.1 if layer is last else 1.0
        fan_out, fan_in = (n * layer.kernel_size[0] ** 2 for n in layer.weight.shape[:2])
        variance = {"he": 2 / fan_in, "glorot": 2 / (fan_in + fan_out)}[start]
        assert float(layer.weight.std()) == pytest.approx(share * variance**0.5, rel=0.1)
        greatest = float(layer.weight.abs().max()) / (share * variance**0.5)
        assert (greatest < 3**0.5 + 1e-6) == (start == "glorot")
        assert layer.bias.unique().tolist() == [0.5 if layer is last else 0.0]


@pytest.mark.parametrize("name", ["conv[narrow=16]", "conv[narrow=16,l1=1e-6]", "unet"])
def test_image_networks_keep_channels_last(name):
    shape = (1, 128, 128)
    wide = [p for p in fresh(name, shape, 0).model.parameters() if p.dim() == 4 and p.shape[1] > 1]
    assert wide
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in wide)


def test_l1_makes_the_weights_that_are_not_needed_small():
    data = datasets.create("sql-workload[rows=1000]")
    share = {}
    for l1 in (0.0, 1e-4):
        recipe = training.recipe(f"mlp[widths=[42],l1={l1},epochs=20,batch_size=32]", "mlp")
        detector = training.train(data, recipe, seed=0)
        weights = torch.cat([detector.model[i].weight.flatten() for i in (0, 2)])
        share[l1] = float((weights.abs() > 0.01).float().mean())
    assert share[0.0] > 0.9
    assert share[1e-4] < 0.5


WAVES = np.stack([np.arange(600) / 7, np.arange(600) / 11, np.arange(600) / 5], 1)


@pytest.mark.parametrize("name", ["conv1d", "gru", "lstm", "tcn", "transformer"])
def test_windows_are_reconstructed_better_than_by_a_constant(name):
    values = (0.5 + 0.4 * np.sin(WAVES)).astype(np.float32)
    windows = views_of(values, 8, np.arange(593))
    data = Dataset(windows[:400], windows[410:500], windows[510:], Features())
    detector = training.train(data, training.recipe(f"{name}[epochs=15]", "mlp"), seed=0)
    report = detector.report
    assert report["validation_error"] < 0.5 * report["constant_error"]
    x = torch.as_tensor(np.array(data.test[:3]))
    alone = torch.cat([detector.reconstruct(one) for one in x.split(1)])
    torch.testing.assert_close(detector.reconstruct(x), alone, rtol=1e-4, atol=1e-5)


def test_the_decoder_of_a_recurrent_one_knows_the_code_alone_and_ends_with_the_first_row():
    model = fresh("gru[units=5,code=2]", (6, 3), 0).model
    x = torch.rand(4, 6, 3)
    with torch.no_grad():
        code = model.code(model.encoder(x)[0][:, -1])
        assert code.shape == (4, 2)
        backwards = model.output(model.decoder(code[:, None].repeat(1, 6, 1))[0]).sigmoid()
        torch.testing.assert_close(model(x), backwards[:, [5, 4, 3, 2, 1, 0]])
