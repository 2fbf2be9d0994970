"""`aexbench merge`: results of several stores become one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aexbench.cli.shared import say
from aexbench.errors import tell
from aexbench.texts import counted

if TYPE_CHECKING:
    from aexbench.merging.merge import Merged

app = typer.Typer()


@app.command()
def merge(
    stores: Annotated[
        list[Path], typer.Argument(metavar="STORE...", help="Stores, as runs wrote them or packed.")
    ],
    to: Annotated[Path, typer.Option(help="The folder to write into, a new one.")],
    leave_out: Annotated[
        bool,
        typer.Option(
            "--leave-out", help="Merge without what is refused; of two figures the first stays."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come of it, and write nothing.")
    ] = False,
) -> None:
    """Merge the results of several stores into a new one; what does not fit is named."""
    from aexbench.cli.boards import write_board
    from aexbench.merging import writing
    from aexbench.merging.merge import merge as merged_of

    writing.check_free(to)
    merged = merged_of(stores)
    for note in merged.notes:
        say(note)
    for line in merged.refused:
        tell(f"error: {line}")
    if merged.refused and not leave_out:
        tell(f"error: {_refused(merged)}: nothing is merged (--leave-out merges the others)")
        raise typer.Exit(1)
    say(_counts(merged, to, dry_run))
    if dry_run:
        return
    writing.write(merged, to)
    if merged.packed:
        write_board(to)
    say(f"Next: aexbench leaderboard {shlex.quote(str(to))}")


def _refused(merged: Merged) -> str:
    return f"{counted(len(merged.refused), 'result')} refused"


def _counts(merged: Merged, to: Path, dry_run: bool) -> str:
    """Return how many cells of which store come together, and what is not kept of them."""
    own = [f"{counted(len(one.results), 'cell')} of {one.root}" for one in merged.sources]
    come = "would come" if dry_run else "come"
    form = "packed: no attributions, anomalies, weights, single timings" if merged.packed else "all"
    kept = f"{counted(len(merged.results), 'cell')} {come} into {to} ({form})"
    left = f"; {_refused(merged)}" if merged.refused else ""
    return f"{', '.join(own)}: {kept}{left}"
