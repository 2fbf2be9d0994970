"""The pages, and the blocks of commands and code that stand in them.

A comment above a block says what is done with it: `<!-- not run: WHY -->` (its commands are only
parsed), `<!-- dry run: WHY -->` (runs are planned), `<!-- needs: MODULE -->`, `<!-- slow -->`. A
Python block that begins with `# NAME.py` is a file, and is there for what follows.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TEMPLATE = ROOT / ".github" / "PULL_REQUEST_TEMPLATE" / "result.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", TEMPLATE, *sorted(DOCS.glob("*.md"))]
MARK = re.compile(r"<!-- (not run|dry run|needs|slow)(?:: (.+))? -->")


@dataclass(frozen=True)
class Block:
    """A fenced block, and what the comment above it says."""

    page: Path
    line: int
    language: str
    text: str
    mark: str = ""
    said: str = ""

    @property
    def slow(self) -> bool:
        return self.mark == "slow"

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a console block, without what they print."""
        typed = [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]
        return [shlex.split(line, comments=True) for line in typed]

    @property
    def file(self) -> str | None:
        """The name of the file that a Python block is."""
        found = re.match(r"# (\w+\.py)\n", self.text)
        return found and found[1]

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    lines, start, mark = page.read_text().splitlines(), None, ("", "")
    for number, line in enumerate(lines, start=1):
        if start is not None and line == "```":
            language, text = lines[start - 1][3:], "\n".join(lines[start : number - 1])
            yield Block(page, start, language, f"{text}\n", *mark)
            start, mark = None, ("", "")
        elif start is None and line.startswith("```"):
            start = number
        elif start is None and line:
            found = MARK.fullmatch(line)
            mark = (found[1], found[2] or "") if found else ("", "")


BLOCKS = [block for page in PAGES for block in blocks(page)]
CONSOLE = [block for block in BLOCKS if block.language == "console"]
PYTHON = [block for block in BLOCKS if block.language == "python"]
TOML = [block for block in BLOCKS if block.language == "toml"]
