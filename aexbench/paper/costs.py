"""What an explanation costs by each of the paper's methods, on one detector, side by side."""

from __future__ import annotations

from typing import Any

from aexbench.board import costs, figures
from aexbench.paper import view
from aexbench.paper.published import BACKGROUND, EVALUATIONS, LRP, OF_FIGURE_2, SHAP
from aexbench.paper.scored import Block
from aexbench.paper.view import NONE, Part

SAME, MORE, LESS = "as much", "more", "less"
NEAR = 0.01  # of the paper's rows: beside the coalitions a method asks for a few
HEADS = ("explainer", "one sample", "times LRP's", "samples/s", "rows forward", "rows backward")


def times(block: Block, name: str) -> dict[str, Any]:
    """Return what an explanation of a row costs on this detector, as far as it is known."""
    text = block.of(OF_FIGURE_2[name])
    records = (r for r in block.records if block.table.text("explainer", r.cell.explainer) == text)
    return costs.times(records)


def factor(block: Block, name: str, other: str) -> float | None:
    """Return how many times as long an explanation takes as another one, on the same machine."""
    own, its = times(block, name), times(block, other)
    if None in (own["latency_s"], its["latency_s"]) or own["hardware"] != its["hardware"]:
        return None
    return float(own["latency_s"] / its["latency_s"])


def shap_beside_the_papers(block: Block) -> str | None:
    """Return whether KernelSHAP asks as many rows of the network a sample as in the paper, more or
    less; None where that is not known.
    """
    rows = times(block, SHAP)["forward_rows"] or _shap_rows(block)
    if rows is None:
        return None
    share = rows / (EVALUATIONS * BACKGROUND)
    return SAME if abs(share - 1) < NEAR else (MORE if share > 1 else LESS)


def _shap_rows(block: Block) -> int | None:
    """Return how many rows KernelSHAP asks by its parameters, where these say so."""
    text = block.of(OF_FIGURE_2[SHAP])
    asked = {} if text is None else block.explainers[text].parameters
    evaluations, rows = asked.get("nsamples"), asked.get("rows")
    if asked.get("kmeans") or type(evaluations) is not int or type(rows) is not int:
        return None
    return evaluations * rows


def part(block: Block) -> Part:
    """Return the table of a block."""
    found = {name: times(block, name) for name in OF_FIGURE_2}
    lines = [_line(block, name, own) for name, own in found.items()]
    machines = dict.fromkeys(str(own["hardware"]) for own in found.values() if own["hardware"])
    said = [costs.where(machine) for machine in machines] or ["nothing was timed here"]
    return Part(f"What an explanation costs: {block.shown}", HEADS, lines, said=said)


def _line(block: Block, name: str, own: dict[str, Any]) -> list[str]:
    times_lrp = factor(block, name, LRP)
    return [
        name,
        figures.seconds(own["latency_s"]) + figures.spread(own["latency_spread"]) or NONE,
        NONE if times_lrp is None else view.times(times_lrp),
        figures.count(own["samples_per_s"]),
        figures.count(own["forward_rows"]),
        figures.count(own["backward_rows"]),
    ]
