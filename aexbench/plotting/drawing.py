"""Charts of altair as files: SVG, or PNG at twice its size. No browser, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aexbench import files
from aexbench.errors import RequestError
from aexbench.extras import optional
from aexbench.texts import pathless, plain_lines

PIXELS = 2  # of a PNG, for each of the SVG's
ENDINGS = (".svg", ".png")


def altair() -> Any:
    """Return the package that charts are made by; SkipError if it is not installed."""
    return optional("altair", extra="plots")


def values(altair: Any, rows: list[dict[str, Any]]) -> Any:
    """Return the data of a chart; nothing in their texts does anything, wherever they are shown
    (vl-convert ends the process at some control characters).
    """
    return altair.Data(values=[{key: _shown(value) for key, value in row.items()} for row in rows])


def _shown(value: Any) -> Any:
    return plain_lines(pathless(value)) if isinstance(value, str) else value


def to_bytes(chart: Any, form: str) -> bytes:
    """Return a chart as an SVG, which holds all that it shows, or as a PNG."""
    convert = optional("vl_convert", extra="plots")
    if form == "svg":
        return str(convert.vegalite_to_svg(chart.to_dict())).encode()
    return bytes(convert.vegalite_to_png(chart.to_dict(), scale=PIXELS))


def check_name(path: Path) -> None:
    """Raise RequestError if a name is not one of a picture."""
    if path.suffix not in ENDINGS:
        raise RequestError(f"{path.name}: a name ends in .svg or .png")


def save(chart: Any, path: Path) -> Path:
    """Write a chart by the end of its name; RequestError if that is neither .svg nor .png."""
    check_name(path)
    content = to_bytes(chart, path.suffix[1:])
    files.make_folder(path.parent)
    files.write_bytes(path, content)
    return path
