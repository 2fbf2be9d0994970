"""An audit of a model and data that texts name: cells run in processes of their own, which read
both themselves and can be killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aexbench import families
from aexbench.auditing.auditing import SUITE, audit, audited, fitted, of_worth
from aexbench.auditing.report import Audit
from aexbench.auditing.trying import Trying, silent
from aexbench.auditing.worth import examined
from aexbench.components import Component, component
from aexbench.digests import value_digest
from aexbench.errors import tell
from aexbench.loading.places import parse
from aexbench.running import planning
from aexbench.running.matrix import RESULTS
from aexbench.running.pool import Apart
from aexbench.running.sources import Model
from aexbench.running.store import Store
from aexbench.running.workers import Limits
from aexbench.running.workspace import Workspace
from aexbench.state import as_usual


@dataclass(frozen=True)
class Asked:
    """What is to be audited, and how.

    Attributes
    ----------
    model, options
        The text that names the model, and what stands in its brackets besides.
    data
        A data set's name with brackets.
    explainers
        More of them, by name.
    budget
        Seconds for all explainers, and what one may take for a cell.
    jobs
        Cells that run at once.
    """

    model: str
    data: str
    budget: float
    trust: bool = False
    options: tuple[tuple[str, object], ...] = ()
    explainers: Sequence[str] = ()
    jobs: int = 1
    store: Path | None = None
    quiet: bool = False


def audit_named(asked: Asked) -> Audit:
    """Return the audit of a model that is never trained here."""
    place = parse(asked.model).absolute()
    model = Model(
        replace(place, parameters={**place.parameters, **dict(asked.options)}), asked.trust
    )
    rows = component(families.datasets, asked.data)
    workspace = Workspace(Store(asked.store or _folder(model, rows), create=True), "cpu")
    workspace.take(model)
    dataset = workspace.dataset(rows)
    with as_usual():
        detector, notes = fitted(model.detector("cpu", dataset.features), dataset)
        detector, worth = examined(detector, dataset)
    if worth.problem:
        return of_worth(worth, detector, notes)
    trying = Trying(
        workspace,
        rows,
        model.network,
        dataset,
        detector,
        planning.load(SUITE),
        asked.budget,
        [planning.explainer(name) for name in asked.explainers],
        Apart(asked.jobs, Limits(asked.budget or None)).checked(),
        asked.quiet,
        silent if asked.quiet else tell,
    )
    return audited(trying, worth, notes)


def audit_own(asked: Asked) -> Audit:
    """Return the audit of a data set's own autoencoder, which is trained once."""
    dataset = component(families.datasets, asked.data).make()
    return audit(
        dataset.detector(),
        dataset,
        explainers=asked.explainers,
        budget=asked.budget,
        store=asked.store,
        quiet=asked.quiet,
    )


def _folder(model: Model, rows: Component) -> Path:
    """Return where the results of an audit go: another folder for other models or data."""
    return RESULTS / f"audit-{value_digest([model.network.key, rows.key])[:12]}"
