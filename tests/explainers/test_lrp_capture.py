"""What a model may be written like: against the tape, or refused with what stands in the way."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aexbench import Detector, SkipError, explainers
from tests.explainers import tape_twin


class Model(nn.Module):
    """Two layers, and a forward pass of the test's choice."""

    def __init__(self, forward, **parts: nn.Module) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 6)
        self.conv, self.up = nn.Conv2d(1, 4, 3, padding=1), nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1)
        self.norm, self.norm2d = nn.BatchNorm1d(5), nn.BatchNorm2d(4)
        self.steps = forward
        for name, part in parts.items():
            self.add_module(name, part)
        for norm in (self.norm, self.norm2d):
            for value in (norm.running_mean, norm.weight, norm.bias):
                nn.init.normal_(value)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.steps(self, x)


def made(forward, **parts: nn.Module) -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Model(forward, **parts).double().eval()


ROWS = torch.rand(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
IMAGES = torch.rand(2, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
NEGATIVE = torch.tensor([1.0, -2.0, 0.5, -0.3, -1.0], dtype=torch.float64)


def functional_norm(m, h):
    return F.batch_norm(h, m.norm.running_mean, m.norm.running_var, m.norm.weight, m.norm.bias, m.training, 0.1, 1e-3)


def functional_norm_2d(m, h):
    n = m.norm2d
    return F.batch_norm(h, n.running_mean, n.running_var, weight=n.weight, bias=n.bias)


def overwritten(m, x):
    hidden = m.a(x)
    F.relu_(hidden)
    return m.b(hidden)


def overwritten_by_a_module(m, x):
    hidden = m.a(x)
    m.act(hidden)
    return m.b(hidden)


def overwritten_by_a_method(m, x):
    hidden = m.a(x)
    hidden.clamp_(min=-0.1).add_(NEGATIVE)
    return m.b(hidden)


def pooled(m, x):
    small, indices = F.max_pool2d(m.conv(x).relu(), 2, return_indices=True)
    return F.conv2d(m.unpool(small, indices=indices, output_size=(6, 6)), m.conv.weight.transpose(0, 1), padding=1)


def plain(m, x):
    return m.b(F.relu(m.a(x)))


@pytest.mark.parametrize("rule", ["z-plus", "flat"])
@pytest.mark.parametrize(
    ("forward", "parts", "same"),
    [
        (lambda m, x: m.b(F.relu(functional_norm(m, m.a(x)))), {}, None),
        (lambda m, x: m.b(F.relu(functional_norm(m, x @ m.a.weight.t() + m.a.bias))), {}, None),
        (overwritten, {}, plain),
        (overwritten_by_a_module, {"act": nn.ReLU(inplace=True)}, plain),
        (overwritten_by_a_method, {}, lambda m, x: m.b(m.a(x).clamp(min=-0.1) + NEGATIVE)),
        (lambda m, x: m.b(input=F.relu(input=F.linear(input=x, weight=m.a.weight, bias=m.a.bias))), {}, plain),
        (lambda m, x: m.b(F.relu(m.a(x)).moveaxis(1, 0).ravel().view(5, -1).swapdims(0, 1)), {}, plain),
    ],
)
def test_tables_are_explained_as_by_the_tape(forward, parts, same, rule):
    found = explainers.create("lrp", Detector(made(forward, **parts)), rule=rule, first="z-box").explain(ROWS)
    expected = tape_twin.explain(made(same or forward, **parts), ROWS, first="z-box", rule=rule)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("forward", "parts"),
    [
        (lambda m, x: m.up(functional_norm_2d(m, m.conv(x)).relu())[:, :, :6, :6], {}),
        (
            lambda m, x: m.up(functional_norm_2d(m, F.conv2d(input=x, weight=m.conv.weight, padding=1)))[:, :, :6, :6],
            {},
        ),
        (lambda m, x: F.conv_transpose2d(m.conv(x).relu(), m.up.weight, None, 1, 1), {}),
    ],
)
def test_images_are_explained_as_by_the_tape(forward, parts):
    model = made(forward, **parts)
    found = explainers.create("lrp", Detector(model), first="w2").explain(IMAGES)
    expected = tape_twin.explain(model, IMAGES, first="w2")
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9 * float(expected.abs().max()))


def test_unpooling_takes_keywords_and_conserves():
    detector = Detector(made(pooled, unpool=nn.MaxUnpool2d(2)))
    relevance = explainers.create("lrp", detector, first="w2").explain(IMAGES)
    torch.testing.assert_close(relevance.flatten(1).sum(1), detector.error(IMAGES))


def aliased(m, x):
    hidden = m.a(x)
    hidden[:, :2].relu_()
    return m.b(hidden)


def constrained(m, x):
    return F.linear(x, m.a.weight.clamp_(min=0)) @ m.b.weight.t()


@pytest.mark.parametrize(
    ("forward", "x", "message"),
    [
        (lambda m, x: F.linear(m.a(x), m.b.weight[:, : x.shape[1]]), ROWS, "linear whose weight depends on the input"),
        (lambda m, x: m.b(m.a(x)) + (x @ m.a.weight[0])[:, None], ROWS, r"weights of any shape but \(in, out\)"),
        (lambda m, x: (x[:, None] @ torch.eye(6).double().expand(2, 6, 6))[:, 0], ROWS[:2], "weights of any shape"),
        (lambda m, x: m.up(m.conv(x)[:, :, ::2, ::2], output_size=[6, 6]), IMAGES, "output_padding when it is made"),
        (lambda m, x: F.conv2d(x, torch.ones(1, 1, 2, 2).double(), padding="same"), IMAGES, "more zeros on one side"),
        (
            lambda m, x: torch.batch_norm(m.a(x), *[NEGATIVE.abs()] * 4, False, 0.1, 1e-5, False),
            ROWS,
            "torch.batch_norm",
        ),
        (lambda m, x: F.layer_norm(x, (6,), weight=x[0]), ROWS, "depend on the input"),
        (aliased, ROWS, "is not the model's"),
        (constrained, ROWS, "which changes the model"),
    ],
)
def test_what_has_no_rule_is_named(forward, x, message):
    with pytest.raises(SkipError, match=message):
        explainers.create("lrp", Detector(made(forward))).explain(x)


def test_a_batch_norm_over_positions_is_not_taken_for_one_over_columns():
    model = made(lambda m, x: m.b(m.norm(m.a(x))))
    x = torch.rand(3, 5, 6, dtype=torch.float64)
    with pytest.raises(SkipError, match=r"over positions follows a \(Linear\)"):
        explainers.create("lrp", Detector(model)).explain(x)
    apart = made(lambda m, x: m.b(m.other(m.a(x))), other=nn.BatchNorm1d(4))
    x = torch.rand(3, 4, 6, dtype=torch.float64)
    found = explainers.create("lrp", Detector(apart)).explain(x)
    torch.testing.assert_close(found.flatten(1).sum(1), Detector(apart).error(x))


def relu_network(**parts: nn.Module) -> Model:
    return made(lambda m, x: m.b(F.relu(m.a(x))), **parts)


def step(model):
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    model(ROWS).square().sum().backward()
    optimiser.step()


def replace_parameter(model):
    model.a.weight = nn.Parameter(model.a.weight.detach().flip(0).clone())


@pytest.mark.parametrize(
    "change",
    [
        step,
        replace_parameter,
        lambda model: model.load_state_dict({k: v.flip(0) for k, v in model.state_dict().items()}),
        lambda model: nn.init.normal_(model.b.weight),
    ],
)
def test_weights_that_change_are_read_anew(change):
    model = relu_network()
    explainer = explainers.create("lrp", Detector(model))
    before = explainer.explain(ROWS)
    change(model)
    found, expected = explainer.explain(ROWS), explainers.create("lrp", Detector(model)).explain(ROWS)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, before)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")
@pytest.mark.parametrize("normalise", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
def test_normalised_weights_are_those_of_the_next_call(normalise):
    model = relu_network()
    normalise(model.a)
    other = relu_network()
    normalise(other.a)
    explainer = explainers.create("lrp", Detector(model))
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(torch.rand_like(parameter) + 0.5)
    model.load_state_dict(other.state_dict())
    plain = relu_network()
    with torch.no_grad():
        other(ROWS)  # computes the weights
        for name in ("a", "b"):
            getattr(plain, name).weight.copy_(getattr(other, name).weight)
            getattr(plain, name).bias.copy_(getattr(other, name).bias)
    expected = tape_twin.explain(plain, ROWS, first="z-box")
    torch.testing.assert_close(explainer.explain(ROWS), expected, rtol=1e-7, atol=1e-10)


def test_hooks_are_given_values_and_what_they_return_counts():
    seen = []
    model = relu_network(act=nn.Sequential(nn.Sigmoid()))
    model.steps = lambda m, x: m.b(m.act(m.a(x)))
    model.act.register_forward_hook(lambda module, x, y: seen.append(y))
    model.act[0].register_forward_hook(lambda module, x, y: seen.append(2 * y))
    explainers.create("lrp", Detector(model)).explain(ROWS)
    assert all(isinstance(value, torch.Tensor) for value in seen)
    assert seen
    model.act[0].register_forward_hook(lambda module, x, y: 2 * y)
    relevance = explainers.create("lrp", Detector(model)).explain(ROWS)
    torch.testing.assert_close(relevance.sum(1), Detector(model).error(ROWS))
    model.act.register_forward_hook(lambda module, x, y: 2 * y)
    with pytest.raises(SkipError, match="changed by a hook"):
        explainers.create("lrp", Detector(model)).explain(ROWS)


def test_a_sample_that_is_not_finite_spoils_itself_alone():
    explainer = explainers.create("lrp", Detector(relu_network()))
    x = ROWS.clone()
    x[0, 2] = torch.nan
    found = explainer.explain(x)
    assert found[0].isnan().any()
    torch.testing.assert_close(found[1:], explainer.explain(ROWS)[1:])


def test_the_ledger_of_no_samples_says_so():
    assert str(explainers.create("lrp", Detector(relu_network())).ledger(ROWS[:0])) == "no samples"
