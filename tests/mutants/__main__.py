"""`python -m tests.mutants [NAME…]`: try wrong versions of the code, and say which pass unseen."""

from __future__ import annotations

import argparse
import queue
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.patch import ROOT, Patch, patches
from tests.mutants.trial import Outcome, copy_tree, tried


def main(arguments: Sequence[str] | None = None) -> int:
    """Try patches and print one line for each; return 1 if one passes unseen that should not."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="kinds, or patches such as statistics-3; else all")
    parser.add_argument("--draw", type=int, help="so many at random, drawn by the commit's digest")
    parser.add_argument("--jobs", type=int, default=2, help="copies of the tree at work")
    parser.add_argument("--whole", action="store_true", help="the whole suite for what passes")
    asked = parser.parse_args(arguments)
    chosen = [p for p in patches() if not asked.names or {p.kind, p.name} & set(asked.names)]
    if asked.draw:
        known = [patch for patch in chosen if not patch.unseen]
        chosen = random.Random(_commit()).sample(known, min(asked.draw, len(known)))
    wrong = 0
    for patch, outcome in _outcomes(chosen, asked.jobs, asked.whole):
        wrong += not outcome.noticed and not patch.unseen
        print(_line(patch, outcome), flush=True)
    print(f"{len(chosen)} tried, {wrong} passed unseen that should not")
    return int(wrong > 0)


def _outcomes(chosen: Sequence[Patch], jobs: int, whole: bool) -> Iterator[tuple[Patch, Outcome]]:
    """Yield each patch with what came of it, in their order."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        trees: queue.Queue[Path] = queue.Queue()
        for number in range(jobs):
            trees.put(copy_tree(Path(folder) / str(number)))

        def trial(patch: Patch) -> Outcome:
            root = trees.get()
            try:
                return tried(patch, root, whole)
            finally:
                trees.put(root)

        yield from zip(chosen, pool.map(trial, chosen), strict=True)


def _line(patch: Patch, outcome: Outcome) -> str:
    seen = f"noticed by {outcome.by}" if outcome.noticed else "PASSED UNSEEN"
    if patch.unseen and not outcome.noticed:
        seen = f"unseen, as it says ({patch.unseen})"
    return f"{patch.name:16} {outcome.seconds:4.0f} s  {patch.file}: {patch.why}: {seen}"


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
