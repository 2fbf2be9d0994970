"""How many rows of the network Shapley values take to the error of `shap` on data sets, groups of
columns and superpixels, beside those of a trial, and what 1.96 standard errors cover:

    python -m pytest -s tests/benchmarks/test_shapley_rows.py -k smd
"""

from __future__ import annotations

import time

import pytest
import torch

from tests.benchmarks.shapley_games import GAMES, Game

SHAP = "kernelshap-batched[middle=shap]"  # its coalitions, equal to 1e-7
PAIRED = "kernelshap-batched"  # errs less where players are an even number
METHODS = ("shapley-permutation", "shapley-twin", "shapley-twin[order=2]")
# Rows to that error that a trial had on other detectors of these data, by method.
TRIAL: dict[str, tuple[int | None, ...]] = {
    "sql-workload": (11_800, 7_000, 4_300),
    "cardio": (18_000, 11_900, 8_200),
    "cardio, 14 columns": (27_800, 19_600, 14_500),
    "smd 1-7": (6_100, 2_250, 1_750),
    "digits": (7_400, 3_400, None),
    "breast-cancer": (2_800, 350, None),
    "wine": (27_500, 19_600, 6_900),
}
SHAP_COALITIONS = 1000
MOST_SQUARED = 40  # columns of which a quadratic twin takes seconds and not minutes
SEEDS = 5  # of each error
IMAGE_SEEDS = 2
IMAGE_ROWS = (3_000, 10_000, 30_000)  # errors fall faster once each background row has been drawn
COVERED_SEEDS, COVERED_ROWS = 40, (1000, 3000)
Truth = tuple[torch.Tensor, torch.Tensor]
Floats = tuple[float, float]


def off(game: Game, values: torch.Tensor, truth: Truth) -> float:
    """The mean over samples of ‖φ̂ − φ‖/‖φ‖, by player."""
    pairs = zip(game.by_player(values - truth[0]), game.by_player(truth[0]), strict=True)
    return sum(float(gap.norm() / own.norm()) for gap, own in pairs) / len(truth[0])


def errors(game: Game, name: str, truth: Truth, rows: int, seeds: int = SEEDS) -> float:
    """The mean error of a method at so many rows, the root of the mean square over seeds."""
    given = {"nsamples": rows}
    found = [
        off(game, game.asked(name, seed=s, **given).explain(game.x), truth) for s in range(seeds)
    ]
    return float(torch.tensor(found).square().mean().sqrt())


def of_kernel(game: Game, name: str, truth: Truth) -> float:
    """The error of KernelSHAP at so many coalitions with the whole background."""
    given = {"nsamples": SHAP_COALITIONS, "rows": len(game.background)}
    found = [off(game, game.asked(name, seed=s, **given).explain(game.x), truth) for s in range(2)]
    return float(torch.tensor(found).square().mean().sqrt())


def covered(game: Game, name: str, truth: Truth, rows: int) -> tuple[float, float]:
    """In how much of the cases 1.96 standard errors cover the truth: of all players, and of that
    one which they cover least.
    """
    inside = []
    for seed in range(COVERED_SEEDS):
        explainer = game.asked(name, nsamples=rows, seed=seed)
        gap = (explainer.explain(game.x).double() - truth[0]).abs()
        error = torch.hypot(explainer.standard_error(game.x).double(), truth[1])
        hit = torch.where(error > 0, gap < 1.96 * error, gap < 1e-12).double()
        inside.append(hit)
    mean = torch.stack(inside).mean(0)
    return float(mean.mean()), float(mean.mean(0).min())


def price(game: Game, method: str, trial: int | None, truth: Truth, least: Floats) -> float:
    """Print what a method costs, and return its rows to the error of `shap`, the first of `least`;
    the second is that of the paired form.
    """
    rows = trial or max(3000, 12 * game.players)
    start = time.perf_counter()
    error = errors(game, method, truth, rows)
    took = (time.perf_counter() - start) / SEEDS / len(game.x)
    equal, fair = (rows * (error / other) ** 2 for other in least)
    told = "" if trial is None else f", {trial:,} in the trial"
    print(
        f"  {method:22} {error:7.2%} off with {rows:6,} rows, {took * 1e3:6.1f} ms; "
        f"shap's error with {equal:9,.0f}{told}, the paired form's with {fair:9,.0f}",
        flush=True,
    )
    return equal


def coverage(game: Game, method: str, truth: Truth) -> str:
    """What standard errors cover, in words."""
    told = []
    for rows in COVERED_ROWS:
        if game.players * 6 < rows:  # room for three orders and more
            mean, worst = covered(game, method, truth, rows)
            told.append(f"{mean:.3f} (least {worst:.2f}) at {rows:,} rows")
    return "1.96 standard errors cover " + ", ".join(told)


def asked(name: str) -> tuple[Game, Truth, Floats]:
    """Return a game with its values and what KernelSHAP errs, which is printed."""
    game = GAMES[name]()
    truth, whole = game.truth(), SHAP_COALITIONS * len(game.background)
    least = of_kernel(game, SHAP, truth), of_kernel(game, PAIRED, truth)
    print(f"\n{name} ({game.players}, {len(game.background)}): ", end="")
    print(f"shap {least[0]:.2%} off with {whole:,} rows, paired {least[1]:.2%}", flush=True)
    return game, truth, least


SUPERPIXELS = [name for name in GAMES if "superpixels" in name]


@pytest.mark.slow
@pytest.mark.parametrize("name", SUPERPIXELS)
def test_errors_on_superpixels(name):
    """They are printed; where superpixels depend on each other a third of KernelSHAP's rows is
    enough.
    """
    game, truth, (_, paired) = asked(name)
    for method in METHODS[:2]:
        found = [errors(game, method, truth, rows, IMAGE_SEEDS) for rows in IMAGE_ROWS]
        told = (f"{e:.2%} with {rows:,}" for e, rows in zip(found, IMAGE_ROWS, strict=True))
        print(f"  {method:22} {', '.join(told)}", flush=True)
        assert found[-1] < paired or "local" in name


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GAMES if name not in SUPERPIXELS])
def test_rows_to_the_error_of_shap_and_what_standard_errors_cover(name):
    """Both are printed; a game whose data are not at hand is skipped."""
    game, truth, least = asked(name)
    trial = dict(zip(METHODS, TRIAL.get(name, (None,) * 3), strict=True))
    for method in METHODS[:2]:
        rows = price(game, method, trial[method], truth, least)
        assert rows < SHAP_COALITIONS * len(game.background) / 3
        print(f"  {'':22} {coverage(game, method, truth)}", flush=True)
    if game.x.shape[1] <= MOST_SQUARED:
        price(game, METHODS[2], trial[METHODS[2]], truth, least)
