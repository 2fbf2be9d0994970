"""What readers of models are told and what they return; what names a model that was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from aexbench.digests import file_digest, value_digest

OPTIONS = ("loss", "output", "draws", "batch")  # of a Detector, that may stand in brackets
SOURCE = "loaded_from"  # the attribute of a module that holds its digest


class Wanted(NamedTuple):
    """Where a model is to be, and whether its file may run code when it is read."""

    device: str = "cpu"
    trust: bool = False


class Made(NamedTuple):
    """A module, what the brackets say of its Detector, and the digest of what made it."""

    module: torch.nn.Module
    options: Mapping[str, Any]
    source: str


def source(kind: str, *parts: object) -> str:
    """Return the digest of what a model is made from: contents and names, no paths."""
    return value_digest([kind, *parts])


def counted(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as they count: of a file that one names, its content."""
    return {name: _counted(value) for name, value in parameters.items()}


def _counted(value: Any) -> Any:
    if isinstance(value, list):
        return [_counted(part) for part in value]
    if isinstance(value, str) and len(value) < 1000 and Path(value).is_file():
        return f"sha256:{file_digest(Path(value))}"
    return value


def contents(paths: Iterable[Path]) -> list[str]:
    """Return the digests of files, in the order of their names."""
    return [file_digest(path) for path in sorted(paths)]


def mark(module: torch.nn.Module, digest: str) -> None:
    """Note on a module what it was made from: that names it, with its tensors."""
    setattr(module, SOURCE, digest)
