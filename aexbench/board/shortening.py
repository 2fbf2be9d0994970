"""Short names: what all share is left out of them and said once.

Names are strangers' texts: control characters and folders of this machine have no place in them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from aexbench import specs
from aexbench.errors import RequestError, plain
from aexbench.texts import pathless

BETWEEN = " / "  # the parts of a group's name
SPEC = re.compile(r"[A-Za-z0-9][\w.-]*\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]")


def short(texts: Sequence[str]) -> dict[str, str]:
    """Return short forms of names, by the names.

    Parameters that all components of one name share are left out, and then the parts between
    slashes that all names share. Names that would not be told apart stay as they are.

    >>> short(["wine / null[count=9] / a", "digits[size=8] / null[count=9] / b"])
    {'wine / null[count=9] / a': 'wine / a', 'digits[size=8] / null[count=9] / b': 'digits / b'}
    >>> short(["lrp[preset=tabular]", "lrp[preset=tabular,root=joint]", "residual"])["residual"]
    'residual'
    """
    clean = [plain(pathless(text)) for text in texts]
    small = _without_parts(_without_parameters(clean))
    for found in (small, clean):
        if len(set(found)) == len(set(texts)):
            return dict(zip(texts, found, strict=True))
    return {
        text: f"{shown} ({n})" for n, (text, shown) in enumerate(zip(texts, clean, strict=True))
    }


def left_out(names: Mapping[str, str]) -> str:
    """Return what short names do not say: parts that all share, and components with parameters.

    >>> left_out(short(["wine / null[count=9]", "wine / random"]))
    'all: wine; in full: null[count=9]'
    >>> left_out(short(["wine / null", "digits / null[count=9]"]))
    ''
    """
    full = [plain(pathless(name)) for name in names]
    shown = " ".join(names.values())
    parts = [set(name.split(BETWEEN)) for name in full]
    common = [part for part in full[0].split(BETWEEN) if all(part in own for own in parts)]
    shared = BETWEEN.join(part for part in common if part not in shown)
    specs = dict.fromkeys(spec for name in full for spec in SPEC.findall(name))
    longer = ", ".join(spec for spec in specs if spec not in shown and spec not in shared)
    said = {"all": shared, "in full": longer}
    return "; ".join(f"{how}: {what}" for how, what in said.items() if what)


def brief(texts: Sequence[str]) -> list[str]:
    """Return texts without the parameters that all components of one name share, as far as they
    are told apart then.

    >>> brief(["lrp[preset=tabular]", "lrp[preset=tabular,root=joint]", "lrp[preset=tabular]"])
    ['lrp', 'lrp[root=joint]', 'lrp']
    """
    found = _without_parameters(texts)
    return found if len(set(found)) == len(set(texts)) else list(texts)


def dropped(texts: Sequence[str]) -> Iterator[str]:
    """Yield the parameters that `brief` leaves out, with the names of their components.

    >>> list(dropped(["lrp[preset=tabular]", "lrp[preset=tabular,root=joint]"]))
    ['lrp[preset=tabular]']
    """
    if brief(texts) != list(texts):
        for name, shared in _shared_parameters(texts).items():
            if shared:
                yield specs.write(name, shared)


def _without_parameters(texts: Sequence[str]) -> list[str]:
    """Return names without the parameters that all components of the same name share."""
    shared, written = _shared_parameters(texts), {}
    for spec in {spec for text in texts for spec in SPEC.findall(text)}:
        name, given = _read(spec)
        rest = {k: v for k, v in given.items() if k not in shared[name]}
        written[spec] = specs.write(name, rest) if shared[name] else spec
    return [SPEC.sub(lambda found: written[found[0]], text) for text in texts]


def _shared_parameters(texts: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return what all components of each name share; nothing where one stands without brackets."""
    own = dict.fromkeys(spec for text in texts for spec in SPEC.findall(text))
    alike: dict[str, list[dict[str, object]]] = defaultdict(list)
    for name, given in map(_read, own):
        alike[name].append(given)
    bare = {name for text in texts for name in re.split(r"[ \[\],]+", SPEC.sub(" ", text))}
    return {name: {} if name in bare else _shared(given) for name, given in alike.items()}


def _read(spec: str) -> tuple[str, dict[str, object]]:
    try:
        return specs.parse(spec)
    except RequestError:  # a stranger's text that only looks like one
        return spec, {}


def _shared(given: Iterable[dict[str, object]]) -> dict[str, object]:
    first, *others = given
    return {k: v for k, v in first.items() if all(k in o and o[k] == v for o in others)}


def _without_parts(texts: Sequence[str]) -> list[str]:
    """Return names without the parts between slashes that all of them have at the same place."""
    parts = [text.split(BETWEEN) for text in texts]
    if len(parts) < 2 or len({len(own) for own in parts}) != 1:
        return list(texts)
    kept = [i for i in range(len(parts[0])) if len({own[i] for own in parts}) > 1]
    return [BETWEEN.join(own[i] for i in kept) for own in parts] if kept else list(texts)
