"""Versions of the engine's stages: what of the engine shapes the results of each family.

A component's version is that of its stage and its own, `1.1`. Raise a stage's number when its
figures change, and every result that it shaped gets another key; what only moves or reads better
keeps its name. The golden figures of the tests fail where figures change without a new version.
"""

from __future__ import annotations

STAGES = {
    "autoencoder": 1,  # initial weights, training, choosing an epoch, the score scale
    "control": 2,  # untrained twins, drawn by both seeds, and the loss-ablated form
    "corruption": 1,  # drawing, testing against the threshold, counting
    "data set": 1,  # splits, scaling, images and their augmentation
    "explainer": 1,  # baselines, segments, seeds by content, smoothing, precision
    "given": 1,  # what names a detector and rows that are given
    "metric": 2,  # sums over groups, what is pooled, means over units of those that raise an alarm
    "probe": 1,  # what is asked: normal values, layers in their order, permutations
    "reference": 1,  # the truth as attribution, its frequency, anomalies from labels
}


def stage(family: str) -> int:
    """Return the version of a family's stage; 1 for a family of somebody else's."""
    return STAGES.get(family, 1)
