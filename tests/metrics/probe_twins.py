"""Slow twins of the metrics that ask the model: one sample, one feature, one pair at a time."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy import stats


def gini(attributions):
    """Half the mean difference of all pairs by the mean: what the Gini index measures."""
    values = np.abs(np.ravel(attributions)).tolist()
    if not sum(values):
        return 0.0
    pairs = itertools.product(values, repeat=2)
    difference = sum(abs(a - b) for a, b in pairs) / len(values) ** 2
    return difference / (2 * sum(values) / len(values))


def repair_areas(x, normal, attributions, error, groups, seed):
    """The area of each sample, every feature repaired one after the other."""
    drawn = np.random.default_rng(seed).random(attributions.shape)
    areas = []
    for row, sample in enumerate(x):
        order = sorted(
            range(attributions.shape[1]), key=lambda f: (-attributions[row, f], drawn[row, f])
        )
        repaired, errors = sample.copy(), [error(sample)]
        for feature in order:
            for column in np.flatnonzero(np.asarray(groups) == feature):
                repaired[column] = normal[row, column]
            errors.append(error(repaired))
        parts = [(a + b) / 2 for a, b in itertools.pairwise(errors)]
        areas.append(sum(parts) / len(parts) / errors[0])
    return np.array(areas)


def gaps(attributions, errors):
    return [
        abs(sum(map(float, row)) - float(error)) / float(error)
        for row, error in zip(attributions, errors, strict=True)
    ]


def sensitivities(maps):
    found = []
    for first, *others in maps:
        length = sum(value**2 for value in first) ** 0.5
        changes = [sum((a - b) ** 2 for a, b in zip(o, first, strict=True)) ** 0.5 for o in others]
        found.append(max(changes) / length)
    return found


def alike(maps):
    """Mean of Spearman's correlation with the first map, by scipy, one pair at a time."""
    return [
        np.mean([stats.spearmanr(first, o).statistic for o in others]) for first, *others in maps
    ]


def shapley_values(x, training, error, groups):
    """By enumeration: each player's part in every coalition, each training row by itself."""
    players = sorted(set(groups))
    values = np.zeros(len(players))
    for row in training:

        def worth(coalition, row=row):
            mixed = [x[c] if group in coalition else row[c] for c, group in enumerate(groups)]
            return error(np.array(mixed))

        for player in players:
            others = [one for one in players if one != player]
            for size in range(len(players)):
                chance = 1 / (len(players) * math.comb(len(others), size))
                for coalition in itertools.combinations(others, size):
                    gain = worth({*coalition, player}) - worth(set(coalition))
                    values[player] += chance * gain / len(training)
    return values
