"""Archives of torch.export (`.pt2`): the whole network in one file, which torch unpickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from aexbench.digests import file_digest
from aexbench.errors import RequestError, line
from aexbench.loading.parts import Made, Wanted, source
from aexbench.loading.places import Place
from aexbench.loading.refusals import no_factory, only_options

TRUST = (
    "{name} is an archive of torch.export, and torch's loader unpickles what is in it, which can "
    "run any code: --trust (trust=True) if you know who made it; else have its class and weights, "
    "module.py:factory[weights=FILE]"
)
DYNAMIC = "dynamic_shapes=({0: torch.export.Dim('batch')},)"


def made(place: Place, wanted: Wanted) -> Made:
    """Return an exported network. One exported for single samples is given them one by one."""
    no_factory(place)
    options = only_options(place)
    if not wanted.trust:
        raise RequestError(TRUST.format(name=place.path.name))
    exported = _loaded(place.path)
    size = _batch(place, exported)
    if size not in (None, 1):
        raise RequestError(
            f"{place.path.name} was exported for batches of {size} samples: export it for any, "
            f"torch.export.export(model, (x,), {DYNAMIC})"
        )
    if size == 1:
        options["batch"] = 1
    if wanted.device != "cpu":
        from torch.export.passes import move_to_device_pass

        exported = move_to_device_pass(exported, wanted.device)
    return Made(exported.module(), options, source("export", file_digest(place.path)))


def _loaded(path: Path) -> Any:
    try:
        return torch.export.load(path)
    except Exception as error:  # whatever unpickling raises
        raise RequestError(
            f"{path.name} is no archive of torch.export.save that torch {torch.__version__} reads: "
            f"{line(error)}"
        ) from error


def _batch(place: Place, exported: Any) -> int | None:
    """Return how many samples the one input has; None for any number."""
    names = exported.graph_signature.user_inputs
    if len(names) != 1:
        raise RequestError(f"{place.path.name} takes {len(names)} inputs: export it with x alone")
    (node,) = (node for node in exported.graph.nodes if node.name == names[0])
    size = node.meta["val"].shape[0]
    return size if isinstance(size, int) else None
