from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexbench import RequestError, specs

VALUES = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(
    st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True),
    st.dictionaries(st.from_regex(r"[a-z]\w*", fullmatch=True), VALUES),
)
def test_what_is_written_is_read_back(name, parameters):
    assert specs.parse(specs.write(name, parameters)) == (name, parameters)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lrp", ("lrp", {})),
        ("lrp[]", ("lrp", {})),
        ("lrp[root=0.5, first=z-box]", ("lrp", {"root": 0.5, "first": "z-box"})),
        ("mlp[widths=[64,32],output=sigmoid]", ("mlp", {"widths": [64, 32], "output": "sigmoid"})),
        (
            "file[path=/a b/c.csv,drop=[id, name]]",
            ("file", {"path": "/a b/c.csv", "drop": ["id", "name"]}),
        ),
        ('file[path="a,b].csv",label=y]', ("file", {"path": "a,b].csv", "label": "y"})),
        ("x[day=2024-01-01,on=true,n=1e3]", ("x", {"day": "2024-01-01", "on": True, "n": 1000.0})),
    ],
)
def test_brackets(text, expected):
    assert specs.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "lrp[", "lrp]", "lrp[first]", "lrp[=1]", "lrp[a=1,a=2]", "lrp[a=[1]", "a b", "x['"]
)
def test_what_cannot_be_read_is_one_line(text):
    with pytest.raises(RequestError) as error:
        specs.parse(text)
    assert "\n" not in str(error.value)
