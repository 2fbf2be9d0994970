"""What a model may be written like: against the tape, or refused with what stands in the way."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from aexbench import Detector, SkipError, explainers
from aexbench.explainers.lrp import averages, bicubic, sums
from aexbench.explainers.lrp.capture import capture
from aexbench.explainers.lrp.propagation import Propagation
from tests.explainers import tape_twin


class Model(nn.Module):
    """Two layers, and a forward pass of the test's choice."""

    def __init__(self, forward, **parts: nn.Module) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 6)
        self.conv, self.up = (
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1),
        )
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
    return F.batch_norm(
        h,
        m.norm.running_mean,
        m.norm.running_var,
        m.norm.weight,
        m.norm.bias,
        m.training,
        0.1,
        1e-3,
    )


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
    return F.conv2d(
        m.unpool(small, indices=indices, output_size=(6, 6)),
        m.conv.weight.transpose(0, 1),
        padding=1,
    )


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
        (
            lambda m, x: m.b(
                input=F.relu(input=F.linear(input=x, weight=m.a.weight, bias=m.a.bias))
            ),
            {},
            plain,
        ),
        (
            lambda m, x: m.b(F.relu(m.a(x)).moveaxis(1, 0).ravel().view(5, -1).swapdims(0, 1)),
            {},
            plain,
        ),
    ],
)
def test_tables_are_explained_as_by_the_tape(forward, parts, same, rule):
    found = explainers.create(
        "lrp", Detector(made(forward, **parts)), rule=rule, first="z-box"
    ).explain(ROWS)
    expected = tape_twin.explain(made(same or forward, **parts), ROWS, first="z-box", rule=rule)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("forward", "parts"),
    [
        (lambda m, x: m.up(functional_norm_2d(m, m.conv(x)).relu())[:, :, :6, :6], {}),
        (
            lambda m, x: m.up(
                functional_norm_2d(m, F.conv2d(input=x, weight=m.conv.weight, padding=1))
            )[:, :, :6, :6],
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


def overwritten_base(m, x):
    hidden = m.a(x)
    view = hidden.view(-1, 5)
    hidden.clamp_(max=3.0)
    return m.b(view)


@pytest.mark.parametrize(
    ("forward", "x", "message"),
    [
        (
            lambda m, x: m.b(m.a(x)) + (x @ m.a.weight[0])[:, None],
            ROWS,
            r"weights of any shape but \(in, out\)",
        ),
        (
            lambda m, x: (x[:, None] @ torch.eye(6).double().expand(2, 6, 6))[:, 0],
            ROWS[:2],
            "nothing to propagate through",
        ),
        (
            lambda m, x: F.conv2d(x, torch.ones(1, 1, 2, 2).double(), padding="same"),
            IMAGES,
            "more zeros on one side",
        ),
        (lambda m, x: F.layer_norm(x, (6,), weight=x[0]), ROWS, "depend on the input"),
    ],
)
def test_what_has_no_rule_is_named(forward, x, message):
    with pytest.raises(SkipError, match=message):
        explainers.create("lrp", Detector(made(forward))).explain(x)


@pytest.mark.parametrize(
    ("forward", "same", "x"),
    [
        (
            constrained,
            lambda m, x: F.linear(x, m.a.weight.detach().clamp(min=0)) @ m.b.weight.t(),
            ROWS,
        ),
        (
            lambda m, x: F.linear(m.a(x), m.b.weight[:, : x.shape[1]]),
            lambda m, x: F.linear(m.a(x), m.b.weight),
            ROWS,
        ),
        (
            lambda m, x: m.b(
                torch.batch_norm(m.a(x), *[NEGATIVE.abs()] * 4, False, 0.1, 1e-5, False)
            ),
            lambda m, x: m.b(F.batch_norm(m.a(x), *[NEGATIVE.abs()] * 4, False, 0.1, 1e-5)),
            ROWS,
        ),
        (
            lambda m, x: m.up(m.conv(x)[:, :, ::2, ::2], output_size=[6, 6]),
            lambda m, x: F.conv_transpose2d(
                m.conv(x)[:, :, ::2, ::2], m.up.weight, m.up.bias, 2, 1, 1
            ),
            IMAGES,
        ),
        (overwritten_base, lambda m, x: m.b(m.a(x).clamp(max=3.0)), ROWS),
        (
            aliased,
            lambda m, x: m.b(torch.cat([torch.relu(m.a(x)[:, :2]), m.a(x)[:, 2:]], 1)),
            ROWS,
        ),
    ],
)
def test_what_torch_fx_does_not_take_is_read_by_torch_export(forward, same, x):
    model = made(forward)
    with pytest.raises(SkipError):
        capture(model)
    found = explainers.create("lrp", Detector(model), first="w2").explain(x)
    expected = explainers.create("lrp", Detector(made(same)), first="w2").explain(x)
    torch.testing.assert_close(found, expected)


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
    found, expected = (
        explainer.explain(ROWS),
        explainers.create("lrp", Detector(model)).explain(ROWS),
    )
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


@pytest.mark.parametrize(
    ("part", "hook", "message"),
    [
        ("act", lambda module, x, y: 2 * y, "or a hook"),
        ("act.0", lambda module, x, y: 2 * y, r"a hook changes what act.0 \(Sigmoid\)"),
        ("a", lambda module, x, y: y.flip(1), r"a \(Linear\) does not return what its weights say"),
    ],
)
def test_a_hook_that_changes_something_is_refused(part, hook, message):
    model = relu_network(act=nn.Sequential(nn.Sigmoid()))
    model.steps = lambda m, x: m.b(m.act(m.a(x)))
    explainer = explainers.create("lrp", Detector(model))
    explainer.explain(ROWS)
    model.get_submodule(part).register_forward_hook(hook)
    with pytest.raises(SkipError, match=message):
        explainer.explain(ROWS)


def test_a_sample_that_is_not_finite_spoils_itself_alone():
    explainer = explainers.create("lrp", Detector(relu_network()))
    x = ROWS.clone()
    x[0, 2] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        explainer.explain(x)
    found = explainer.explainer.explain(x)  # behind the door
    assert found[0].isnan().any()
    torch.testing.assert_close(found[1:], explainer.explain(ROWS)[1:])


def test_the_ledger_of_no_samples_says_so():
    assert str(explainers.create("lrp", Detector(relu_network())).ledger(ROWS[:0])) == "no samples"


def test_a_sum_is_an_average_of_fixed_weights():
    model = made(
        lambda m, x: (
            m.b(torch.relu(m.a(x))).sum(1, keepdim=True)
            + torch.relu(m.a(x)).mean(1, keepdim=True)
            + x
        )
    )
    relevance = explainers.create("lrp", Detector(model)).explain(ROWS)
    torch.testing.assert_close(relevance.sum(1), Detector(model).error(ROWS))


def test_a_sum_goes_to_the_operands_of_its_own_sign():
    operations = capture(made(lambda m, x: x[:, :1] + x[:, 1:2] - x[:, 2:]))
    propagation = Propagation(operations, {})
    x = torch.tensor([[-3.0, 1.0, 0.0], [2.0, 1.0, 1.0], [1.0, -1.0, 2.0], [0.0, 0.0, 0.0]])
    found = propagation.backward(propagation.forward(x), torch.ones(4, 1))
    by_hand = torch.tensor(  # (a + b) − c: the sum a + b comes last in the forward pass, so first
        [[1.0, 0.0, 0.0], [2 / 3, 1 / 3, 0.0], [0.0, 0.0, 1.0], [0.25, 0.25, 0.5]]
    )
    torch.testing.assert_close(found, by_hand)


def test_two_operands_that_cancel_share_by_their_sizes():
    shares = sums.share(torch.tensor([[2.0]]), torch.tensor([[-2.0]]), torch.ones(1, 1))
    assert [float(share) for share in shares] == [0.5, 0.5]


def test_an_average_below_0_goes_to_what_pulls_it_down():
    x = torch.tensor([[-3.0, 1.0, -1.0], [3.0, -1.0, 1.0], [2.0, -2.0, 0.0]])
    found = averages.share(lambda v: v.mean(1, keepdim=True), x, torch.ones(3, 1))
    by_hand = torch.tensor([[0.75, 0.0, 0.25], [0.75, 0.0, 0.25], [0.5, 0.5, 0.0]])
    torch.testing.assert_close(found, by_hand)


@pytest.mark.parametrize("aligned", [False, True])
def test_a_bicubic_upsampling_shares_by_contributions_of_the_sum_s_sign(aligned):
    def upsampled(v):
        return F.interpolate(v, (7, 5), mode="bicubic", align_corners=aligned)

    x = torch.randn(3, 2, 4, 3, dtype=torch.float64)
    relevance = torch.rand(3, 2, 7, 5, dtype=torch.float64)
    weights = upsampled(torch.eye(12, dtype=torch.float64).view(12, 1, 4, 3)).view(12, 35)
    assert bool((weights < -0.01).any())
    parts = x.view(6, 12, 1) * weights  # of each input in each output
    parts = (parts * parts.sum(1, keepdim=True).sign()).clamp_min(0)
    by_hand = (parts / parts.sum(1, keepdim=True) * relevance.view(6, 1, 35)).sum(2).view_as(x)
    torch.testing.assert_close(bicubic.share(upsampled, x, relevance), by_hand)


def test_what_is_detached_takes_no_relevance():
    straight_through = made(lambda m, x: m.b((h := torch.relu(m.a(x))) + (h.round() - h).detach()))
    plain = made(lambda m, x: m.b(torch.relu(m.a(x)) + 0.0))
    detector = Detector(straight_through)
    (operation,) = [o for o in capture(straight_through) if o.function == "detach"]
    assert not operation.carries
    explainer = explainers.create("lrp", detector)
    torch.testing.assert_close(explainer.explain(ROWS).sum(1), detector.error(ROWS))
    assert [o.kind for o in capture(plain) if o.function == "add"] == ["pass"]
    with pytest.raises(SkipError, match="on what is detached alone"):
        capture(made(lambda m, x: m.b(m.a(x.detach()))))


def sigmoid_unit(m, x):
    return m.b(F.silu(m.a(x)))


def sigmoid_alone(m, x):
    return m.b(torch.sigmoid(m.a(x)))


def all_of(parts):
    return torch.cat([parts[number] for number in range(len(parts))], 1)


def hard_swish(m, x):
    return m.b(F.hardswish(m.a(x)))


def soft_sign(m, x):
    return m.b(F.softsign(m.a(x)))


def by_weights(m, x):
    return m.a(x) @ m.b.weight.t()


def gated(m, x):
    h, gate = m.a(x), torch.sigmoid(m.a(x).flip(1))
    return m.b(h * gate + gate)


def gated_twice(m, x):
    h, gate, again = m.a(x), torch.sigmoid(m.a(x).flip(1)), torch.sigmoid(m.a(x).flip(1))
    return m.b(h * gate + again)


def attends(m, x, attention):
    h = m.a(x)[:, :4].reshape(-1, 2, 2)
    mixed = (attention(h, h.flip(1)) + h + h.flip(1)).flatten(1)
    return m.b(torch.cat([mixed, m.a(x)[:, 4:]], 1))


def by_function(q, v):
    return F.scaled_dot_product_attention(q, q, v)


def by_hand(q, v):
    return torch.softmax(q @ q.transpose(-2, -1) / 2**0.5, -1) @ v


def centred(m, x):
    h = m.a(x)
    mean = h.mean(1, keepdim=True)
    return m.b((h - mean) + mean)


def centred_twice(m, x):
    h = m.a(x)
    return m.b((h - h.mean(1, keepdim=True)) + h.mean(1, keepdim=True))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (gated, gated_twice),  # what is a gate here is a signal there
        (lambda m, x: attends(m, x, by_function), lambda m, x: attends(m, x, by_hand)),
        (centred, centred_twice),
        (lambda m, x: m.b(torch.mul(input=m.a(x), other=torch.sigmoid(m.a(x)))), sigmoid_unit),
        (lambda m, x: m.b(torch.div(input=m.a(x), other=m.a(x).abs() + 1)), soft_sign),
        (lambda m, x: torch.matmul(input=m.a(x), other=m.b.weight.t()), by_weights),
        (lambda m, x: m.b(m.a(x).mul(other=torch.sigmoid(m.a(x)))), sigmoid_unit),
        (lambda m, x: m.b(m.a(x) * F.relu6(m.a(x) + 3) / 6), hard_swish),
        (lambda m, x: m.b(m.a(x) * (F.relu6(m.a(x) + 3) / 6)), hard_swish),
        (lambda m, x: m.b(m.a(x) * torch.clamp(m.a(x) / 6 + 0.5, 0, 1)), hard_swish),
        (lambda m, x: m.b(m.a(x) * (m.a(x) + 3).clip(min=0, max=6) / 6), hard_swish),
        (lambda m, x: m.b(m.a(x) * F.hardtanh(m.a(x) + 3, 0.0, 6.0) / 6), hard_swish),
        # what is cut off and shifted by a signal, or cut off elsewhere, is a signal
        (
            lambda m, x: m.b(F.relu6(m.a(x) + m.a(x).flip(1)) * torch.sigmoid(m.a(x))),
            lambda m, x: m.b(F.relu(m.a(x) + m.a(x).flip(1)) * torch.sigmoid(m.a(x))),
        ),
        (
            lambda m, x: m.b(torch.clamp(m.a(x) + 3, 0, 100) * torch.sigmoid(m.a(x))),
            lambda m, x: m.b(F.relu(m.a(x) + 3) * torch.sigmoid(m.a(x))),
        ),
        (lambda m, x: m.b(torch.sigmoid(m.a(x)) * (x[:, :1] >= 0).float()), sigmoid_alone),
        (lambda m, x: m.b(all_of(m.a(x).chunk(5, 1))), lambda m, x: m.b(m.a(x))),
    ],
)
def test_an_operand_is_held_where_it_is_asked_whatever_else_reads_it(one, other):
    found, expected = (
        explainers.create("lrp", Detector(made(way)), first="w2").explain(ROWS)
        for way in (one, other)
    )
    torch.testing.assert_close(found, expected)


RULES = ("z-plus", "w2", "z-box", "epsilon", "gamma", "alpha-beta", "sign", "flat")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "forward",
    [
        lambda m, x, relu: m.b(relu(m.a(x))),
        lambda m, x, relu: m.b(m.a(x) + relu(m.a(-x) - 9)),
        lambda m, x, relu: m.b(relu(m.a(x) - 9)),
        lambda m, x, relu: m.b(-relu(m.a(x)) * 2),
    ],
)
def test_a_relu_is_a_clamp_at_zero(forward, rule):
    settings = (
        {"first": rule, "rule": "z-plus"} if rule == "z-box" else {"first": rule, "rule": rule}
    )

    def explained(relu):
        detector = Detector(made(lambda m, x: forward(m, x, relu)))
        return explainers.create("lrp", detector, **settings).explain(ROWS)

    found, expected = explained(torch.relu), explained(lambda h: h.clamp(min=0))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_the_arguments_of_a_convolution_may_go_by_position():
    layers = {
        "c": nn.Conv2d(2, 2, 3, padding=2, dilation=2),
        "d": nn.Conv2d(2, 2, 3, padding=1, groups=2),
    }
    found, expected = (
        explainers.create("lrp", Detector(made(forward, **layers))).explain(
            torch.cat([IMAGES, IMAGES.flip(3)], 1)
        )
        for forward in (
            lambda m, x: F.conv2d(
                F.relu(F.conv2d(x, m.c.weight, m.c.bias, 1, 2, 2)),
                m.d.weight,
                m.d.bias,
                1,
                1,
                1,
                2,
            ),
            lambda m, x: m.d(F.relu(m.c(x))),
        )
    )
    torch.testing.assert_close(found, expected)


def linear(weight: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight)
    return layer


def test_what_a_hardtanh_returns_may_be_negative():
    """Of outputs .5 · 1 + (−.5) · (−3) = 2 the negative value has given three quarters."""
    first, last = torch.diag(torch.tensor([0.5, -0.5])), torch.tensor([[1.0, -3.0]] * 2)
    detector = Detector(nn.Sequential(linear(first), nn.Hardtanh(), linear(last)).double())
    x = torch.ones(1, 2, dtype=torch.float64)
    relevance = explainers.create("lrp", detector, first="w2").explain(x)
    torch.testing.assert_close(relevance, torch.tensor([[0.25, 0.75]], dtype=torch.float64))


def test_padding_that_something_else_fills_is_no_padding():
    """x̂ = Σ x in every column, so that a column's share is its value."""
    parts = {
        "none": linear(torch.zeros(2, 4)),
        "same": linear(torch.eye(4)),
        "sum": linear(torch.ones(4, 4)),
    }
    model = made(lambda m, x: m.sum(F.pad(m.none(x), (1, 1)) + m.same(x)), **parts)
    x = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)
    relevance = explainers.create("lrp", Detector(model), first="w2").explain(x)
    torch.testing.assert_close(relevance / Detector(model).error(x), x)


def test_a_chunk_that_two_layers_read_has_what_both_hand_back():
    def forward(m, x):
        parts = F.relu(m.first(x)).chunk(2, dim=1)
        return m.left(parts[0]) + m.right(parts[0]) + torch.cat([parts[1], parts[1]], 1)

    layers = {"first": nn.Linear(6, 6), "left": nn.Linear(3, 6), "right": nn.Linear(3, 6)}
    detector = Detector(made(forward, **layers))
    relevance = explainers.create("lrp", detector).explain(ROWS)
    torch.testing.assert_close(relevance.sum(1), detector.error(ROWS))


@pytest.mark.parametrize("preset", ["paper-tabular", "paper-image"])
def test_padding_apart_is_padding_within(preset):
    found, expected = (
        explainers.create("lrp", Detector(made(forward)), preset=preset).explain(IMAGES)
        for forward in (
            lambda m, x: F.conv2d(
                F.pad(F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1)), m.conv.weight)), (1,) * 4),
                m.up.weight.flip(0).transpose(0, 1),
            ),
            lambda m, x: F.conv2d(
                F.relu(F.conv2d(x, m.conv.weight, padding=1)),
                m.up.weight.flip(0).transpose(0, 1),
                padding=1,
            ),
        )
    )
    torch.testing.assert_close(found, expected)


def test_bounds_follow_the_input_wherever_it_goes():
    merged = made(lambda m, x: m.b(F.relu(m.a(x.reshape(-1, 6)))).view(x.shape))
    x = torch.rand(3, 4, 6, dtype=torch.float64)
    found = explainers.create("lrp", Detector(merged), first="z-box").explain(x)
    torch.testing.assert_close(
        found,
        explainers.create("lrp", Detector(relu_network()), first="z-box")
        .explain(x.view(-1, 6))
        .view_as(x)
        / 4,
    )

    def sized(m, x):
        hidden = F.relu(m.a(x))
        return m.b(hidden.reshape(hidden.size(0), -1)) + m.c(x)

    detector = Detector(made(sized, c=nn.Linear(6, 6)))
    torch.testing.assert_close(
        explainers.create("lrp", detector, first="z-box").explain(ROWS).sum(1), detector.error(ROWS)
    )


def test_the_first_rule_is_that_of_layers_behind_a_scaling():
    scaled = made(lambda m, x: m.b(F.relu(m.a((x - 0.5) / -0.2))))
    explainer = explainers.create("lrp", Detector(scaled), first="z-box", low=0.0, high=1.0)
    found = explainer.explain(ROWS)
    assert list(explainer.names.values()) == ["z-box", "z-plus"]
    folded = made(lambda m, x: m.b(F.relu(m.a(x))))
    with torch.no_grad():
        folded.a.bias -= 0.5 * folded.a.weight.sum(1) / -0.2
        folded.a.weight /= -0.2
    # The error is of x itself in both.
    torch.testing.assert_close(
        found, explainers.create("lrp", Detector(folded), first="z-box").explain(ROWS)
    )


def factor_of(norm: nn.BatchNorm1d) -> torch.Tensor:
    return norm.weight / torch.sqrt(norm.running_var + norm.eps)


@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_a_batch_norm_that_alone_follows_is_folded_with_its_own_epsilon(eps):
    model = made(lambda m, x: m.b(F.relu(m.norm(m.a(x)))))
    model.norm.eps = eps
    folded = made(lambda m, x: m.b(F.relu(m.a(x))))
    with torch.no_grad():
        factor = factor_of(model.norm)
        folded.a.bias.copy_(factor * (model.a.bias - model.norm.running_mean) + model.norm.bias)
        folded.a.weight.mul_(factor[:, None])
    assert (factor < 0).any()  # it turns signs
    for rule in ("z-plus", "epsilon"):  # a factor's size matters beside an ε alone
        relevance = [
            explainers.create("lrp", Detector(one), rule=rule, first=rule, epsilon=0.3).explain(
                ROWS
            )
            for one in (model, folded)
        ]
        torch.testing.assert_close(*relevance)


def test_a_batch_norm_is_not_folded_into_a_layer_that_others_read():
    def written_out(m, h):
        factor = factor_of(m.norm).detach()
        return h * factor + (m.norm.bias - m.norm.running_mean * factor).detach()

    def twice(normalised):
        def steps(m, x):
            hidden = m.a(x)
            return m.b(F.relu(normalised(m, hidden)) + F.relu(hidden))

        return explainers.create("lrp", Detector(made(steps)), first="z-plus").explain(ROWS)

    torch.testing.assert_close(twice(lambda m, h: m.norm(h)), twice(written_out))


def test_a_batch_norm_is_folded_even_if_sizes_are_read():
    def sized(m, x):
        hidden = m.conv(x)
        n, c, h, w = hidden.shape
        return m.up(F.relu(m.norm2d(hidden)).view(n, c, h, w))[:, :, :6, :6]

    found = explainers.create("lrp", Detector(made(sized)), first="w2").explain(IMAGES)
    plain = made(lambda m, x: m.up(F.relu(m.norm2d(m.conv(x))))[:, :, :6, :6])
    torch.testing.assert_close(
        found, explainers.create("lrp", Detector(plain), first="w2").explain(IMAGES)
    )


@pytest.mark.parametrize("scale", [1e-3, 1.0, 255.0, 1e5])
def test_raw_values_in_float32_are_no_mixed_batch(scale):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 784)
        )
        x = scale * torch.rand(32, 784)
    relevance = explainers.create("lrp", Detector(model), first="w2").explain(x)
    torch.testing.assert_close(relevance.sum(1), Detector(model).error(x), rtol=1e-4, atol=0)


def test_optional_arguments_have_their_defaults():
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 6)

        def forward(self, x, mask=None, latent=False):
            if mask is not None:
                x = x * mask
            code = F.relu(self.a(x))
            return code if latent else self.b(code)

    detector = Detector(Masked().double())
    torch.testing.assert_close(
        explainers.create("lrp", detector).explain(ROWS).sum(1), detector.error(ROWS)
    )


@pytest.mark.parametrize(
    ("model", "x", "error"),
    [
        (lambda: made(lambda m, x: m.b(F.hardtanh_(m.a(x)))), ROWS, None),
        (lambda: made(lambda m, x: m.b(F.logsigmoid(m.a(x)))), ROWS, None),
        (lambda: made(lambda m, x: F.linear(m.a(x), F.normalize(m.b.weight))), ROWS, None),
        (lambda: made(lambda m, x: torch.mm(m.a(x), mat2=m.b.weight.t())), ROWS, None),
        (lambda: made(lambda m, x: F.linear(m.a(x), m.b.weight)), ROWS, None),
        (
            lambda: made(lambda m, x: F.batch_norm(m.a(x), None, None)),
            ROWS,
            "the batch's statistics",
        ),
        (lambda: made(lambda m, x: torch.zeros_like(m.a(x))), ROWS, "does not depend"),
        (lambda: made(lambda m, x: m.b(torch.clamp(m.a(x)[:, :1], min=NEGATIVE))), ROWS, None),
        (lambda: relu_network(), torch.rand(3, 7), "cannot take samples of shape"),
    ],
)
def test_it_is_explained_or_refused_in_one_line(model, x, error):
    detector = Detector(model())
    if error is None:
        relevance = explainers.create("lrp", detector).explain(x)
        torch.testing.assert_close(relevance.sum(1), detector.error(x))
    else:
        with pytest.raises((SkipError, ValueError), match=error):
            explainers.create("lrp", detector).explain(x)


def test_what_changes_in_the_model_is_noticed():
    def after(change):
        model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 6)).double()
        explainer = explainers.create("lrp", Detector(model))
        explainer.explain(ROWS)
        change(model)
        return explainer.explain(ROWS), explainers.create("lrp", Detector(model)).explain(ROWS)

    def replace(model):
        model[0] = nn.Linear(6, 5).double()

    def pruned(model):
        prune.l1_unstructured(model[0], "weight", 0.3)
        model.load_state_dict(
            {
                key: value * 2 if "weight_orig" in key else value
                for key, value in model.state_dict().items()
            }
        )

    for change in (replace, pruned, lambda model: model.__setitem__(1, nn.Tanh())):
        torch.testing.assert_close(*after(change))


def test_refused_models_keep_what_they_hold_and_the_random_state():
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.seen, self.cache = nn.Linear(6, 6), [], {}
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x):
            hidden = self.layer(x)
            self.seen.append(hidden)
            self.cache["hidden"] = hidden
            return hidden + torch.randn(6)

    model = Noisy()
    state = torch.random.get_rng_state()
    explainer = explainers.create("lrp", Detector(model))
    assert (model.seen, model.cache) == ([], {})
    with pytest.raises(SkipError, match="random"):
        explainer.explain(torch.rand(3, 6, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_view_that_is_overwritten_later_is_not_followed_by_torch_fx():
    with pytest.raises(SkipError, match="overwrites a view"):
        capture(made(aliased))
    with pytest.raises(SkipError, match="overwrites a view"):
        capture(made(overwritten_base))
    inside = nn.Sequential(
        nn.Linear(6, 8),
        nn.Unflatten(1, (2, 4)),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(8, 6),
    )
    relevance = explainers.create("lrp", Detector(inside)).explain(ROWS.float())
    torch.testing.assert_close(relevance.sum(1), Detector(inside).error(ROWS.float()))


def test_functions_have_names_of_their_own():
    model = made(lambda m, x: F.linear(F.linear(x, m.a.weight), m.b.weight))
    explainer = explainers.create("lrp", Detector(model), layers=["linear_1=flat"], first="w2")
    assert list(explainer.names.values()) == ["w2", "flat"]


def test_the_ledger_books_each_sample_and_the_map_that_is_explained():
    merged = made(lambda m, x: m.b(F.relu(m.a(x.reshape(-1, 6)))).view(x.shape))
    x = torch.rand(3, 4, 6, dtype=torch.float64)
    ledger = explainers.create("lrp", Detector(merged), relevance="uniform", root=0.5).ledger(x)
    assert all(len(layer.received) == len(layer.contraction) == 3 for layer in ledger.layers)
    torch.testing.assert_close(ledger.total, ledger.error)
    perfect = explainers.create(
        "lrp", Detector(nn.Sequential(nn.Linear(2, 2, bias=False))), first="w2"
    )
    with torch.no_grad():
        perfect.detector.model[0].weight.copy_(torch.eye(2))
    assert perfect.ledger(torch.rand(3, 2)).layers[0].contraction.isnan().all()


def asserting(m, x):
    assert x.shape[1] == 6
    return m.b(F.relu(m.a(x)))


def branching(m, x):
    if x.dim() == 2 and len(x.shape) == x.ndim:
        x = x.view(*x.shape)
    batch, *rest = x.shape
    return m.b(F.relu(m.a(x.reshape(batch, *rest))))


def looping(m, x):
    hidden = torch.stack([F.relu(m.a(x))[:, i] for i in range(m.a(x).shape[1])], dim=1)
    return m.b(torch.stack(list(hidden.unbind(1)), dim=1))


@pytest.mark.parametrize("forward", [asserting, branching, looping])
def test_a_forward_pass_may_ask_for_shapes(forward):
    explainer = explainers.create("lrp", Detector(made(forward)))
    expected = explainers.create("lrp", Detector(relu_network())).explain(ROWS)
    torch.testing.assert_close(explainer.explain(ROWS), expected)
    torch.testing.assert_close(explainer.explain(ROWS[:1]), expected[:1])  # a batch of another size
    torch.testing.assert_close(torch.cat([explainer.explain(ROWS)] * 3), torch.cat([expected] * 3))


def test_samples_of_another_shape_are_followed_anew():
    def upsampled(m, x):
        height, width = x.shape[2:]
        return F.interpolate(
            m.out(F.avg_pool2d(F.relu(m.conv(x)), 2)), size=(int(height), int(width))
        )

    detector = Detector(made(upsampled, out=nn.Conv2d(4, 1, 1)))
    explainer = explainers.create("lrp", detector)
    for x in (IMAGES, torch.rand(2, 1, 8, 4, dtype=torch.float64), IMAGES[:1]):
        torch.testing.assert_close(explainer.explain(x).flatten(1).sum(1), detector.error(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_part_that_torch_has_traced_is_read():
    plain = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 6)).double()
    traced = nn.Sequential(torch.jit.trace(plain[0], ROWS[:2]), plain[1], plain[2])
    found, expected = (
        explainers.create("lrp", Detector(model), first="w2").explain(ROWS)
        for model in (traced, plain)
    )
    torch.testing.assert_close(found, expected)
