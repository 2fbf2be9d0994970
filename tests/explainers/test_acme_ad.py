"""AcME-AD, beside a loop over samples, features and quantile levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import percentileofscore

from aexbench import Detector, Features, RequestError, SkipError, explainers
from aexbench import detector as engine
from aexbench.rows import sample
from aexbench.running.controls import loss_ablated
from tests.conftest import mlp
from tests.explainers.networks import trained

MODEL = mlp((5, 3, 5), ("tanh", "sigmoid"))
X = torch.rand(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
NORMAL = (np.random.default_rng(1).random((31, 5)) ** 2).round(1)  # values that repeat
ALONE = np.arange(5)


def acme(detector, background=NORMAL, **parameters):
    return explainers.create("acme-ad", detector, background=np.asarray(background), **parameters)


def error(model, row, loss):
    with torch.no_grad():
        away = (row - model(row[None])[0]).abs()
    return float((away**2 if loss == "l2" else away).mean())


def importance(own, replaced, away):
    """The weighted sum of the sub-scores of one feature of one sample: scores in [0, 1], ½ at the
    threshold.
    """
    least, most = min(*replaced, own), max(*replaced, own)
    delta = most - least
    ratio = (own - least) / delta if delta > 0 else 0.0
    distances = [d for score, d in zip(replaced, away, strict=True) if (score > 0.5) != (own > 0.5)]
    change, near = (1, 1 - min(distances)) if distances else (0, 0.0)
    return 0.3 * delta + 0.3 * change + 0.2 * near + 0.2 * ratio


def twin(model, x, groups=ALONE, loss="l2", quantiles=50, alarm=0.95, background=NORMAL):
    rows = torch.as_tensor(background, dtype=torch.float64)
    threshold = np.quantile([error(model, row, loss) for row in rows], alarm)

    def score(row):
        return error(model, row, loss) / (error(model, row, loss) + threshold)

    out = torch.zeros_like(x)
    for row, found in zip(x, out, strict=True):
        for group in np.unique(groups):
            columns = np.flatnonzero(groups == group)
            replaced, away = [], []
            for k in range(quantiles):
                level, changed = k / (quantiles - 1), row.clone()
                apart = 0.0
                for c in columns:
                    ordered = np.sort(background[:, c])
                    changed[c] = float(ordered[max(0, int(np.ceil(level * len(ordered))) - 1)])
                    below = percentileofscore(ordered, float(row[c]), "strict")
                    upto = percentileofscore(ordered, float(row[c]), "weak")
                    apart += abs(level - (below + upto) / 200) / len(columns)
                replaced.append(score(changed))
                away.append(apart)
            found[columns] = importance(score(row), replaced, away) / len(columns)
    return out


@pytest.mark.parametrize("alarm", [0.5, 0.95])
@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_it_is_its_formula(loss, alarm):
    x = torch.cat([X, torch.as_tensor(NORMAL[:2])])
    expected = twin(MODEL, x, loss=loss, quantiles=11, alarm=alarm)
    found = acme(Detector(MODEL), loss=loss, quantiles=11, alarm=alarm).explain(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_its_samples_are_of_both_classes_and_some_change_theirs():
    """Else the test above would not see two of the four sub-scores."""
    detector = Detector(MODEL)
    threshold = detector.error(NORMAL).quantile(0.5)
    anomalous = detector.error(X) > threshold
    assert 0 < int(anomalous.sum()) < len(X)
    found = acme(detector, alarm=0.5).explain(X)
    assert 0 < int((found > 0.5).sum()) < found.numel()


def test_defaults_are_the_programs():
    found = acme(Detector(MODEL)).explain(X)
    torch.testing.assert_close(found, twin(MODEL, X), rtol=1e-5, atol=1e-6)


def test_the_columns_of_a_feature_are_replaced_together():
    groups = np.array([0, 1, 0, 2, 1])
    detector = Detector(MODEL, features=Features(groups=tuple(groups)))
    expected = twin(MODEL, X, groups, quantiles=7, alarm=0.5)
    found = acme(detector, quantiles=7, alarm=0.5).explain(X)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


class Only(torch.nn.Module):
    """A network whose error is the square of the first column, by three."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x):
        return torch.cat([0 * x[:, :1], x[:, 1:]], dim=1) * self.scale


def test_each_sub_score_by_hand():
    """The first column alone is to blame: values 0, ½ and 1, normal up to ½, and x at 2."""
    normal = np.array([[0.0, 0.0, 0.3], [0.5, 0.4, 0.3], [1.0, 0.8, 0.3]])
    found = acme(Detector(Only()), normal, quantiles=3, alarm=0.5).explain(
        torch.tensor([[2.0, 0.6, 0.3]], dtype=torch.float64)
    )
    threshold, own = 0.25 / 3, 4 / 3
    score = own / (own + threshold)
    # From m = 0 at the value 0 to its own; at the second level, half a level from 1, it is normal.
    expected = 0.3 * score + 0.3 + 0.2 * (1 - 0.5) + 0.2
    torch.testing.assert_close(found[0, 0], torch.tensor(expected).double(), rtol=1e-6, atol=1e-6)
    assert not found[0, 1:].any()  # neither of a column without a say, nor of a constant one


def test_what_breaks_a_normal_sample_counts_too_but_it_stands_at_the_bottom():
    normal = np.array([[0.0, 0.0, 0.3], [0.5, 0.4, 0.3], [1.0, 0.8, 0.3]])
    found = acme(Detector(Only()), normal, quantiles=3, alarm=0.5).explain(
        torch.tensor([[0.0, 0.6, 0.3]], dtype=torch.float64)
    )
    worst = 1 / 1.25  # at the value 1; x's own level is that of a third's middle
    expected = 0.3 * worst + 0.3 + 0.2 * (1 - (1 - 1 / 6))
    torch.testing.assert_close(found[0, 0], torch.tensor(expected).double(), rtol=1e-6, atol=1e-6)


def test_scores_do_not_saturate():
    """Far anomalies: the detector's own score would be 1, whatever is done to one feature."""
    far = X + torch.tensor([0, 40.0, 0, 20, 0]).double()
    found = acme(Detector(MODEL)).explain(far)
    assert torch.equal(found.argmax(1), torch.ones(6, dtype=torch.int64))
    assert (found[:, 1] > 0.2 * (1 - 1e-6)).all()


def test_a_network_without_error_and_an_error_without_cause_have_no_importance():
    normal = NORMAL.astype(np.float64)
    assert not acme(Detector(torch.nn.Identity()), normal).explain(X).any()
    assert not acme(loss_ablated(Detector(MODEL))).explain(X).any()


def test_of_scores_that_differ_by_rounding_there_is_no_ratio():
    class Rounded(Only):
        def forward(self, x):
            return torch.cat([0 * x[:, :1], (x[:, 1:] + 1000) - 1000], dim=1) * self.scale

    made = acme(Detector(Rounded(), "l1"), np.random.default_rng(0).random((20, 2)))
    found = made.explain(torch.tensor([[0.9, 0.377]], dtype=torch.float64))
    assert 0 < float(found[0, 1]) < 1e-4


def test_what_is_above_a_threshold_of_nothing_is_anomalous():
    """Normal samples without any error: each error is one too many."""
    perfect = np.zeros((5, 3))
    found = acme(Detector(Only()), perfect).explain(torch.tensor([[0.2, 0.0, 0.0]]).double())
    torch.testing.assert_close(found[0, 0], torch.tensor(1.0).double())


def test_it_is_one_for_tables():
    conv = Detector(torch.nn.Conv2d(1, 1, 3, padding=1))
    with pytest.raises(SkipError, match=r"acme-ad is for tables.*repair"):
        acme(conv, np.zeros((3, 1, 8, 8), np.float32)).explain(torch.rand(2, 1, 8, 8))


class Watched(Detector):
    """Keeps how many rows' errors were asked for, call by call."""

    def error(self, x):
        self.calls = [*getattr(self, "calls", []), len(x)]
        return super().error(x)


def test_it_costs_a_row_for_each_feature_and_level():
    made = acme(Watched(MODEL), quantiles=4)
    made.explain(X[:1])  # the first time the detector looks at itself
    made.explainer.detector.calls = []
    made.explain(X)
    assert sum(made.explainer.detector.calls) == len(X) * (1 + 4 * 5)


@pytest.mark.parametrize("rows", [1, 3, 17])
def test_no_more_rows_are_built_than_fit(rows, monkeypatch):
    whole = acme(Detector(MODEL), quantiles=4).explain(X)
    made = acme(Watched(MODEL), quantiles=4)
    detector = made.explainer.detector
    detector.calls, detector._chunks = [], {}
    monkeypatch.setitem(engine.CHUNK_BYTES, "cpu", rows * detector.activation_bytes(X[:1]))
    torch.testing.assert_close(made.explain(X), whole)
    assert max(detector.calls) <= rows


def test_quantiles_come_from_a_bounded_sample(monkeypatch):
    monkeypatch.setattr("aexbench.rows.MOST_VALUES", 12 * 5 + 1)
    few = acme(Detector(MODEL)).explain(X)
    monkeypatch.undo()
    assert torch.equal(few, acme(Detector(MODEL), sample(NORMAL, 12)).explain(X))
    assert not torch.equal(few, acme(Detector(MODEL)).explain(X))


def test_a_sample_of_a_trained_detector_is_explained_alone_as_in_a_batch():
    detector, background, x = trained()
    made = acme(detector, background)
    alone = torch.cat([made.explain(one) for one in x[:30].split(1)])
    torch.testing.assert_close(alone, made.explain(x[:30]), rtol=1e-6, atol=1e-7)
    assert alone.dtype == torch.float32


def test_it_takes_inference_mode_truth_values_and_no_samples():
    made = acme(Detector(MODEL), NORMAL > 0.5)
    expected = made.explain(X)
    with torch.inference_mode():
        torch.testing.assert_close(made.explain(torch.clone(X)), expected)
    assert made.explain(X[:0]).shape == (0, 5)


@pytest.mark.parametrize("wrong", ["quantiles=1", "alarm=1.1", "alarm=-0.1", "loss=l3"])
def test_wrong_parameters_are_named(wrong):
    with pytest.raises(RequestError, match=wrong.split("=")[0]):
        explainers.create(f"acme-ad[{wrong}]", Detector(MODEL), background=NORMAL)
