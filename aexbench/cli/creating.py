"""`aexbench new`: a file that keeps its contract, and its test, to begin from."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aexbench.cli.shared import say
from aexbench.errors import RequestError

app = typer.Typer()


class Kind(StrEnum):
    """What can be written."""

    EXPLAINER = "explainer"
    DATASET = "dataset"
    CORRUPTION = "corruption"
    METRIC = "metric"


FAMILIES = {Kind.DATASET: "data set"}  # where a family has another name than its kind


@app.command()
def new(
    family: Annotated[Kind, typer.Argument(help="What it is.")],
    name: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits, hyphens.")],
    to: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the files go; here if left out.")
    ] = Path(),
) -> None:
    """Write a file with a small component that works, and its test, to begin from."""
    from aexbench import templates
    from aexbench.descriptions import to_type

    files = {to / made.file: made.text for made in templates.made(family.value, name)}
    _write(to, files)
    component, test = files
    for path in files:
        say(f"wrote {path}")
    file, tested = shlex.quote(str(component)), shlex.quote(str(test))
    say(f"Next: aexbench check {file}")
    say(f"      python -m pytest --doctest-modules {file} {tested}")
    of_family = FAMILIES.get(family, family.value)
    say(f"      {to_type(of_family, name, str(component))}")


def _write(folder: Path, files: dict[Path, str]) -> None:
    """Write new files; RequestError where one is there already, or the folder cannot be one."""
    there = [path for path in files if path.exists() or path.is_symlink()]
    if there:
        raise RequestError(
            f"{there[0]} is there already, and stays as it is: choose another name, or --to FOLDER"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RequestError(f"{folder} is no folder: name another one with --to") from None
    for path, text in files.items():
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
