"""Explanations as files: pictures and lines of JSON, by the end of the name."""

from __future__ import annotations

from pathlib import Path

from aexbench import files
from aexbench.errors import RequestError
from aexbench.explaining.parts import Explanations
from aexbench.explaining.pictures import picture
from aexbench.plotting.drawing import ENDINGS


def save(explanations: Explanations, path: Path) -> Path:
    """Write a picture or lines of JSON.

    Raises
    ------
    RequestError
        If the name ends otherwise, or there is nothing to draw.
    """
    if path.suffix == ".jsonl":
        content = explanations.json().encode()
    elif path.suffix in ENDINGS:
        content = picture(explanations.items, path.suffix[1:])
    else:
        raise RequestError(f"{path.name}: a name ends in .svg, .png or .jsonl")
    files.make_folder(path.parent)
    files.write_bytes(path, content)
    return path
