"""Attention by AttnLRP (Achtibat et al. 2024): its weights take relevance too, back to queries and
keys.

    O = A V: R_A = ½ A ⊙ (s Vᵀ), R_V = ½ V ⊙ (Aᵀ s) with s = R / (O + ε sign O)     (Prop. 3.3)
    softmax of x, with values s: R_i = x_i (R_i − s_i Σ_j R_j)                        (Prop. 3.1)

Shares are signed, and do not conserve: the ledger and the gap say by how much.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from aexbench import SkipError
from aexbench.explainers.lrp.handlers.nodes import Modules, function_of
from aexbench.explainers.lrp.operations import Operation

SOFTMAX = ("softmax", "_softmax")
NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")


def taken_apart(graph: fx.Graph, modules: Modules) -> fx.Graph:
    """Return a copy of a graph with products and a softmax in place of
    `scaled_dot_product_attention`.
    """
    made = copy.deepcopy(graph)
    for node in list(made.nodes):
        if function_of(node, modules) == "scaled_dot_product_attention":
            _rewrite(made, node)
    return made


def _rewrite(graph: fx.Graph, node: fx.Node) -> None:
    given = dict(zip(NAMES, node.args, strict=False)) | node.kwargs
    if given.get("enable_gqa"):
        raise SkipError("lrp[preset=attn-lrp] has no rule for attention with enable_gqa")
    mask, causal = given.get("attn_mask"), given.get("is_causal", False)
    with graph.inserting_before(node):
        keys = graph.call_function(torch.transpose, (given["key"], -2, -1))
        queries = graph.call_function(scaled_query, (given["query"], given.get("scale")))
        scores = graph.call_function(torch.matmul, (queries, keys))
        masked = graph.call_function(masked_scores, (scores, mask, causal))
        weights = graph.call_function(torch.softmax, (masked, -1))
        mixed = graph.call_function(torch.matmul, (weights, given["value"]))
        laid = graph.call_function(laid_like, (mixed, given["query"]))
    for made in (keys, queries, scores, masked, weights, mixed, laid):
        made.meta |= {k: v for k, v in node.meta.items() if k != "val"}
    node.replace_all_uses_with(laid)
    graph.erase_node(node)


def scaled_query(query: torch.Tensor, scale: float | None) -> torch.Tensor:
    """Return queries (…, T, d) scaled, by 1/√d unless something else is said."""
    return query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)


def masked_scores(scores: torch.Tensor, mask: torch.Tensor | None, causal: bool) -> torch.Tensor:
    """Return scores (…, T, S), −∞ where a mask forbids to look, or later steps are forbidden."""
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is None:
        return scores
    forbidden = scores.new_full((), -torch.inf)
    return torch.where(mask, scores, forbidden) if mask.dtype == torch.bool else scores + mask


def laid_like(mixed: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """Return results laid as the queries are: so does torch's own attention, and views rely on
    it.
    """
    return torch.empty_like(query).copy_(mixed) if mixed.shape == query.shape else mixed


def shared(operations: Sequence[Operation]) -> None:
    """Let attention's weights take their share: products of signals and softmaxes have the rules
    above.
    """
    for operation in operations:
        if operation.kind == "bilinear":
            operation.kind = "signed product"
        elif operation.function in SOFTMAX and operation.kind == "pass":
            operation.kind = "softmax"


def of_product(
    a: torch.Tensor, b: torch.Tensor, relevance: torch.Tensor, epsilon: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return half of the relevance of A B for A, and half for B, of their shapes; ε in units of a
    product's greatest value, as scores are scaled before or behind it.
    """
    product = a @ b
    least = epsilon * product.abs().amax((-2, -1), keepdim=True)
    s = relevance / (product + torch.where(product < 0, -least, least)) / 2
    return (a * (s @ b.mT)).sum_to_size(a.shape), (b * (a.mT @ s)).sum_to_size(b.shape)


def of_softmax(
    x: torch.Tensor, weights: torch.Tensor, relevance: torch.Tensor, dim: int
) -> torch.Tensor:
    """Return x (R − s Σ R); what a mask forbids takes none."""
    found = relevance - weights * relevance.sum(dim, keepdim=True)
    return torch.where(x.isfinite(), x * found, 0.0)


def axis(operation: Operation) -> int:
    """Return the axis of a softmax, whether a module or a function says it."""
    given: Any = getattr(operation.compute, "dim", None)
    if given is None:
        given = operation.kwargs.get("dim", operation.args[1] if len(operation.args) > 1 else -1)
    return int(given)
