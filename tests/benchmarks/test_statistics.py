"""What the statistics of a board hold, by simulation: boards of rows that are equal in truth.

The worst pair and the whole family count, never means alone: an average hides the pair that is
covered badly. Run with `-s` for the tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest

from aexbench.board.comparing import compare
from aexbench.board.gains import gains
from tests.aexbench.board.boards import Case, Found, simulated

BOARDS, AGAIN = 400, 4000
ROWS, SEEDS, SPREADS = (6, 23), (2, 3, 5, 10), (1.0, 2.0, 4.0)
OWN_UNITS = [
    Case(rows, seeds, spread, blocks=blocks)
    for rows, seeds, spread, blocks in itertools.product(ROWS, SEEDS, SPREADS, (1, 2, 4))
]
SHARED_UNITS = [
    Case(rows, seeds, spread, share, shared=True)
    for rows, seeds, spread, share in itertools.product(ROWS, SEEDS, SPREADS, (0.0, 0.3, 0.6, 0.9))
]


NETWORKS = [
    Case(rows, draws, spread, share=0.0, units=units)
    for rows, draws, spread, units in itertools.product(ROWS, (1, 3), SPREADS, (8, 20, 60))
]


def noise(rate: float, boards: int) -> float:
    """Return two standard errors of a rate."""
    return 2 * (rate * (1 - rate) / boards) ** 0.5


def drawn(cases: Iterable[Case]) -> dict[Case, Found]:
    """Return what comes of all cases; those that look worst are drawn again, many more times."""
    found = {case: simulated(case, BOARDS) for case in cases}
    for few in (True, False):
        alike = [case for case in found if (case.seeds == 2) == few]
        worst = {
            max(alike, key=lambda case: found[case].family_error),
            min(alike, key=lambda case: found[case].worst_coverage),
        }
        found |= {case: simulated(case, AGAIN, seed=1) for case in worst}
    return found


def show(found: dict[Case, Found]) -> None:
    """Print a table."""
    print("\nrows seeds spread blocks units share shared | family error, worst pair's coverage")
    for case, what in found.items():
        print(
            f"{case.rows:4} {case.seeds:5} {case.spread:6.0f} {case.blocks:6} {case.units:5} "
            f"{case.share:5.1f} {case.shared!s:>6} | "
            f"{what.family_error:.3f} {what.worst_coverage:.3f}"
        )


@pytest.mark.slow
@pytest.mark.parametrize("cases", [OWN_UNITS, SHARED_UNITS], ids=["own", "shared"])
def test_family_error_and_the_worst_pairs_coverage(cases: list[Case]) -> None:
    found = drawn(cases)
    show(found)
    for case, what in found.items():
        error, coverage = (0.07, 0.85) if case.seeds == 2 else (0.06, 0.86)
        assert what.family_error <= error + noise(error, BOARDS), case
        assert what.worst_coverage >= coverage - noise(coverage, BOARDS), case


@pytest.mark.slow
def test_a_given_network() -> None:
    found = {case: simulated(case, BOARDS, target="network") for case in NETWORKS}
    show(found)
    for case, what in found.items():
        assert what.family_error <= 0.06 + noise(0.06, BOARDS), case
        assert what.worst_coverage >= 0.90 - noise(0.90, BOARDS), case


def false_gains(case: Case, boards: int) -> tuple[float, float]:
    """Return how often a board of rows that equal their floor says that one is above: with Holm,
    and without.
    """
    rng = np.random.default_rng(0)
    with_holm = without = 0
    for _ in range(boards):
        board = compare(case.sources(rng), "recipe")
        floor = case.rows - 1
        pairs = {row: {"floor": board.pair(row, floor)} for row in range(floor)}
        with_holm += any(gain.above for gain in gains(pairs).values())
        without += any(pair["floor"].lower(0.975) > 0 for pair in pairs.values())
    return with_holm / boards, without / boards


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
def test_rows_that_equal_a_floor_are_seldom_above_it(shared: bool) -> None:
    print("\nrows seeds spread shared | a false gain with Holm, without")
    for seeds, spread in itertools.product(SEEDS, (1.0, 4.0)):
        case = Case(24, seeds, spread, shared=shared)
        with_holm, without = false_gains(case, BOARDS)
        print(f"{23:4} {seeds:5} {spread:6.0f} {shared!s:>6} | {with_holm:.3f} {without:.3f}")
        assert with_holm <= 0.05
