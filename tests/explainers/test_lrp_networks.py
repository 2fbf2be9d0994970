"""Whole networks: against a tape that knows nothing of the capture, conservation, and what must
stay as it was.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aexbench import Detector, SkipError, explainers
from aexbench.explainers.lrp.ledger import Layer, Ledger
from tests.explainers import tape_twin
from tests.explainers.memory import Peak
from tests.explainers.networks import SMALL, UNet, table_2

NETWORKS = [*SMALL, pytest.param(table_2, marks=pytest.mark.slow)]


def network(kind, dtype=torch.float64) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind().to(dtype).eval()


def images(kind, rows=3, dtype=torch.float64) -> torch.Tensor:
    side = 128 if kind is table_2 else 8
    return torch.rand(rows, 1, side, side, dtype=dtype, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("loss", "first"), [("l2", "z-box"), ("l1", "w2"), ("l2", "z-plus")])
@pytest.mark.parametrize("kind", NETWORKS)
def test_composition_equals_the_tape(kind, loss, first):
    model, x = network(kind), images(kind, rows=1 if kind is table_2 else 3)
    found = explainers.create("lrp", Detector(model), loss=loss, first=first).explain(x)
    expected = tape_twin.explain(model, x, loss=loss, first=first)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9 * float(expected.abs().max()))


TYPES = [
    (torch.float64, 1e-12),
    (torch.float32, 1e-4),
    (torch.bfloat16, 0.05),
]  # with the gap that each may leave
PLAIN = [{}, {"preset": "paper-tabular"}, {"root": "joint"}]
SIGNED = [
    {"rule": "gamma"},
    {"rule": "alpha-beta"},
]  # cancel: small networks, in types that allow it


@pytest.mark.parametrize(
    ("kind", "dtype", "tolerance", "settings"),
    [(kind, *of_type, settings) for kind in SMALL for of_type in TYPES for settings in PLAIN]
    + [
        pytest.param(table_2, *of_type, settings, marks=pytest.mark.slow)
        for of_type in TYPES
        for settings in PLAIN
    ]
    + [
        (kind, *of_type, settings) for kind in SMALL for of_type in TYPES[:2] for settings in SIGNED
    ],
)
def test_relevance_sums_to_the_error(kind, dtype, tolerance, settings):
    detector, x = Detector(network(kind, dtype)), images(kind, 1 if kind is table_2 else 3, dtype)
    relevance = explainers.create("lrp", detector, **settings).explain(x).double()
    error = (x.double() - detector.reconstruct(x).double()).square().flatten(1).mean(1)
    gap = (relevance.flatten(1).sum(1) - error).abs() / error
    assert float(gap.max()) <= tolerance


@pytest.mark.parametrize("kind", SMALL)
def test_batch_and_order_do_not_matter(kind, monkeypatch):
    explainer, x = explainers.create("lrp", Detector(network(kind))), images(kind, rows=6)
    whole = explainer.explain(x)
    for other in (
        torch.cat([explainer.explain(part) for part in x.split(1)]),
        explainer.explain(x.flip(0)).flip(0),
    ):
        torch.testing.assert_close(other, whole, rtol=1e-6, atol=1e-12)
    monkeypatch.setattr("aexbench.detector.CHUNK_BYTES", {"cpu": 1})
    chunked = explainers.create("lrp", Detector(network(kind))).explain(x)
    torch.testing.assert_close(chunked, whole, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("fail", [False, True])
@pytest.mark.parametrize("kind", SMALL)
def test_everything_stays_as_it_was(kind, fail):
    model, x = network(kind).train(), images(kind)
    next(model.parameters()).requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [parameter.requires_grad for parameter in model.parameters()]
    state, given = torch.random.get_rng_state(), x.clone()
    explainer = explainers.create("lrp", Detector(model))
    if fail:
        with pytest.raises(Exception):  # noqa: B017, PT011 (whatever a wrong shape raises)
            explainer.explain(x[:, :, :3])
    with torch.inference_mode():
        inferred = explainer.explain(x)
    with torch.enable_grad():
        torch.testing.assert_close(explainer.explain(x.clone().requires_grad_()), inferred.clone())
    assert torch.equal(x, given)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(module.training for module in model.modules())
    assert flags == [parameter.requires_grad for parameter in model.parameters()]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


class Wrapped(nn.Module):
    """A network that ends in an operation of the test's choice."""

    def __init__(self, operation) -> None:
        super().__init__()
        self.layer, self.operation = nn.Linear(5, 5), operation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.operation(self, self.layer(x))


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda m, h: h.digamma(), r"no rule for digamma at test_lrp_networks.py:\d+"),
        (lambda m, h: 1 / h, r"no relevance reaches the input"),
        (lambda m, h: h + torch.randn_like(h), r"no rule for randn_like"),
        (lambda m, h: h + torch.randn(5), r"is not the model's"),
        (lambda m, h: h @ h.t() @ h, r"mixes the samples"),
        (lambda m, h: h if h.sum() > 0 else -h, r"cannot follow this model's forward pass"),
        (lambda m, h: (h, h), r"return one tensor"),
        (lambda m, h: torch.sub(h, h, alpha=2), r"no rule for sub with alpha"),
    ],
)
def test_an_operation_without_a_rule_is_named_with_its_place_and_the_ways_out(operation, message):
    with pytest.raises(SkipError, match=message):
        explainers.create("lrp", Detector(Wrapped(operation))).explain(torch.rand(3, 5))


def test_batch_statistics_are_refused():
    model = nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5, track_running_stats=False))
    with pytest.raises(SkipError, match="the batch's statistics"):
        explainers.create("lrp", Detector(model)).explain(torch.rand(3, 5))


@pytest.mark.parametrize(
    "operation",
    [
        lambda m, x: m.layer(F.dropout(x, 0.5, training=m.training)),
        lambda m, x: m.layer(x.contiguous() * 2 - 1),
        lambda m, x: m.layer(2 * x),
        lambda m, x: m.layer(torch.cat(m.layer(x).split([2, 3], 1)[::-1], 1)),
        lambda m, x: torch.stack(m.layer(x).unbind(1), 1),
        lambda m, x: torch.relu(m.layer(x)) + torch.ones(5, dtype=x.dtype).expand_as(x),
        lambda m, x: m.layer(x)[:, :1] + torch.zeros(5, dtype=x.dtype),
        lambda m, x: m.layer(torch.cat([x[:, :3], x.new_ones(x.shape[0], 2)], 1)),
        lambda m, x: m.layer(
            torch.cat(
                [torch.relu(m.layer(x))[:, :3], torch.ones(1, 2).to(x).expand(x.shape[0], 2)], 1
            )
        ),
    ],
)
def test_ordinary_steps_conserve(operation):
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return operation(self, x)

    detector = Detector(network(Model))
    x = torch.rand(6, 5, dtype=torch.float64)
    for first in ("w2", "z-plus"):
        relevance = explainers.create("lrp", detector, first=first).explain(x)
        torch.testing.assert_close(relevance.sum(1), detector.error(x))


@pytest.mark.parametrize("first", [nn.Dropout(0.5), nn.Identity()])
def test_what_changes_no_value_leaves_the_first_layer_the_first(first):
    plain = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 5))
    x = torch.rand(6, 5)
    found = explainers.create("lrp", Detector(nn.Sequential(first, *plain))).explain(x)
    torch.testing.assert_close(found, explainers.create("lrp", Detector(plain)).explain(x))


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda m, h: h - h.mean(0), "mixes the samples"),
        (lambda m, h: h.roll(1, 0), "mixes the samples"),
        (lambda m, h: F.dropout(h, 0.1), "training=self.training"),
        (lambda m, h: F.batch_norm(h, None, None, training=True), "training=self.training"),
        (lambda m, h: torch.clamp(h, min=-h), "depend on the input"),
    ],
)
def test_what_looks_like_a_known_operation_and_is_not_is_refused(operation, message):
    with pytest.raises(SkipError, match=message):
        explainers.create("lrp", Detector(Wrapped(operation))).explain(torch.rand(6, 5))


def test_half_precision_is_refused():
    with pytest.raises(SkipError, match="float16"):
        explainers.create("lrp", Detector(nn.Sequential(nn.Linear(5, 5)).half()))


def test_what_a_forward_pass_remembers_is_not_symbols():
    class Remembers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.code = nn.Linear(5, 5), None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.code = self.layer(x)
            return self.code

    model = Remembers()
    explainers.create("lrp", Detector(model))
    assert model.code is None


def test_ledger_says_where_relevance_goes():
    model = network(UNet)
    x = images(UNet, rows=4)
    ledger = explainers.create("lrp", Detector(model)).ledger(x)
    torch.testing.assert_close(ledger.error, Detector(model).error(x))
    assert float(ledger.gap.max()) < 1e-12
    names = [layer.name.split(" ")[0] for layer in ledger.layers]
    assert names == ["out", "up", "add", "middle", "down.1", "down.0"]
    for layer in ledger.layers:
        torch.testing.assert_close(layer.handed_on, layer.received)
        assert float(layer.contraction.max()) <= 1 + 1e-12
    assert ((ledger.correlation >= -1) & (ledger.correlation <= 1)).all()
    assert "largest gap" in str(ledger)


def test_what_it_measures_is_the_share_of_the_error_that_is_lost_or_made():
    x = images(UNet)
    explainer = explainers.create("lrp", Detector(network(UNet)))
    relevance = explainer.explain(x)
    for factor, lost in ((1.0, 0.0), (0.75, 0.25), (2.0, 1.0)):
        measured = explainer.measures(x, factor * relevance)["gap to conservation"]
        torch.testing.assert_close(measured, torch.full((3,), lost, dtype=torch.float64))


def test_a_ledger_prints_the_medians_of_its_figures():
    received, none = torch.tensor([2.0, 4.0, 1.0]), torch.full((3,), torch.nan)
    kept, at_random = torch.tensor([0.1, 0.2, 0.9]), torch.tensor([0.3, 0.7, 0.4])
    layers = [
        Layer("decoder", "epsilon", received, 0.5 * received, kept, none),
        Layer("encoder", "w2", received, received, kept, at_random),
    ]
    correlation, diagonal = torch.tensor([0.3, 0.4, 0.8]), torch.tensor([1.0, 2.5, 9.0])
    total = torch.tensor([2.0, 3.0, 1.0])
    text = str(Ledger(received, total, correlation, layers, diagonal, 8.25))
    assert text.splitlines()[1].split() == ["decoder", "epsilon", "50.00%", "0.200"]
    assert text.splitlines()[2].split() == ["encoder", "w2", "100.00%", "0.200", "0.400"]
    assert "largest gap to the error 2.5e-01" in text
    assert "map 0.400" in text
    assert text.endswith("own feature 2.5 times as often as chance (a random tied layer: 8.2)")
    assert "tied" not in str(Ledger(received, total, correlation, layers, diagonal, float("nan")))


def test_ledger_reports_what_epsilon_absorbs():
    explainer = explainers.create("lrp", Detector(network(UNet)), rule="epsilon", epsilon=0.5)
    ledger = explainer.ledger(images(UNet))
    assert float(ledger.gap.min()) > 0.01
    assert any(
        float((layer.handed_on - layer.received).abs().max()) > 1e-4 for layer in ledger.layers
    )


def test_a_map_that_forgets_the_error_correlates_with_its_ablated_form():
    wide = nn.Sequential(nn.Linear(8, 200), nn.ReLU(), nn.Linear(200, 8)).double()
    with torch.no_grad():
        for layer in (wide[0], wide[2]):
            layer.weight.abs_().add_(1.0)  # every path carries the same share
    x = torch.rand(5, 8, dtype=torch.float64)
    forgetting = explainers.create("lrp", Detector(wide), preset="paper-tabular").ledger(x)
    keeping = explainers.create("lrp", Detector(wide), root=0.0).ledger(x)
    assert float(forgetting.correlation.min()) > 0.9 > float(keeping.correlation.min())
    assert all(float(layer.contraction.max()) < 0.5 for layer in forgetting.layers)


def test_a_rule_can_be_set_by_a_layers_name():
    model, x = network(UNet), images(UNet)
    detector = Detector(model)
    plain = explainers.create("lrp", detector)
    changed = explainers.create(
        "lrp", detector, layers=["down.*=flat", "down.0=w2", "middle=gamma"]
    )
    assert [changed.names[o] for o in changed.operations if o.kind == "weighted"] == [
        "flat",
        "flat",
        "gamma",
        "z-plus",
        "z-plus",
    ]
    assert not torch.allclose(plain.explain(x), changed.explain(x))
    with pytest.raises(ValueError, match="unknown layer of this model 'botom'"):
        explainers.create("lrp", detector, layers=["botom=flat"])
    with pytest.raises(ValueError, match="did you mean 'gamma'"):
        explainers.create("lrp", detector, layers=["middle=gama"])
    with pytest.raises(ValueError, match="reads activations"):
        explainers.create("lrp", detector, layers=["middle=z-box"])


def test_a_copied_model_is_explained_alike():
    model, x = network(UNet), images(UNet)
    first = explainers.create("lrp", Detector(model)).explain(x)
    torch.testing.assert_close(
        explainers.create("lrp", Detector(copy.deepcopy(model))).explain(x), first
    )


@pytest.mark.parametrize("kind", [table_2, UNet])
def test_peak_memory_is_at_most_twice_the_forward_activations(kind, monkeypatch):
    monkeypatch.setattr("aexbench.detector.CHUNK_BYTES", {"cpu": 2**40})  # all samples at once
    detector, x = Detector(network(kind, torch.float32)), images(kind, 2, torch.float32)
    explainer = explainers.create("lrp", detector)
    explainer.explain(x)  # what is prepared once is there now
    with Peak() as peak:
        explainer.explain(x)
    with torch.no_grad(), Peak() as forward:
        detector.model(x)
    assert 0.5 * forward.total <= peak.most <= 2 * forward.total
    assert peak.now == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", NETWORKS)
def test_the_same_on_a_gpu(kind):
    model, x = network(kind), images(kind, 2)
    here = explainers.create("lrp", Detector(model)).explain(x)
    there = explainers.create("lrp", Detector(copy.deepcopy(model).cuda())).explain(x.cuda())
    torch.testing.assert_close(there.cpu(), here, rtol=1e-6, atol=1e-12)
