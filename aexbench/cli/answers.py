"""`aexbench explain`: why a detector finds rows anomalous."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aexbench.cli.shared import Plugins, load_plugins
from aexbench.errors import RequestError, tell, unknown
from aexbench.texts import counted

if TYPE_CHECKING:
    from aexbench.contracts import Dataset
    from aexbench.detector import Detector
    from aexbench.explaining.picking import Picked

OWN = "default"  # a MODEL that is the data set's own autoencoder
FORMATS = ("table", "json")
MOST = 10  # rows, where many are asked for

app = typer.Typer()

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Such as 'net.py:make[weights=net.safetensors]', a .pt2 or .onnx file, or default: "
        "the data set's own autoencoder, trained once.",
    ),
]
Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A table's file, or a data set's name with brackets.")
]

Trust = Annotated[
    bool, typer.Option("--trust", help="Read a .pt2 file, which may run code of its own.")
]
Loss = Annotated[str | None, typer.Option(help="l2 or l1; of your MODEL.")]
Output = Annotated[str | None, typer.Option(help="Which part of what your MODEL returns is x̂.")]


@app.command()
def explain(
    model: Model,
    data: Data,
    row: Annotated[
        list[int] | None,
        typer.Option("--row", min=0, help="A row's number in the file, from 0; repeatable."),
    ] = None,
    anomalies: Annotated[
        bool, typer.Option("--anomalies", help="Test rows that raise an alarm, worst first.")
    ] = False,
    above: Annotated[
        float | None, typer.Option(min=0, max=1, help="Test rows whose score is above this one.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Rows at most, the worst first: 10, or 1 if none are asked for."),
    ] = None,
    explainer: Annotated[
        str | None,
        typer.Option("--explainer", "-e", help="Who answers; an audit's choice, or residual."),
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An audit; aexbench-audit.json here, if it is of MODEL."),
    ] = None,
    format: Annotated[str, typer.Option(help="table, or json: a line a row.")] = "table",
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A picture (.svg, .png) or lines (.jsonl).")
    ] = None,
    trust: Trust = False,
    loss: Loss = None,
    output: Output = None,
    plugin: Plugins = None,
) -> None:
    """Say which features make rows anomalous, in the data's units; the worst row if none is named.

    Exit codes: 0, or 1 where no row is found.
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    if explainer is not None and audit is not None:
        raise RequestError("--explainer and --audit each say who answers: leave one of them out")
    asked = Asked(tuple(row or ()), anomalies, above, count)
    load_plugins(plugin)
    detector, rows = the_pair(model, data, trust=trust, loss=loss, output=output)
    picked = _picked(asked, detector, rows)
    if not picked.numbers:
        tell(f"no test row {asked.words}")
        raise typer.Exit(1)
    from aexbench.explaining import explain as explained
    from aexbench.explaining.choice import audit_here

    chosen = audit or (audit_here(detector) if explainer is None else None)
    found = explained(
        detector, picked.x, data=rows, explainer=explainer, audit=chosen, rows=picked.numbers
    )
    if to is not None:
        found.save(to)
    sys.stdout.write(found.json() if format == "json" else f"{found}\n")
    if picked.more:
        tell(f"{counted(picked.more, 'more such row')}: --count shows more than {asked.most}")


@dataclass(frozen=True)
class Asked:
    """Which rows are asked for: by numbers, those that raise an alarm, or those above a score."""

    numbers: tuple[int, ...]
    anomalies: bool
    above: float | None
    count: int | None

    def __post_init__(self) -> None:
        """Reject what is asked for in two ways."""
        if bool(self.numbers) + self.anomalies + (self.above is not None) > 1:
            raise RequestError("--row, --anomalies and --above: one of them at a time")
        if self.numbers and self.count is not None:
            raise RequestError("--row names the rows: leave --count out")

    @property
    def most(self) -> int:
        """How many rows at most."""
        alone = not self.anomalies and self.above is None
        return self.count or (1 if alone else MOST)

    @property
    def words(self) -> str:
        """What rows do that are looked for."""
        if self.above is None:
            return "raises an alarm (an error above the 95th percentile of normal ones)"
        return f"scores above {self.above:g}"


def _picked(asked: Asked, detector: Detector, data: Dataset) -> Picked:
    """Return the rows asked for; the one with the greatest error where none is."""
    from aexbench.explaining import picking
    from aexbench.running import alarms

    if asked.numbers:
        return picking.by_number(data, asked.numbers)
    errors = alarms.errors(detector, data.test)
    if asked.anomalies:
        least = detector.calibrated.normal_95
        return picking.most_anomalous(data, errors, least, asked.most)
    if asked.above is not None:
        least = detector.calibrated.error_at(asked.above)
        return picking.most_anomalous(data, errors, least, asked.most)
    return replace(picking.most_anomalous(data, errors, -float("inf"), asked.most), more=0)


def the_pair(
    model: str, data: str, *, trust: bool, loss: str | None, output: str | None
) -> tuple[Detector, Dataset]:
    """Return a calibrated detector and its data set, as a command line names them."""
    from aexbench import families, loading
    from aexbench.explaining.making import fitted

    own = is_own(model, loss, output, trust)
    rows = families.datasets.create(data_set(data, scaled=own))
    if own:
        return rows.detector(), rows
    named: Any = loss or "l2"  # the Detector refuses another one
    return fitted(
        loading.load(model, trust=trust, loss=named, output=which_output(output)), rows
    ), rows


def is_own(model: str, loss: str | None, output: str | None, trust: bool) -> bool:
    """Whether a MODEL is the data set's own autoencoder, of which nothing is to be said."""
    if model == OWN and (loss or output or trust):
        raise RequestError("--loss, --output and --trust are for a model of yours, not for default")
    return model == OWN


def which_output(output: str | None) -> str | int | None:
    """Return which part of a model's result is x̂: a number where it is one, else a name."""
    return int(output) if output is not None and output.isdecimal() else output


def data_set(text: str, scaled: bool, labels: Path | None = None) -> str:
    """Return the data set that a file's name stands for, any other text as it is: a model of one's
    own takes a table's values as they are.
    """
    from aexbench import families, specs

    endings = families.datasets.describe("file").declaration.endings
    if not text.lower().endswith(endings):
        if labels is not None:
            raise RequestError("--labels are of a table's rows: write file[path=…,labels=FILE]")
        return text
    given = {"path": text} | ({} if scaled else {"scale": "none"})
    return specs.write("file", given | ({} if labels is None else {"labels": str(labels)}))
