"""LRP through attention by AttnLRP, whose weights take relevance too."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aexbench import Detector, SkipError, explainers
from aexbench.explainers.lrp import attention

X = torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
EARLIER = torch.ones(5, 5, dtype=torch.bool).tril()


class Attending(nn.Module):
    """One head of self-attention, in the spelling that it is given."""

    def __init__(self, mixed) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.q, self.k, self.v, self.o = (nn.Linear(4, 4) for _ in range(4))
        self.soft, self.mixed = nn.Softmax(-1), mixed

    def forward(self, x):
        return self.o(self.mixed(self, self.q(x), self.k(x), self.v(x)))


def by_function(m, q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


def by_hand(m, q, k, v):
    return torch.softmax(q @ k.transpose(1, 2) / 2, -1) @ v


def by_module(m, q, k, v):
    return torch.bmm(m.soft(torch.matmul(q / 2, k.mT)), v)


def by_names(m, q, k, v):
    return F.scaled_dot_product_attention(query=q, key=k, value=v, scale=0.5)


def causal(m, q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def masked(m, q, k, v):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=EARLIER)


def masked_by_hand(m, q, k, v):
    scores = (q @ k.transpose(1, 2) / 2).masked_fill(~EARLIER, float("-inf"))
    return torch.softmax(scores, -1) @ v


def explained(mixed, **given):
    detector = Detector(Attending(mixed).double().eval())
    return explainers.create("lrp", detector, preset="attn-lrp", **given)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (by_function, by_hand),
        (by_module, by_hand),
        (by_names, by_hand),
        (causal, masked_by_hand),
        (masked, masked_by_hand),
    ],
)
def test_every_spelling_has_one_explanation(one, other):
    found, expected = (explained(way).explain(X) for way in (one, other))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def epsilon_rule(x, weight, bias, relevance, epsilon=1e-6):
    """R_i = Σ_k R_k x_i w_ki / (z_k + ε sign z_k) of one row, z without its bias."""
    total = torch.zeros_like(x)
    for k, row in enumerate(weight):
        z = float(row @ x)
        total += relevance[k] * x * row / (z + (-epsilon if z < 0 else epsilon))
    return total


def by_the_paper(model, x, epsilon=1e-6):
    """The relevance of one window by the equations, each term by itself."""
    q, k, v = model.q(x), model.k(x), model.v(x)
    logits = q @ k.T / 2
    weights = torch.softmax(logits, -1)
    mixed = weights @ v
    x_hat = model.o(mixed)
    first = (x - x_hat).square() / x.numel()
    of_mixed = torch.stack(
        [epsilon_rule(mixed[t], model.o.weight, model.o.bias, first[t]) for t in range(len(x))]
    )
    of_weights, of_v = torch.zeros_like(weights), torch.zeros_like(v)
    of_q, of_k = torch.zeros_like(q), torch.zeros_like(k)
    for t in range(len(x)):
        for p in range(4):
            least = epsilon * mixed.abs().max()
            o = mixed[t, p] + (-least if mixed[t, p] < 0 else least)
            for j in range(len(x)):
                part = weights[t, j] * v[j, p] * of_mixed[t, p] / (2 * o)
                of_weights[t, j] += part
                of_v[j, p] += part
    for t in range(len(x)):
        whole = of_weights[t].sum()
        of_logits = logits[t] * (of_weights[t] - weights[t] * whole)
        for j in range(len(x)):
            least = epsilon * logits.abs().max()
            z = logits[t, j] + (-least if logits[t, j] < 0 else least)
            for p in range(4):
                part = q[t, p] / 2 * k[j, p] * of_logits[j] / (2 * z)
                of_q[t, p] += part
                of_k[j, p] += part
    total = torch.zeros_like(x)
    for t in range(len(x)):
        for layer, relevance in ((model.q, of_q), (model.k, of_k), (model.v, of_v)):
            total[t] += epsilon_rule(x[t], layer.weight, layer.bias, relevance[t])
    return total


def test_it_is_what_the_paper_says():
    explainer = explained(by_hand)
    with torch.no_grad():
        expected = torch.stack([by_the_paper(explainer.detector.model, x) for x in X])
    torch.testing.assert_close(explainer.explain(X), expected, rtol=1e-9, atol=1e-12)


def test_what_it_does_not_conserve_is_shown():
    explainer = explained(by_function)
    ledger = explainer.ledger(X)
    assert float(ledger.gap.min()) > 0.1
    rules = {layer.rule for layer in ledger.layers}
    assert {"softmax", "signed product", "epsilon"} <= rules
    assert "handed on" in str(ledger)


def test_attention_as_a_module_is_taken_apart_too_and_plain_lrp_stays_what_it_was():
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    model = nn.Sequential(layer, nn.Linear(4, 4)).double().eval()
    detector = Detector(model)
    plain = explainers.create("lrp", detector, first="w2").explain(X)
    attending = explainers.create("lrp", detector, preset="attn-lrp").explain(X)
    again = explainers.create("lrp", detector, first="w2").explain(X)
    assert torch.equal(plain, again)  # the graph that is kept is not changed
    assert attending.isfinite().all()
    torch.testing.assert_close(plain.flatten(1).sum(1), detector.error(X))
    assert float((attending.flatten(1).sum(1) / detector.error(X) - 1).abs().min()) > 1e-3


class Separate(nn.Module):
    """A module of attention with its three maps as layers of their own."""

    def __init__(self, whole: nn.MultiheadAttention) -> None:
        super().__init__()
        parts = zip(whole.in_proj_weight.chunk(3), whole.in_proj_bias.chunk(3), strict=True)
        self.maps = nn.ModuleList([self.of(*part) for part in parts])
        self.out = whole.out_proj

    @staticmethod
    def of(weight, bias):
        made = nn.Linear(4, 4)
        made.weight.data, made.bias.data = weight.detach().clone(), bias.detach().clone()
        return made

    def forward(self, x):
        heads = [layer(x).unflatten(-1, (2, 2)).transpose(1, 2) for layer in self.maps]
        return self.out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.attention.in_proj_weight.data[:4] *= 7.0  # queries on a scale of their own

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


def test_maps_that_lie_side_by_side_share_as_if_they_were_apart():
    whole = Whole().double().eval()
    apart = Separate(whole.attention).double().eval()
    x = X - 0.5  # of either sign: some outputs have no positive contribution
    x[0] = -x[0].abs()
    x[1] = 0.0
    found, expected = (
        explainers.create("lrp", Detector(m), first="z-plus").explain(x) for m in (whole, apart)
    )
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)


def test_what_a_mask_forbids_takes_nothing():
    x = torch.tensor([[1.0, -torch.inf, 2.0]])
    found = attention.of_softmax(x, torch.softmax(x, -1), torch.ones(1, 3), -1)
    assert found[0, 1] == 0
    assert found.isfinite().all()


def test_shared_heads_are_refused():
    def grouped(m, q, k, v):
        heads = (t.unflatten(-1, (2, 2)).transpose(1, 2) for t in (q, k, v))
        mixed = F.scaled_dot_product_attention(*heads, enable_gqa=True)
        return mixed.transpose(1, 2).flatten(2)

    with pytest.raises(SkipError, match="enable_gqa"):
        explained(grouped).explain(X)
