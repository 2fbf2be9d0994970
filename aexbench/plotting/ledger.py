"""`ledger`: where the relevance goes, layer by layer, on anomalies of a store's detector.

It asks explainers that keep a book (`explainer.ledger(x)`, as lrp does), so it needs the store's
detectors, anomalies and data sets; nothing is trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from aexbench import families
from aexbench.autoencoders import training
from aexbench.errors import RequestError, plain
from aexbench.plotting.choosing import Wanted
from aexbench.plotting.drawing import altair, values
from aexbench.plotting.looks import Look
from aexbench.plotting.names import fold
from aexbench.plotting.parts import MANY, below_title
from aexbench.running.cells import DEFAULT, GIVEN
from aexbench.running.packed import AnyStore
from aexbench.running.store import Record, Store
from aexbench.texts import pathless

MOST_SAMPLES = 100  # all activations are kept at once
QUANTILES = (0.05, 0.5, 0.95)
MOST_EXPLAINERS = 4
SHAPES = ("circle", "square", "triangle-up", "diamond")
WIDTH, LANE = 240, 15  # in pixels: of a side, and of each explainer in a layer
NAME, KEY = 40, 40
WHOLE = "x: the whole map"


class Layer(Protocol):
    """What a book says of one layer, per sample (N,) as tensors."""

    name: str
    rule: str
    received: Any
    handed_on: Any
    contraction: Any
    random: Any


class Ledger(Protocol):
    """A book of several samples."""

    error: Any
    total: Any
    correlation: Any
    layers: Sequence[Layer]
    diagonal: Any
    tied: float


@dataclass(frozen=True)
class Book:
    """What one explainer's relevance does on one anomaly set."""

    explainer: str
    ledger: Ledger


def books(store: AnyStore, records: Sequence[Record], wanted: Wanted) -> tuple[str, list[Book]]:
    """Return the name of an anomaly set, and the books of those who explain it.

    The set is the first of the store in the board's order, or the first whose name holds what
    `wanted.only` says.

    Raises
    ------
    RequestError
        If no explainer of the store keeps a book, or the store lacks what it takes.
    """
    shown = [r for r in records if r.state == "ok" and r.cell.plain]
    shown = [r for r in shown if r.role == "explainer"]
    wanted.check(record.cell.explainer.text for record in shown)
    if wanted.explainers:
        shown = [r for r in shown if r.cell.explainer.text in wanted.explainers]
    by_set: dict[str, list[Record]] = {}
    for record in shown:
        by_set.setdefault(set_name(record), []).append(record)
    (name, *_) = wanted.groups(by_set) if by_set else [""]
    keeping = [record for record in by_set.get(name, []) if _keeps(record)]
    if not keeping:
        raise RequestError(
            f"no explainer of {store.root} keeps a ledger as lrp does: run it with -e lrp"
        )
    if len(wanted.explainers) > min(MOST_EXPLAINERS, len(keeping)):
        names = ", ".join(record.cell.explainer.text for record in keeping)
        raise RequestError(f"name at most {MOST_EXPLAINERS} that keep a ledger: {names}")
    return name, [_book(store, record) for record in keeping[:MOST_EXPLAINERS]]


def set_name(record: Record) -> str:
    """Return what the anomalies of a record are called."""
    cell = record.cell
    own = "" if cell.detector.text in (DEFAULT, GIVEN) else f" {cell.detector.shown}"
    return f"{cell.dataset.shown}{own} / {cell.corruption.shown}, seed {cell.anomaly_seed}"


def _keeps(record: Record) -> bool:
    """Whether a record's explainer keeps a book, and is known here."""
    name = record.cell.explainer.name
    known = name in families.explainers.names()
    return known and hasattr(families.explainers.describe(name).target, "ledger")


def _book(store: AnyStore, record: Record) -> Book:
    """Return an explainer's book."""
    cell = record.cell
    path = _weights(store, record)
    rows = families.datasets.create(cell.dataset.text)
    recipe = training.recipe(cell.detector.text, rows.autoencoder)
    detector = training.from_file(path, rows, recipe, "cpu")
    explainer: Any = families.explainers.create(
        cell.explainer.text, detector, background=rows.train
    )
    anomalies = store.anomalies_of(record)
    return Book(cell.explainer.shown, explainer.ledger(anomalies.x[:MOST_SAMPLES]))


def _weights(store: AnyStore, record: Record) -> Path:
    """Return the file of the detector; RequestError where the store has none that can be made."""
    if not isinstance(store, Store):
        raise store.lacks("detectors")
    if record.cell.detector.name == GIVEN:
        raise RequestError(
            f"{store.root} is of a given network, which is not in it: explainers.create('lrp', "
            "detector).ledger(x) shows the same"
        )
    path = store.path("detectors", record.cell.detector_key)
    if not path.exists():
        raise RequestError(f"{path} is missing: run the suite again to renew it")
    return path


def data(found: Sequence[Book]) -> list[dict[str, Any]]:
    """Return one line for each explainer and layer, from the output to the input.

    `kept` is the relevance that the layer hands on, as a share of the error e(x, x̂), `contraction`
    the ledger's and `random` that of a layer of random weights; they are medians over samples, with
    5 % and 95 % quantiles. The last line is of the map that comes of it, with what reaches x past
    the network.
    """
    return [line for lane, book in enumerate(found) for line in _lines(lane, book)]


def _lines(lane: int, book: Book) -> Iterator[dict[str, Any]]:
    """Yield the lines of one explainer; the last is of the whole map."""
    error, layers = book.ledger.error, book.ledger.layers
    own = {"lane": lane, "explainer": fold(book.explainer, KEY)}
    for place, layer in enumerate(layers):
        shares = _spread("kept", layer.handed_on / error)
        shares |= _spread("contraction", layer.contraction) | _spread("random", layer.random)
        yield own | {"place": place, "name": fold(f"{layer.name}, {layer.rule}", NAME)} | shares
    whole = _spread("kept", book.ledger.total / error)
    whole |= _spread("contraction", None) | _spread("random", None)
    yield own | {"place": len(layers), "name": WHOLE} | whole


def _spread(name: str, samples: Any) -> dict[str, float | None]:
    """Return the median of samples (N,) and two quantiles, None where none is a number."""
    numbers = np.array([] if samples is None else samples.cpu().numpy(), dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    ends = np.quantile(numbers, QUANTILES).tolist() if len(numbers) else [None] * 3
    return dict(zip((f"{name}_low", name, f"{name}_high"), ends, strict=True))


def chart(title: str, name: str, found: Sequence[Book], colours: Look) -> Any:
    """Return the chart: at the left how much relevance is left, at the right how much of what
    distinguishes the error.
    """
    alt, rows = altair(), data(found)
    sides = [
        _side(alt, rows, "kept", "relevance handed on [share of the error]", colours, True),
        _side(
            alt,
            rows,
            "contraction",
            "contraction (0 forgets which outputs are wrong; | a random layer)",
            colours,
            False,
        ),
    ]
    said = [*below_title(name), *_correlations(found), *_diagonals(found)]
    said.append("median of samples, lines: 5 % to 95 %; from the output (above) to the input")
    heading = alt.TitleParams(plain(pathless(f"{title}: where the relevance goes")), subtitle=said)
    return alt.hconcat(*sides, spacing=24, title=heading)


def _correlations(found: Sequence[Book]) -> list[str]:
    """Return how much the whole maps depend on which outputs are wrong."""
    shown = [f"{b.explainer} {float(np.median(b.ledger.correlation.cpu())):.2f}" for b in found]
    return below_title(f"rank correlation with the loss-ablated map: {', '.join(shown)}")


def _diagonals(found: Sequence[Book]) -> list[str]:
    """Return how often an output's relevance reaches its own feature, as a multiple of chance."""
    shown = []
    for book in found:
        tied = book.ledger.tied
        random = "" if np.isnan(tied) else f" (a random tied layer {tied:.1f})"
        shown.append(f"{book.explainer} {float(np.median(book.ledger.diagonal.cpu())):.1f}{random}")
    return below_title(f"relevance that reaches its own feature, over chance: {', '.join(shown)}")


def _side(alt: Any, rows: list[dict[str, Any]], field: str, says: str, c: Look, named: bool) -> Any:
    lanes = sorted({row["lane"] for row in rows})
    names = [next(r["explainer"] for r in rows if r["lane"] == lane) for lane in lanes]
    places = sorted({row["place"] for row in rows})
    base = alt.Chart(values(alt, rows)).encode(
        y=alt.Y("place:O", axis=None, scale=alt.Scale(domain=places)),
        yOffset=alt.YOffset("lane:O", scale=alt.Scale(domain=lanes)),
    )
    ends = [row[f"{field}_{end}"] for row in rows for end in ("low", "high")]
    known = [end for end in ends if end is not None]
    scale = alt.Scale(domain=[min(0.0, *known), max(1.0, *known)])
    x = alt.X(f"{field}:Q", title=says, scale=scale)
    colour = alt.Scale(domain=names, range=list(c.lines[: len(names)]))
    shape = alt.Scale(domain=names, range=list(SHAPES[: len(names)]))
    legend = alt.Legend(title=None, orient="bottom", direction="vertical") if named else None
    line = base.mark_rule(clip=True).encode(
        x=alt.X(f"{field}_low:Q", scale=scale),
        x2=f"{field}_high:Q",
        color=alt.Color("explainer:N", scale=colour, legend=legend),
    )
    dots = base.mark_point(filled=True, size=50, opacity=1).encode(
        x=x,
        color=alt.Color("explainer:N", scale=colour, legend=legend),
        shape=alt.Shape("explainer:N", scale=shape, legend=legend),
    )
    layers = [line, dots, *([_names(alt, rows, c)] if named else [_at_random(base, alt, scale, c)])]
    height = alt.Step(max(22, LANE * len(lanes) + 8), **{"for": "position"})
    return alt.layer(*layers).properties(width=WIDTH, height=height)


def _at_random(base: Any, alt: Any, scale: Any, c: Look) -> Any:
    """Return a stroke for each layer where one of random weights would be."""
    x = alt.X("random:Q", scale=scale)
    return base.mark_tick(color=c.ink, thickness=2, size=LANE).encode(x=x)


def _names(alt: Any, rows: list[dict[str, Any]], c: Look) -> Any:
    """Return the names of the layers with their rules, those of the first explainer."""
    first = [row for row in rows if row["lane"] == 0]
    base = alt.Chart(values(alt, first)).encode(y=alt.Y("place:O", axis=None))
    text = base.mark_text(align="right", color=c.ink, **MANY)
    return text.encode(x=alt.value(-8), text="name:N")
