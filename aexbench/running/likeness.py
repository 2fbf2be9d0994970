"""How alike an explanation is on the trained detector and on a control of it: rank correlations,
derived from stored attributions once both are there.

A map that stays the same on a detector that knows nothing does not come from what was learned,
whatever it scores (Adebayo et al. 2018, "Sanity Checks for Saliency Maps").
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aexbench import files
from aexbench.contracts import AnomalySet
from aexbench.correlations import centred_ranks, correlation
from aexbench.running.store import Likeness, Record, Store
from aexbench.waiting import waiting

Place = tuple[str, str, int]
Found = list[tuple[Record, Likeness]]
COMPARING = "comparing explanations with those of controls"


def derive(store: Store, records: Sequence[Record]) -> list[str]:
    """Write into the records of controls how alike they are to those of the trained detector, where
    that is not known yet; return a line for each that cannot be read.
    """
    complaints: list[str] = []
    wanted = list(lacking(records))
    with waiting(COMPARING) as say:
        for number, (trained, controls) in enumerate(wanted, start=1):
            say(f"{COMPARING}: {number} of {len(wanted)}", (number - 1) / len(wanted))
            try:
                found = _compared(store, trained, controls, complaints)
            except (files.DamagedFileError, files.UnreadableError) as error:
                complaints.append(str(error))
            else:
                _write(store, found)
    return complaints


def _compared(
    store: Store, trained: Record, controls: Sequence[Record], complaints: list[str]
) -> Found:
    """Return how alike controls are to a trained detector's record; those that cannot be read are
    added to the complaints.
    """
    found, anomalies = [], store.anomalies_of(trained)
    known = _ranks(store, trained, anomalies)
    for record in controls:
        try:
            own = _ranks(store, record, anomalies)
        except (files.DamagedFileError, files.UnreadableError) as error:
            complaints.append(str(error))
        else:
            found.append((record, likeness(correlation(known, own), trained)))
    return found


def lacking(records: Sequence[Record]) -> Iterator[tuple[Record, list[Record]]]:
    """Yield each record of a trained detector whose controls lack their likeness to it, with these:
    one of them may have been finished before the other, or run again.
    """
    ok = [record for record in records if record.state == "ok"]
    trained = {place(record): record for record in ok if record.cell.plain}
    controls: dict[Place, list[Record]] = defaultdict(list)
    for record in ok:
        known = trained.get(place(record))
        if record.cell.control != "none" and known is not None and of(record, known) is None:
            controls[place(record)].append(record)
    yield from ((trained[one], own) for one, own in controls.items())


def place(record: Record) -> Place:
    """Return what a control shares with the trained detector's record: the anomalies, the
    explainer and its seed.
    """
    cell = record.cell
    return cell.anomaly_key, cell.explainer.key, cell.explainer_seed


def of(control: Record, trained: Record) -> Likeness | None:
    """Return how alike a control is to the attributions that a trained detector's record has now;
    None where that is not known.
    """
    found = control.likeness
    return found if found is not None and found.to == _name(trained) else None


def likeness(found: NDArray[np.float64], trained: Record) -> Likeness:
    """Return what a record says of correlations (N,) with a trained detector's attributions."""
    defined = found[~np.isnan(found)]
    mean = float(defined.mean()) if len(defined) else None
    return Likeness(mean=mean, samples=len(defined), to=_name(trained))


def ranks(attributions: NDArray[np.floating], anomalies: AnomalySet) -> NDArray[np.float64]:
    """Return the centred ranks of attributions by feature (N, M), of the anomalies that raise an
    alarm.
    """
    values = anomalies.features.sum_groups(attributions[anomalies.alarmed])
    return centred_ranks(values.reshape(len(values), math.prod(values.shape[1:])))


def _ranks(store: Store, record: Record, anomalies: AnomalySet) -> NDArray[np.float64]:
    """Return the ranks of a record's attributions."""
    attributions = store.read_attributions(record)
    if attributions.shape != anomalies.x.shape:
        path = store.path("attributions", record.cell.key)
        raise files.DamagedFileError(f"{path} holds no attributions of its anomalies")
    return ranks(attributions, anomalies)


def _write(store: Store, found: Found) -> None:
    """Put what was found into records as they are now, unless they have been run again since."""
    with files.together() as write:
        for record, own in found:
            now = store.record(record.cell.key)
            if now is not None and now.files.get("attributions") == record.files["attributions"]:
                store.write_record(now.model_copy(update={"likeness": own}), write)


def _name(trained: Record) -> str:
    """Return what names attributions: the beginning of their checksum."""
    return trained.files["attributions"].sha256[:12]
