"""The list of mutants is alive: every patch applies, and says what it is for."""

from __future__ import annotations

import pytest

from tests.mutants.patch import PATCHES, ROOT, near, patches

LEAST = 100
MOST_UNSEEN = 0.05


@pytest.mark.parametrize("patch", patches(), ids=lambda patch: patch.name)
def test_it_applies_and_tests_stand_near(patch):
    text = (ROOT / patch.file).read_text()
    assert patch.applied(text) != text
    assert len(patch.why) > 10
    rounds = near(patch)
    assert rounds
    assert all((ROOT / name).exists() for names in rounds for name in names)


def test_they_are_many_of_many_kinds_and_few_pass_unseen():
    every = patches()
    assert len(every) >= LEAST
    assert len({(p.file, p.before, p.after) for p in every}) == len(every)
    assert len(list(PATCHES.glob("*.toml"))) >= 9
    assert sum(bool(p.unseen) for p in every) <= MOST_UNSEEN * len(every)
