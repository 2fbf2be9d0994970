"""`explain`: every figure from its definition, in the user's units, groups as one."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

import aexbench
from aexbench import Dataset, Detector, Features, RequestError
from aexbench.explaining.making import DRAWS, SHORTLIST, explain
from aexbench.scaling import Scale
from tests.aexbench.explaining.conftest import FEATURES, NAMES, Constant

QUIET = {"shortlist": ()}


def quantile(values, level):
    """The quantile by linear interpolation, from the definition."""
    ordered = sorted(values)
    place = level * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def slow_shares(detector, x):
    """Each column's share of the error of one sample (M,), from Eq. 6."""
    x_hat = detector.reconstruct(x[None]).numpy()[0]
    squares = [(float(a) - float(b)) ** 2 / len(x) for a, b in zip(x, x_hat, strict=True)]
    return [square / sum(squares) for square in squares], sum(squares)


def test_every_figure_is_what_its_definition_says(constant, data):
    x = data.test[5:6]
    (one,) = explain(constant, x, data=data, **QUIET)
    shares, error = slow_shares(constant, x[0])
    assert one.error == pytest.approx(error, rel=1e-5)
    scale = constant.calibrated
    assert one.score == pytest.approx((error - scale.low) / (scale.high - scale.low), rel=1e-4)
    normal_errors = [slow_shares(constant, row)[1] for row in data.validation]
    assert one.error_alarm == pytest.approx(quantile(normal_errors, 0.95), rel=1e-5)
    assert one.alarm == pytest.approx((one.error_alarm - scale.low) / (scale.high - scale.low))
    by_name = {feature.name: feature for feature in one.features}
    assert set(by_name) == {"bytes", "proto", "hour", "constant"}
    for name, places in {"bytes": [0], "proto": [1, 2, 3], "hour": [4, 5], "constant": [6]}.items():
        found = by_name[name]
        assert found.error_share == pytest.approx(sum(shares[p] for p in places), abs=1e-6)
        assert found.attribution == pytest.approx(error * found.error_share, abs=1e-6)
        assert found.share == pytest.approx(found.error_share, abs=1e-6)  # of the residual
        normal = [sum(slow_shares(constant, row)[0][p] for p in places) for row in data.train]
        assert found.usual_error_share == pytest.approx(quantile(normal, 0.5), abs=1e-5)
        assert [column.name for column in found.columns] == [NAMES[p] for p in places]
    number = by_name["bytes"].columns[0]
    assert number.value == pytest.approx(100 + 1000 * float(x[0, 0]))
    assert number.expected == pytest.approx(500)
    own = [100 + 1000 * float(row[0]) for row in data.train]
    assert number.usual.low == pytest.approx(quantile(own, 0.05))
    assert number.usual.median == pytest.approx(quantile(own, 0.5))
    assert number.usual.high == pytest.approx(quantile(own, 0.95))


def test_features_stand_in_the_order_of_their_attributions(constant, data):
    for one in explain(constant, data.test[:9], data=data, explainer="repair", **QUIET):
        given = [feature.attribution for feature in one.features]
        assert given == sorted(given, reverse=True)


def test_a_category_has_its_name_and_how_often_it_is_seen(constant, data):
    (one,) = explain(constant, data.test[:1], data=data, **QUIET)
    category = one.features[0].category
    assert (category.value, category.expected, category.frequency) == ("icmp", "udp", 0.0)
    tcp = data.train[:1]
    (one,) = explain(constant, tcp, data=data, **QUIET)
    category = next(f.category for f in one.features if f.name == "proto")
    assert category.value == "tcp"
    assert category.frequency == pytest.approx(0.1)
    none = tcp.copy()
    none[0, 1:4] = 0
    (one,) = explain(constant, none, data=data, **QUIET)
    assert next(f.category for f in one.features if f.name == "proto").value == "none"


def test_another_unit_changes_the_values_and_nothing_else(constant, data):
    metres = explain(constant, data.test[:5], data=data)
    scale = Scale(offset=(32.0, 0, 0, 0, 0, 0, 0), factor=(1.8, 1, 1, 1, 1, 1, 1))
    feet = explain(constant, data.test[:5], data=dataclasses.replace(data, scale=scale))
    for one, other in zip(metres, feet, strict=True):
        assert [f.attribution for f in one.features] == [f.attribution for f in other.features]
        assert (one.score, one.lead, one.votes) == (other.score, other.lead, other.votes)
        (own,) = next(f.columns for f in one.features if f.name == "bytes")
        (new,) = next(f.columns for f in other.features if f.name == "bytes")
        for part in ("value", "expected"):
            scaled = (getattr(own, part) - 100) / 1000
            assert getattr(new, part) == pytest.approx(32 + 1.8 * scaled)
        assert new.usual.high == pytest.approx(32 + 1.8 * (own.usual.high - 100) / 1000)


def test_the_quantiles_keep_their_order_where_a_unit_turns_round(constant, data):
    scale = Scale(offset=0.0, factor=(-2.0, 1, 1, 1, 1, 1, 1))
    (one,) = explain(constant, data.test[5:6], data=dataclasses.replace(data, scale=scale))
    (column,) = next(f.columns for f in one.features if f.name == "bytes")
    assert column.usual.low < column.usual.median < column.usual.high


def test_shares_are_of_what_is_positive(constant, data):
    def half(detector, x):
        """Return 3, 1 and −2 for the first columns."""
        found = torch.zeros_like(x)
        found[:, 0], found[:, 4], found[:, 6] = 3.0, 1.0, -2.0
        return found

    (one,) = explain(constant, data.test[:1], data=data, explainer=half, **QUIET)
    shares = {feature.name: feature.share for feature in one.features}
    assert shares == {"bytes": 0.75, "hour": 0.25, "proto": 0.0, "constant": -0.5}
    assert (one.explainer, one.chosen_by) == ("half", "caller")
    (none,) = explain(
        constant, data.test[:1], data=data, explainer=lambda detector, x: -half(detector, x) ** 2,
        **QUIET,
    )  # fmt: skip
    assert all(feature.share is None for feature in none.features)


def test_draws_are_averaged_and_their_spread_is_told(constant, data):
    x = data.test[:2]
    found = explain(constant, x, data=data, explainer="random", draws=4, **QUIET)
    every = np.stack(
        [
            FEATURES.sum_groups(
                aexbench.explainers.create("random", constant, seed=seed)
                .explain(torch.as_tensor(x))
                .double()
                .numpy()
            )
            for seed in range(4)
        ]
    )
    names = FEATURES.group_names((7,))
    for place, one in enumerate(found):
        mean = every[:, place].mean(axis=0)
        given = {feature.name: feature.attribution for feature in one.features}
        assert given == pytest.approx(dict(zip(names, mean, strict=True)), abs=1e-6)
        first, second = (names.index(feature.name) for feature in one.features[:2])
        gaps = [draw[first] - draw[second] for draw in every[:, place]]
        assert one.lead.gap == pytest.approx(sum(gaps) / 4)
        middle = sum(gaps) / 4
        variance = sum((gap - middle) ** 2 for gap in gaps) / 3
        assert one.lead.spread == pytest.approx(math.sqrt(variance))
        assert (one.lead.by, one.lead.draws) == ("draws", 4)
        assert one.lead.same_first == sum(int(np.argmax(d) == first) for d in every[:, place])


def test_seeds_go_on_from_the_one_that_is_given(constant, data):
    x = data.test[:1]
    seeds = [explain(constant, x, data=data, explainer=f"random[seed={s}]", draws=1, **QUIET)
             for s in (7, 8)]  # fmt: skip
    both = explain(constant, x, data=data, explainer="random[seed=7]", draws=2, **QUIET)
    given = [{f.name: f.attribution for f in found[0].features} for found in (*seeds, both)]
    for name in given[0]:
        assert given[2][name] == pytest.approx((given[0][name] + given[1][name]) / 2)


def test_one_draw_of_what_draws_shows_no_spread(constant, data):
    (one,) = explain(constant, data.test[:1], data=data, explainer="random", draws=1, **QUIET)
    assert (one.lead.by, one.lead.spread, one.lead.draws) == ("one draw", None, 1)


def test_what_draws_nothing_is_the_same_in_every_draw(constant, data):
    (one,) = explain(constant, data.test[:1], data=data, **QUIET)
    assert (one.lead.by, one.lead.spread, one.lead.draws) == ("nothing", None, 1)
    assert (one.lead.first, one.lead.second) == tuple(f.name for f in one.features[:2])
    assert one.lead.gap == one.features[0].attribution - one.features[1].attribution


def test_an_explainer_that_tells_its_standard_error_is_asked_once(constant, data):
    class Told:
        """Tells 0.3 for a number and 0.4 for each column of a group."""

        asked = 0

        def __init__(self, detector, *, seed: int = 0) -> None:
            self.seed = seed

        def explain(self, x):
            Told.asked += 1
            return torch.arange(7.0).flip(0).expand_as(x).clone() ** (1 + self.seed)

        def standard_error(self, x):
            return torch.tensor([0.3, 0.4, 0.4, 0.4, 0.0, 0.0, 0.0]).expand_as(x)

    (one,) = explain(constant, data.test[:1], data=data, explainer=Told, **QUIET)
    assert Told.asked == 1
    assert (one.lead.first, one.lead.second, one.lead.by) == ("proto", "bytes", "standard error")
    assert one.lead.spread == pytest.approx(math.hypot(3 * 0.4, 0.3))
    told = {feature.name: feature.standard_error for feature in one.features}
    assert (told["bytes"], told["proto"]) == pytest.approx((0.3, 3 * 0.4))
    (none,) = explain(constant, data.test[:1], data=data, **QUIET)
    assert {feature.standard_error for feature in none.features} == {None}


def test_the_shortlist_votes_and_says_why_it_cannot(constant, data):
    (one,) = explain(constant, data.test[:1], data=data)
    votes = {vote.explainer: vote for vote in one.votes}
    assert list(votes) == ["residual", "repair", "lrp[root=joint]", "counterfactual"]
    assert votes["residual"].first == votes["repair"].first == ("proto",)
    assert "no weighted layer" in votes["lrp[root=joint]"].reason
    assert votes["lrp[root=joint]"].first == ()


def test_a_vote_for_several_or_for_none(constant, data):
    def first_two(detector, x):
        found = torch.zeros_like(x)
        found[:, 0] = found[:, 6] = 1.0
        return found

    def nothing(detector, x):
        return torch.zeros_like(x)

    def breaks(detector, x):
        raise ZeroDivisionError("by\nzero")

    listed = (first_two, nothing, breaks)
    (one,) = explain(constant, data.test[:1], data=data, shortlist=listed)
    assert [vote.first for vote in one.votes[1:]] == [("bytes", "constant"), (), ()]
    assert [vote.reason for vote in one.votes] == ["", "", "", "ZeroDivisionError: by"]


def test_the_one_that_answers_votes_once(constant, data):
    (one,) = explain(constant, data.test[:1], data=data, explainer="repair")
    assert [vote.explainer for vote in one.votes][:2] == ["repair", "residual"]
    assert len(one.votes) == len(SHORTLIST)


def test_without_data_there_are_no_units_and_nothing_usual(constant, data):
    bare = Detector(constant.model, features=FEATURES)
    (one,) = explain(bare, data.test[1:2])
    assert (one.score, one.alarm, one.error_alarm, one.alarmed) == (None, None, None, None)
    assert one.features[0].columns[0].value == pytest.approx(1.9)
    assert one.features[0].columns[0].usual is None
    assert one.features[0].usual_error_share is None
    reasons = {vote.explainer: vote.reason for vote in one.votes}
    assert "needs background" in reasons["repair"]
    (other,) = explain(bare, data.test[1:2], background=data.train)
    assert other.features[0].columns[0].usual is not None
    assert other.score is None


def test_an_uncalibrated_detector_is_calibrated_in_a_copy(constant, data):
    bare = Detector(constant.model)
    (one,) = explain(bare, data.test[1:2], data=data, **QUIET)
    assert bare.scale is None
    assert bare.features == Features()
    assert one.error_alarm == pytest.approx(constant.calibrated.normal_95)
    assert one.features[0].name == "bytes"


def test_an_untrained_network_is_explained_too(data):
    torch.manual_seed(0)
    untrained = Detector(torch.nn.Sequential(torch.nn.Linear(7, 2), torch.nn.Linear(2, 7)))
    (one,) = explain(untrained, data.test[:1], data=data)
    assert one.score is not None
    assert not [vote for vote in one.votes if vote.reason]


def test_a_model_without_gradients_is_asked_by_what_needs_none(data):
    detector = Detector.of(lambda x: np.full_like(x, 0.4))
    (one,) = explain(detector, data.test[:1], data=data)
    ran = {vote.explainer for vote in one.votes if not vote.reason}
    assert ran >= {"residual", "repair"}
    reasons = [vote.reason for vote in one.votes if vote.explainer == "lrp[root=joint]"]
    assert reasons[0]


def test_rows_call_the_samples(constant, data):
    found = explain(constant, data.test[:2], data=data, rows=[17, 4], **QUIET)
    assert [(one.label, one.row) for one in found] == [("Row 17", 17), ("Row 4", 4)]
    found = explain(constant, data.test[:2], data=data, **QUIET)
    assert [(one.label, one.row) for one in found] == [("Sample 0", None), ("Sample 1", None)]


def test_one_row_is_explained_as_in_any_batch(constant, data):
    whole = explain(constant, data.test[:6], data=data)
    (alone,) = explain(constant, data.test[3:4], data=data)
    assert [f.name for f in alone.features] == [f.name for f in whole[3].features]
    assert alone.error == pytest.approx(whole[3].error)
    assert alone.votes == whole[3].votes


def test_columns_without_names_are_numbered():
    x = np.random.default_rng(0).random((50, 3)).astype(np.float32)
    detector = Detector(Constant(x.mean(axis=0))).calibrate(x)
    (one,) = explain(detector, x[:1], background=x, **QUIET)
    assert {f.name for f in one.features} == {"feature 0", "feature 1", "feature 2"}
    grouped = Detector(Constant(x.mean(axis=0)), features=Features(groups=(0, 1, 1)))
    (one,) = explain(grouped, x[:1], background=x, **QUIET)
    pair = next(f for f in one.features if f.name == "feature 1")
    assert [column.name for column in pair.columns] == ["column 1", "column 2"]
    assert pair.leading.error_share == max(column.error_share for column in pair.columns)


def test_a_sample_without_any_error_has_no_shares():
    x = np.full((40, 2), 0.5, dtype=np.float32)
    (one,) = explain(Detector(Constant(x[0])), x[:1], **QUIET)
    assert [(f.error_share, f.share) for f in one.features] == [(0.0, None)] * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": np.zeros(7)}, "x must be numbers"),
        ({"x": np.zeros((0, 7))}, "x must be numbers"),
        ({"x": np.zeros((1, 6), np.float32)}, "samples have shape"),
        ({"x": np.full((1, 7), np.nan)}, "x is not finite in row 0, column 0 \\('bytes'\\)"),
        ({"rows": [1, 2]}, "rows must number each of the 1 samples"),
        ({"rows": [0.5]}, "rows must number"),
        ({"draws": 0}, "draws=0 must be at least 1"),
        ({"explainer": "residul"}, "did you mean 'residual'"),
        ({"explainer": 3}, "an explainer is a name"),
        ({"shortlist": ("nonsense",)}, "unknown explainer 'nonsense'"),
        ({"detector": torch.nn.Linear(7, 7)}, "explain takes a detector, not a Linear"),
    ],
)
def test_what_is_wrong_is_said(constant, data, change, said):
    asked = {"detector": constant, "x": data.test[:1], "data": data} | change
    with pytest.raises(RequestError, match=said):
        explain(asked.pop("detector"), asked.pop("x"), **asked)


def test_a_detector_that_draws_noise_is_refused(data):
    class Noisy(torch.nn.Module):
        def forward(self, x):
            return x + torch.rand_like(x)

    with pytest.raises(RequestError, match="draws=50"):
        explain(Detector(Noisy()), data.test[:1], background=data.train)


def test_the_shortlist_and_the_draws_are_the_documented_ones():
    assert SHORTLIST == ("residual", "repair", "lrp[root=joint]", "counterfactual")
    assert DRAWS == 5


def test_images_are_seen_by_regions():
    rng = np.random.default_rng(0)
    train = rng.random((20, 1, 16, 24)).astype(np.float32)
    expected = np.full((1, 16, 24), 0.5, dtype=np.float32)
    odd = train[:1].copy()
    odd[0, 0, 4:6, 9:12] = 3.0
    detector = Detector(Constant(expected)).calibrate(train)
    (one,) = explain(detector, odd, background=train, **QUIET)
    first = one.features[0]
    assert first.name == "y 4–5, x 9–11"
    assert first.columns[0].value == pytest.approx(3.0)
    assert first.columns[0].expected == pytest.approx(0.5)
    means = [float(image[0, 4:6, 9:12].mean()) for image in train]
    assert first.columns[0].usual.high == pytest.approx(quantile(means, 0.95))
    assert first.error_share == pytest.approx(
        float(((odd - 0.5) ** 2)[0, 0, 4:6, 9:12].sum() / ((odd - 0.5) ** 2).sum()), rel=1e-4
    )
    assert len(one.features) == 64
    assert one.kind == "images"
    assert one.pixels.x.shape == one.pixels.attribution.shape == (1, 16, 24)


def test_small_images_have_a_region_a_pixel_and_channels_are_together():
    x = np.random.default_rng(0).random((5, 3, 4, 2)).astype(np.float32)
    (one,) = explain(Detector(Constant(x.mean(axis=0))), x[:1], background=x, **QUIET)
    assert {f.name for f in one.features} == {f"y {y}, x {c}" for y in range(4) for c in range(2)}
    corner = next(f for f in one.features if f.name == "y 3, x 1")
    assert corner.columns[0].value == pytest.approx(float(x[0, :, 3, 1].mean()))


def test_a_data_set_whose_splits_are_as_they_are(detector, linear_rows):
    made = Dataset(*np.split(linear_rows, [300, 400]), detector.features)
    (one,) = explain(detector, made.sample(3), data=made, rows=[3])
    assert one.row == 3
    assert {f.name for f in one.features} == set("abcdefgh")
