"""What "Unlocking Layer-wise Relevance Propagation for Autoencoders" (arXiv:2303.11734) prints: its
figures, its settings and its claims, and which entries of a suite stand for its rows.

Figure 2 is a picture without figures: of its curves the paper gives words alone.
"""

from __future__ import annotations

from typing import NamedTuple

TITLE = "Unlocking Layer-wise Relevance Propagation for Autoencoders (arXiv:2303.11734)"


class Four(NamedTuple):
    """A row of Table 1: the residual and the paper's LRP, each with both losses."""

    residual_l1: float
    residual_l2: float
    lrp_l1: float
    lrp_l2: float


TABLE_1 = {
    ("transistor", "bent_lead"): Four(0.104, 0.103, 0.027, 0.028),
    ("transistor", "cut_lead"): Four(0.082, 0.079, 0.038, 0.040),
    ("transistor", "damaged_case"): Four(0.061, 0.058, 0.122, 0.103),
    ("transistor", "misplaced"): Four(0.494, 0.498, 0.888, 0.867),
    ("bottle", "broken_large"): Four(0.305, 0.298, 0.366, 0.366),
    ("bottle", "broken_small"): Four(0.206, 0.202, 0.340, 0.321),
    ("bottle", "contamination"): Four(0.148, 0.155, 0.369, 0.263),
    ("hazelnut", "crack"): Four(0.478, 0.475, 0.317, 0.295),
    ("hazelnut", "hole"): Four(0.455, 0.457, 0.240, 0.218),
    ("hazelnut", "print"): Four(0.661, 0.660, 0.557, 0.514),
}
"""By object and damage, as MVTec's folders are called."""
OVERALL = Four(0.298, 0.298, 0.328, 0.304)
"""As it is printed; the means of its rows are .299, .299, .326 and .302."""

CORRUPTIONS = ("null", "random", "adversarial")
RESIDUAL, LRP, SHAP = "Residual", "LRP", "KernelSHAP"
OF_FIGURE_2 = {
    RESIDUAL: ("residual",),
    LRP: ("lrp[preset=paper-tabular]",),
    SHAP: ("kernelshap-batched[nsamples=1000,rows=755]", "kernelshap-batched", "kernelshap"),
}
"""What stands for its curves: the first of these that a store has; a bare name takes any."""
OF_TABLE_1 = Four._fields
ENTRIES_OF_TABLE_1 = {
    "residual_l1": "residual[loss=l1]",
    "residual_l2": "residual[loss=l2]",
    "lrp_l1": "lrp[preset=paper-image,loss=l1]",
    "lrp_l2": "lrp[preset=paper-image,loss=l2]",
}
HEADS_OF_TABLE_1 = ("Residual L1", "Residual L2", "LRP L1", "LRP L2")
METRICS_OF_TABLE_1 = ("pixel-ap[thresholds=1000]", "pixel-ap")
DATA_OF_TABLE_1 = "mvtec"

QUOTES = {
    "residual is good": "the Residual explanation achieves a good validation score on the null and "
    "random corruption datasets",
    "residual is poor": "the performance on the more challenging adversarial corruption dataset is "
    "poor",
    "all good": "SHAP and our method achieve good performance on all datasets",
    "comparable": "our method delivers explanations of comparable quality",
    "more accurate": "SHAP and the proposed approach produce more accurate results compared to the "
    "Residual explanation",
    "faster": "the execution time required to compute explanations is three to four orders of "
    "magnitude faster with our method compared to SHAP",
    "higher": "On average, our approaches produce higher scores compared to the baseline methods",
    "focus": "our explanations focus on the important part of the object and its neighbouring area "
    "that belongs to the object",
    "harder": "some damages are harder to explain, e.g. the transistor object class with the cut "
    "lead damage",
}
LEAST_FACTOR = 1e3  # three orders of magnitude
EVALUATIONS, BACKGROUND = 1000, 755  # of KernelSHAP

SETTINGS = {
    "rows": "approximately 10M training, 5M validation and 10M test samples",
    "features": "to encode the 21 features",
    "network": "a vanilla Autoencoder-based anomaly detector",
    "score": "The scores are normalized between 0 and 1",
    "count": "K = 100 anomalous samples",
    "thresholds": "T = 0.3, T = 0.5 and T = 0.3 for the adversarial, random and null corruptions",
    "shap": "1000 re-evaluations of each prediction and 755 as the background dataset size",
    "rules": "the z+ rule (Montavon et al., 2019) for all fully-connected layers of the "
    "Autoencoder except for the first layer, for which we apply the w2 rule",
    "images": "apply a Gaussian filter with kernel size 3 and σ = 0.5 and resize to 128 × 128 "
    "pixels",
    "samples": "10000 training samples and 1000 validation samples for each class of objects",
    "augmentation": "random rotations and flips",
    "architecture": "Convolutional Autoencoder architecture with 14 layers",
    "image rules": "the z+-rule for the relevance propagation through convolutional layers, and "
    "z-box-rule for the first layer",
}
UNSAID = "not said"
