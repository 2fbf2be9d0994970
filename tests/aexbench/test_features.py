from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench import Features, RequestError
from aexbench.features import WORDS


@pytest.mark.parametrize(
    ("features", "bounded"),
    [
        (Features(), False),
        (Features(names=("a", "b")), False),
        (Features(low=0.0), True),
        (Features(high=1.0), True),
        (Features().within(0.0, 1.0), True),
    ],
)
def test_bounds_count_as_said_where_somebody_said_them(features, bounded):
    assert features.bounded is bounded
    assert (features.low, features.high) == (0.0, 1.0)


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (2.0, 1.0), ((0.0, 3.0), (1.0, 3.0))])
def test_a_column_without_a_range_is_refused(bounds):
    with pytest.raises(RequestError, match="low of Features must lie below high"):
        Features(low=bounds[0], high=bounds[1])


@pytest.mark.parametrize("kinds", [("onehot",), ("onehot", "columns", "columns")])
def test_kinds_are_one_a_group(kinds):
    with pytest.raises(RequestError, match=f"{len(kinds)} kinds for 2 groups"):
        Features(groups=(0, 0, 1), kinds=kinds)


@pytest.mark.parametrize(
    ("names", "groups", "found"),
    [
        ("a b c", None, ["a", "b", "c"]),
        ("ip_1 bytes ip_2", (0, 1, 0), ["ip", "bytes"]),
        ("role=user role=admin", (0, 0), ["role"]),
        ("hour=sin hour=cos x", (0, 0, 1), ["hour", "x"]),
        ("port80 port8080", (0, 0), ["port"]),
        ("hourSin hourCos", (0, 0), ["hour"]),
        ("IPSource IPTarget", (0, 0), ["IP"]),
        ("ip ip_src", (0, 0), ["ip"]),
        ("ip_1 ip_2 ip", (0, 0, 1), ["ip_1 … ip_2", "ip"]),
        ("x_1 x_2 x_3 x_4", (0, 0, 1, 1), ["x_1 … x_2", "x_3 … x_4"]),
        ("sine cosine", (0, 0), ["sine … cosine"]),
        ("größe_1 größe_2", (0, 0), ["größe"]),
    ],
)
def test_a_group_is_called_as_its_columns_begin(names, groups, found):
    features = Features(names=tuple(names.split()), groups=groups)
    assert list(features.group_names((len(features.names),))) == found


def test_features_without_names_are_numbered():
    assert Features().group_names((1, 2, 1)) == ("feature 0", "feature 1")
    assert Features(groups=(0, 1, 1)).group_names((3,)) == ("feature 0", "feature 1")


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True), st.data())
def test_every_feature_has_one_name_and_a_group_s_is_what_its_columns_begin_with(names, data):
    owner = [data.draw(st.integers(0, 2)) for _ in names]
    groups = [sorted(set(owner)).index(one) for one in owner]
    found = Features(names=tuple(names), groups=tuple(groups)).group_names((len(names),))
    assert len(found) == len(set(groups))
    for number, name in enumerate(found):
        own = [n for n, group in zip(names, groups, strict=True) if group == number]
        begins = bool(name) and all(one.startswith(name) for one in own)
        assert name == own[0] if len(own) == 1 else begins or name == f"{own[0]} … {own[-1]}"


@given(st.text())
def test_words_make_up_the_whole_name(name):
    assert "".join(WORDS.findall(name)) == name
