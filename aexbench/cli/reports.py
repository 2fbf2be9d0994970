"""What `aexbench check` prints of a component: rules, what is wrong, and what to type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import typer

from aexbench.cli.shared import say, wrapped
from aexbench.texts import counted

if TYPE_CHECKING:
    from aexbench.checking import Remark, Report
    from aexbench.conformance import Finding


@dataclass(frozen=True)
class Checked:
    """A component of a file, with what came of its rules, and remarks."""

    file: Path
    report: Report
    remarks: Sequence[Remark] = ()

    @property
    def code(self) -> int:
        """What it is worth as an exit code."""
        return 2 if self.report.untried else int(bool(self.report.broken))

    def mend(self, finding: Finding) -> str:
        """Return the line that mends a broken rule; empty where there is none."""
        from aexbench.checking import mend

        return mend(self.report.family, self.report.name.partition("[")[0], finding)

    @property
    def again(self) -> str:
        """The command that tries it with the parameters that it needs; empty if it needs none."""
        inside = ",".join(f"{name}=…" for name in self.report.needs)
        named = quote(f"{self.report.name}[{inside}]")
        return f"aexbench check {quote(str(self.file))} {named}" if inside else ""


def show(checked: Checked) -> None:
    """Print what came of each rule; what is wrong once for all rules that it breaks."""
    from aexbench.checking import grouped

    report = checked.report
    on = f", on {report.on}" if report.on else ""
    typer.secho("\n".join(wrapped(f"{report.family} {report.name}{on}")), bold=True)
    for finding in report.findings:
        if not finding.problem:
            _tell("kept", finding.rule)
    for group in grouped(report.broken):
        _tell("BROKEN", group.first.rule, "red")
        _tell("", group.first.problem)
        _tell("mend it", checked.mend(group.first))
        _tell("and so", ", ".join(other.rule for other in group.others))
    _tell("not tried", report.untried, "yellow")
    _tell("type", checked.again)
    for remark in checked.remarks:
        _tell("remark", remark.text)
        _tell("add", remark.line)
    typer.echo()


def _tell(word: str, text: str, colour: str | None = None) -> None:
    """Print a text behind a word; nothing where there is no text."""
    for line in wrapped(text, f"  {word:9}  ", " " * 13) if text else ():
        typer.secho(line, fg=colour)


def sum_up(file: Path, done: Sequence[Checked], left: int) -> None:
    """Print how many rules are kept, or broken, how many components were not reached, and what to
    type next.
    """
    findings = [finding for checked in done for finding in checked.report.findings]
    broken = sum(bool(finding.problem) for finding in findings)
    untried = left + sum(bool(checked.report.untried) for checked in done)
    say(f"{file.name}: {counted(len(findings) - broken, 'rule')} kept, {broken} broken")
    if untried:
        say(f"{counted(untried, 'component')} not tried")
    if not broken and not untried:
        from aexbench.descriptions import to_type

        report = done[0].report
        say(f"Next: {to_type(report.family, report.name, str(file))}")


def exit_code(done: Sequence[Checked]) -> int:
    """Return 1 where a rule is broken, else 2 where something was not tried, else 0."""
    codes = {checked.code for checked in done}
    return 1 if 1 in codes else max(codes)


def as_json(checked: Checked) -> dict[str, Any]:
    """Return what came of a component, for programs."""
    from aexbench.checking import grouped

    report = checked.report
    because = {
        other.rule: group.first for group in grouped(report.broken) for other in group.others
    }
    rules = [
        {"rule": one.rule, "problem": one.problem}
        | ({"mend": checked.mend(because.get(one.rule, one))} if one.problem else {})
        | ({"because": because[one.rule].rule} if one.rule in because else {})
        for one in report.findings
    ]
    return {
        "family": report.family,
        "name": report.name,
        "on": report.on,
        "rules": rules,
        "untried": report.untried,
        "remarks": [remark._asdict() for remark in checked.remarks],
    }
