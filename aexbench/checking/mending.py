"""The line that mends a broken rule: what to type, by family, rule and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from aexbench.conformance import Finding

GENERATOR = "seed a generator of its own: rng = np.random.default_rng(seed)"
DRAWS = "draw from rng alone: torch.as_tensor(rng.random(tuple(x.shape))).to(x)"
BY_CONTENT = (
    "draw each sample's numbers by its content: from aexbench.explainers.tools.seeding import "
    "generators; np.stack([rng.random(x.shape[1:]) for rng in generators(x, seed)])"
)
BY_ITSELF = "compute each sample by itself, never over dim 0: error.flatten(1).amax(dim=1)"
RANKS = "use the ranks alone: ranks = scipy.stats.rankdata(attributions, axis=1)"


class Hint(NamedTuple):
    """For findings of a rule whose problem matches a pattern: the line that mends them.

    An empty rule or pattern is any; `{name}` stands for the component's.
    """

    rule: str
    pattern: str
    line: str


HINTS: dict[str, tuple[Hint, ...]] = {
    "explainer": (
        Hint("", "random state", BY_CONTENT),
        Hint("", "samples that it was given", "copy the samples first: x = x.clone()"),
        Hint("", "returns a torch tensor", "return torch.as_tensor(attributions).to(x)"),
        Hint("", "attributions have shape", "return one value for each of x, in the shape of x"),
        Hint("", "not floats", "return attributions.to(x.dtype)"),
        Hint("", "not finite", "divide by nothing that can be 0: value / scale.clamp_min(1e-12)"),
        Hint(
            "",
            "modes or hooks",
            "take hooks away again: handle.remove(); change modes with "
            "aexbench.detector.evaluation_mode(model.modules())",
        ),
        Hint("leaves the model", "", "change a copy: model = copy.deepcopy(detector.model)"),
        Hint("", "does not require grad", "put `with torch.enable_grad():` around the gradient"),
        Hint("with and without autograd", "differ", "do not ask whether autograd is on"),
        Hint("repeatable", "differ", f"keep nothing between calls, and {BY_CONTENT}"),
        Hint("a sample alone as in a batch", "differ", f"{BY_ITSELF}; or {BY_CONTENT}"),
        Hint("any order", "differ", f"{BY_ITSELF}; or {BY_CONTENT}"),
        Hint("skips what it does not take", "", 'raise aexbench.SkipError("for images alone")'),
    ),
    "corruption": (
        Hint("", "returns [A-Za-z]+, not AnomalySet", "return an aexbench.AnomalySet"),
        Hint("", "its mask alone", "keep the rest as it was: return torch.where(mask, values, x)"),
        Hint(
            "",
            "returns 0 of",
            "change the value by more, or ask for less: "
            '@corruptions.register("{name}", threshold=0.1)',
        ),
        Hint(
            "", "are not finite", "divide by nothing that can be 0: value / scale.clamp_min(1e-12)"
        ),
        Hint("", "have shape", "return samples of the shape of the clean ones"),
        Hint(
            "made out of the clean rows that it names",
            "",
            "remember the rows: AnomalySet(…, unit=rows, clean=clean[rows])",
        ),
        Hint(
            "changes what its truth holds", "not changed", "leave out samples that did not change"
        ),
        Hint("changes what its truth holds", "", "say what has changed: truth = x != clean[rows]"),
        Hint(
            "passes the threshold by the change",
            "names no threshold",
            'say it in the report: AnomalySet(…, report={{"threshold": threshold}})',
        ),
        Hint(
            "passes the threshold by the change",
            "(error|score) (differs|has)",
            "let the detector say both: error = detector.error(x), score = detector.score(x)",
        ),
        Hint(
            "passes the threshold by the change",
            "",
            "keep those alone: detector.score(clean) <= threshold < detector.score(x)",
        ),
        Hint("the same again with the same seed", "", DRAWS),
        Hint("others with another seed", "", "draw by the seed: rng = np.random.default_rng(seed)"),
        Hint(
            "the first of many are those of few",
            "",
            "draw one row a sample, never one column: rng.random((len(x), …))",
        ),
        Hint(
            "the same in chunks of any size",
            "",
            "ask the detector through detector.error(x); let nothing depend on detector.chunk_rows",
        ),
        Hint("leaves the detector", "scale", "calibrate a copy: copy.copy(detector).calibrate(…)"),
        Hint("leaves the detector", "", "change a copy: detector = copy.deepcopy(detector)"),
        Hint("leaves the clean samples", "", "copy them first: clean = clean.copy()"),
        Hint("leaves the random state", "", DRAWS),
        Hint("skips what it does not take", "", 'raise aexbench.SkipError("for images alone")'),
    ),
    "metric": (
        Hint(
            "finite scores, one a sample or one in all",
            r"of shape \(\) for",
            "return one score a sample, or say that there is one in all: "
            '@metrics.register("{name}", pooled=True)',
        ),
        Hint(
            "finite scores, one a sample or one in all",
            r"not floats of shape \(\)",
            "return one score in all: float(scores.mean())",
        ),
        Hint(
            "finite scores, one a sample or one in all",
            "returns",
            "return floats, one a sample: np.asarray(scores, dtype=np.float64)",
        ),
        Hint(
            "finite scores, one a sample or one in all",
            "not finite",
            "divide by nothing that can be 0, such as len(truth) - 1",
        ),
        Hint(
            "a sample alone as in a batch",
            "",
            "compute each sample by itself (axis=1), or say that it pools: "
            '@metrics.register("{name}", pooled=True)',
        ),
        Hint("samples in any order", "", "let no score depend on a sample's place in the batch"),
        Hint(
            "columns in any order", "", "let no score depend on a column's place: no weights by it"
        ),
        Hint("attributions in any unit", "", RANKS),
        Hint("ties cost what chance costs", "", f"{RANKS}, in which ties share their mean rank"),
        Hint(
            "the direction that it declares",
            "higher is better, it says",
            '@metrics.register("{name}", higher_is_better=False)',
        ),
        Hint(
            "the direction that it declares",
            "lower is better, it says",
            '@metrics.register("{name}", higher_is_better=True)',
        ),
        Hint(
            "without each sample as without it",
            "",
            'leave it out, what is slower and right: @metrics.register("{name}", pooled=True)',
        ),
        Hint("leaves its inputs", "", "copy them first: attributions = attributions.copy()"),
        Hint("leaves the random state", "", GENERATOR),
    ),
    "data set": (
        Hint("splits of samples of one shape", "no samples", "give every split some rows"),
        Hint(
            "finite values", "", "fill gaps or leave such rows out: rows[np.isfinite(rows).all(1)]"
        ),
        Hint(
            "splits share no rows",
            "",
            "give each row to one split: "
            "order = np.random.default_rng(seed).permutation(len(rows))",
        ),
        Hint(
            "labelled rows in the test alone",
            "",
            "train and validate on normal rows alone: normal = rows[~labels]",
        ),
        Hint(
            "scaled by the training split alone",
            "",
            "low, high = train.min(axis=0), train.max(axis=0)",
        ),
        Hint(
            "a truth where it is labelled", "without labels", "give test_labels=truth.any(axis=1)"
        ),
        Hint("a truth where it is labelled", "", "test_labels = test_truth.any(axis=1)"),
        Hint("the same when made again", "", "draw by a seed: rng = np.random.default_rng(seed)"),
        Hint("leaves the random state", "", "draw by a seed: rng = np.random.default_rng(seed)"),
    ),
    "autoencoder": (
        Hint("", "returns a", "return x̂ alone from forward, a tensor"),
        Hint("", "returns shape", "return x̂ in the shape of x: x_hat.view_as(x)"),
        Hint(
            "", "are not finite", "divide by nothing that can be 0: value / scale.clamp_min(1e-12)"
        ),
        Hint("a sample alone as in a batch", "differ", "take no statistics over the batch"),
        Hint(
            "the same from the same random state",
            "differ",
            "draw initial weights from torch's own generator: torch.nn.init, torch.randn",
        ),
        Hint("skips what it does not take", "", 'raise aexbench.RequestError("for images alone")'),
    ),
}
EVERYWHERE = (
    Hint("comes to an end", "", "give it more time, or less to do: --timeout 600 '{name}[…]'"),
    Hint("", "^SystemExit", "raise ValueError(…) instead: whoever asks wants to go on"),
)
BLAMED = (  # of a problem that stands in the way of every rule, the one that it breaks
    ("changes the random state", "leaves the random state"),
    ("changed the samples", "leaves the samples"),
    ("the explainer changes", "leaves the model"),
    ("its mask alone", "changes what its truth holds"),
    ("is not finite", "finite values"),
)
CAUSES: dict[str, Collection[str]] = {  # where answers differ, those that come of it; () for all
    "leaves the model": (),
    "leaves the detector": (),
    "leaves the random state": (),
    "leaves its inputs": (),
    "repeatable": (),
    "the same again with the same seed": (),
    "a sample alone as in a batch": ("any order", "samples in any order"),
}


class Group(NamedTuple):
    """A broken rule, and those that are broken with it, for the same reason."""

    first: Finding
    others: list[Finding]


def grouped(broken: Sequence[Finding]) -> list[Group]:
    """Return what is wrong, each thing once.

    Rules that fail by the same exception are broken by one of them, and where answers differ from
    call to call they differ in any order too.

    >>> made = grouped([Finding("any order", "differ by 1"), Finding("repeatable", "differ by 2")])
    >>> [(group.first.rule, [other.rule for other in group.others]) for group in made]
    [('repeatable', ['any order'])]
    """
    groups: dict[str, list[Finding]] = {}
    for finding in broken:
        groups.setdefault(_cause(finding, broken), []).append(finding)
    return [_group(rule, findings) for rule, findings in groups.items()]


def _cause(finding: Finding, broken: Sequence[Finding]) -> str:
    """Return the broken rule that a finding comes of; it may be its own."""
    rules = {one.rule for one in broken}
    for part, rule in BLAMED:
        if part in finding.problem and rule in rules:
            return rule
    for cause, others in CAUSES.items():
        follows = not others or finding.rule in (cause, *others)
        if "differ" in finding.problem and cause in rules and follows:
            return cause
    alike = next(one for one in broken if one.problem == finding.problem)
    return finding.rule if alike is finding else _cause(alike, broken)


def _group(rule: str, findings: Sequence[Finding]) -> Group:
    first = next(one for one in findings if one.rule == rule)
    return Group(first, [one for one in findings if one is not first])


def mend(family: str, name: str, finding: Finding) -> str:
    """Return the line that mends a broken rule; empty where there is none but the problem itself.

    Parameters
    ----------
    family, name
        Of the component: `explainer`, `mine`.
    finding
        The rule and what is wrong.

    Examples
    --------
    >>> mend("metric", "mine", Finding("leaves its inputs", "changes the truth: copy them first"))
    'copy them first: attributions = attributions.copy()'
    """
    for rule, pattern, line in (*EVERYWHERE, *HINTS[family]):
        if rule in ("", finding.rule) and re.search(pattern, finding.problem):
            return line.format(name=name)
    return ""
