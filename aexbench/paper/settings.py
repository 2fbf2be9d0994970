"""What is the paper's in a store's runs and what is ours: data, networks, corruptions, seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from aexbench.paper import costs
from aexbench.paper.published import (
    CORRUPTIONS,
    ENTRIES_OF_TABLE_1,
    OF_FIGURE_2,
    SETTINGS,
    SHAP,
    UNSAID,
)
from aexbench.paper.scored import Block
from aexbench.paper.view import NONE, Part
from aexbench.running.cells import DEFAULT
from aexbench.running.store import Record
from aexbench.texts import counted, pathless

HEADS = ("what", "the paper", "here", "whose")
THEIRS, OURS, OTHER = "the paper's", "ours", "differs"
SCALE = "0 at the least error of normal rows, 1 at the 99.9th percentile of random changes of them"
ADVERSARIAL = ("theta", "alpha", "every", "steps")
WRITTEN = {"theta": "θ", "alpha": "α", "every": "k", "steps": "steps"}
THRESHOLDS = {"null": 0.3, "random": 0.5, "adversarial": 0.3}
NOT_RUN = "not run"
COUNT = 100
PIXELS = 128
SAMPLES = (10_000, 1_000)


class Setting(NamedTuple):
    """One line."""

    what: str
    paper: str
    here: str
    whose: str


def of_figure_2(block: Block) -> Part:
    """Return the settings of Section 4.1 beside those of a block."""
    records = block.records
    lines = [
        Setting("data", f"a private log: {SETTINGS['rows']}", _data(records), OURS),
        *_trained(records, f"{SETTINGS['network']}; widths {UNSAID}", OURS),
        Setting("score", SETTINGS["score"], SCALE, OURS),
        *_corrupted(block),
        _shap(block),
        _rules(block, SETTINGS["rules"], OF_FIGURE_2["LRP"]),
        _seeds(records),
    ]
    return _part(f"Whose settings these are: {block.shown}", lines)


def of_table_1(block: Block) -> Part:
    """Return the settings of Section 4.2 beside those of an object."""
    records, own = block.records, block.records[0].cell.dataset.parameters
    samples = tuple(own.get(name) for name in ("train_samples", "validation_samples"))
    made = " and ".join(f"{count:,}" for count in samples if isinstance(count, int))
    turned = f"{own.get('rotation', NONE)} degrees either way, flips {own.get('flips', NONE)}"
    lines = [
        Setting("samples", SETTINGS["samples"], made, THEIRS if samples == SAMPLES else OTHER),
        Setting(
            "rotations and flips", f"{SETTINGS['augmentation']}; angles {UNSAID}", turned, OURS
        ),
        Setting(
            "images",
            SETTINGS["images"],
            f"{own.get('size', NONE)} pixels",
            THEIRS if own.get("size") == PIXELS else OTHER,
        ),
        *_trained(records, f"{SETTINGS['architecture']} (Table 2)", THEIRS),
        _rules(block, SETTINGS["image rules"], _lrp()),
        _seeds(records),
    ]
    return _part(f"Whose settings these are: {block.shown}", lines)


def _lrp() -> Sequence[str]:
    return [entry for name, entry in ENTRIES_OF_TABLE_1.items() if name.startswith("lrp")]


def _rules(block: Block, paper: str, entries: Sequence[str]) -> Setting:
    text = block.of(entries)
    return Setting("rules of LRP", paper, text or NOT_RUN, THEIRS if text else NONE)


def _data(records: Sequence[Record]) -> str:
    return _listed(pathless(record.cell.dataset.text) for record in records)


def _trained(records: Sequence[Record], paper: str, whose: str) -> Iterator[Setting]:
    """Yield which network it is, and how long it was trained."""
    networks = _listed(map(_network, records))
    theirs = whose == OURS or networks.split(" ")[0] == "conv"  # Table 2's, with its own widths
    yield Setting("network", paper, networks, whose if theirs else OTHER)
    reports = {record.cell.detector_key: record.detector for record in records}.values()
    found = [(own.get("epochs"), own.get("best_epoch")) for own in reports]
    whole = [pair for pair in found if all(type(count) is int for count in pair)]
    if whole:
        trained, best = np.median(np.array(whole, dtype=float), axis=0)
        said = f"{trained:g}; by the error of validation that of epoch {best:g} is taken"
        yield Setting("epochs (median)", UNSAID, said, OURS)


def _network(record: Record) -> str:
    """Return the autoencoder of a record."""
    cell = record.cell
    own = str(cell.dataset.parameters.get("autoencoder", DEFAULT))
    if cell.detector.name != DEFAULT:
        return cell.detector.text
    changed = ", ".join(f"{k}={v}" for k, v in cell.detector.parameters.items())
    return f"{own} ({changed})" if changed else own


def _corrupted(block: Block) -> Iterator[Setting]:
    """Yield the thresholds, how many anomalies there are, and how the adversarial ones climb."""
    shown = {block.table.groups[name].corruption for name in block.groups.values()}
    called = {id(r): block.table.text("corruption", r.cell.corruption) for r in block.records}
    records = [r for r in block.records if called[id(r)] in shown]
    by_name: dict[str, dict[str, Any]] = {
        r.cell.corruption.name: r.cell.corruption.parameters for r in records
    }
    found = {name: own.get("threshold") for name, own in by_name.items()}
    same = all(found[name] == THRESHOLDS.get(name) for name in found)
    said = ", ".join(f"{name} {found[name]}" for name in CORRUPTIONS if name in found)
    yield Setting("thresholds T", SETTINGS["thresholds"], said, THEIRS if same else OTHER)
    counts = [own for r in records if isinstance(own := r.anomalies.get("found"), int)]
    whole = min(counts, default=0) >= COUNT
    said = f"{min(counts, default=0)} at least" if counts else NONE
    yield Setting("anomalies of each", SETTINGS["count"], said, THEIRS if whole else OTHER)
    if climb := by_name.get("adversarial"):
        steps = ", ".join(f"{WRITTEN[name]} = {climb.get(name)}" for name in ADVERSARIAL)
        yield Setting("adversarial θ, α, k, steps", UNSAID, steps, OURS)


def _shap(block: Block) -> Setting:
    text = block.of(OF_FIGURE_2[SHAP])
    if text is None:
        return Setting(SHAP, SETTINGS["shap"], NOT_RUN, NONE)
    asked = block.explainers[text].parameters
    here = f"{text}: {asked.get('nsamples')} and {asked.get('rows')}"
    whose = THEIRS if costs.shap_beside_the_papers(block) == costs.SAME else OTHER
    return Setting(SHAP, SETTINGS["shap"], here, whose)


def _seeds(records: Sequence[Record]) -> Setting:
    count = len({record.cell.detector_seed for record in records})
    return Setting("networks trained", UNSAID, counted(count, "seed"), OURS)


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))


def _part(title: str, lines: Sequence[Setting]) -> Part:
    said = [f"{OURS}: the paper does not say, or has data of its own; {OTHER}: it says otherwise"]
    return Part(title, HEADS, lines, len(HEADS), said)
