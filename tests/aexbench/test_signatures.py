"""What a plugin may look like is checked when it registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from annotated_types import Ge

from aexbench import RequestError, families
from aexbench.components import of_plugin
from aexbench.declarations import Declaration, Later
from aexbench.registry import Registry


@dataclass(frozen=True)
class Settings:
    kind: Literal["a", "b"] = "a"
    count: Annotated[int, Ge(1)] = 50


@pytest.fixture
def registry():
    return Registry("thing", "", Declaration)


def test_a_dataclass_among_the_parameters_stands_for_its_fields(registry):
    @registry.register("mine")
    def mine(*, first: int = 1, how: Settings = Settings(count=7)):
        return first, how

    described = registry.describe("mine").parameters
    assert [(p.name, p.type_name, p.default) for p in described.values()] == [
        ("first", "int", 1),
        ("kind", "Literal['a', 'b']", "a"),
        ("count", "int", 7),
    ]
    assert registry.create("mine[kind=b,first=3]") == (3, Settings("b", 7))
    assert registry.describe("mine").write({"kind": "b", "count": 7}) == "mine[kind=b]"
    with pytest.raises(RequestError, match="count=0 is wrong"):
        registry.create("mine[count=0]")


def test_a_number_or_a_word_is_read_described_and_written_back(registry):
    @registry.register("mine")
    def mine(*, top: Annotated[int, Ge(1)] | Literal["truth", "half"] = 1):
        return top

    assert [registry.create(f"mine{text}") for text in ("", "[top=3]", "[top=truth]")] == [
        1,
        3,
        "truth",
    ]
    described = registry.describe("mine")
    for part in ("int", "Literal['truth', 'half']"):
        assert part in described.parameters["top"].type_name
    assert [described.write({"top": top}) for top in (1, 3, "truth")] == [
        "mine",
        "mine[top=3]",
        "mine[top=truth]",
    ]
    for text, reason in (
        ("0", ".* equal to 1"),
        ("x", ".* integer"),
        ("1.5", ".* fractional part"),
    ):
        with pytest.raises(RequestError, match=f"is wrong: input {reason}, or 'truth' or 'half'$"):
            registry.create(f"mine[top={text}]")
    with pytest.raises(RequestError, match="it takes no truth value"):
        registry.create("mine[top=true]")


def test_words_in_a_list_are_named_once(registry):
    @registry.register("mine")
    def mine(*, parts: tuple[Literal["a", "b"], ...] = ()):
        return parts

    with pytest.raises(RequestError, match=r"is wrong: input should be 'a' or 'b'$"):
        registry.create("mine[parts=[c, d]]")


class NoExplain:
    def __init__(self, detector):
        self.detector = detector


class OtherExplain(NoExplain):
    def explain(self):
        return self.detector


class NoScore:
    pass


class OtherGenerate:
    def generate(self, detector, clean):
        return detector, clean


def forgets(detector, x, *, power: float = 1.0):
    return detector.error_map(x)


def inner(detector, x, *, power: float = 1.0):
    return [value**power for value in x]


class ForgetsInInit(OtherExplain):
    def __init__(self, detector, *, power: float = 1.0):
        self.detector = detector

    def explain(self, x):
        return x


@pytest.mark.parametrize(
    ("family", "target", "declared", "message"),
    [
        ("explainers", NoExplain, {}, "explainer x has no method explain"),
        ("explainers", OtherExplain, {}, r"explain must take \(self, x\)"),
        ("explainers", forgets, {}, "takes power and never reads it"),
        ("explainers", ForgetsInInit, {}, "takes power and never reads it"),
        ("explainers", inner, {"floors": True}, "unknown declaration of explainer x 'floors'"),
        ("explainers", lambda: 0, {}, "takes 0 arguments; the engine gives it 2"),
        ("metrics", NoScore, {}, "metric x has no method score"),
        ("metrics", lambda a, t: a, {"title": "recall@{top}"}, "title names 'top'"),
        ("metrics", lambda a, t: a, {"title": "recall@{"}, "title does not format"),
        ("metrics", lambda a, t, *, top: a * top, {"title": "m@{top:q}"}, "does not format"),
        ("corruptions", lambda d, x, m, r, *, count=3: x * count, {}, "count is a parameter that"),
        ("corruptions", OtherGenerate, {}, "generate must take"),
    ],
)
def test_what_cannot_work_is_refused_at_registration(family, target, declared, message):
    with pytest.raises(RequestError, match=message):
        families.FAMILIES[family].register("x", **declared)(target)
    assert "x" not in families.FAMILIES[family].names()


def test_a_parameter_that_an_inner_function_reads_is_read():
    assert families.explainers.adapt(inner).parameters["power"].default == 1.0


def test_a_truth_value_is_no_number(registry):
    @registry.register("mine")
    def mine(*, count: int = 1, yes: bool = False):
        return count, yes

    assert registry.create("mine[yes=true]") == (1, True)
    with pytest.raises(RequestError, match="it takes no truth value"):
        registry.create("mine[count=true]")


def test_what_the_engine_offers_need_not_be_read():
    class Mine:
        def __init__(self, detector, *, background=None):
            self.detector = detector

        def explain(self, x):
            return x

    assert families.explainers.adapt(Mine).offered == {"background"}


def test_settings_reach_the_explainer_behind_its_door(detector, linear_rows):
    explainer = families.explainers.create("residual", detector)
    explainer.sigma = 3.0
    assert explainer.explainer.sigma == 3.0


def with_and_without_a_mark(registry):
    def earlier(*, top: int = 1):
        return top

    def now(
        *,
        top: int = 1,
        l1: Annotated[float, Ge(0), Later(0.0)] = 0.5,
        kind: Annotated[Literal["a", "b"], Later("a")] = "a",
    ):
        return top, l1, kind

    registry.register("earlier", version=1)(earlier)
    registry.register("now", version=1)(now)
    return registry.describe("earlier"), registry.describe("now")


def test_a_later_parameter_counts_but_for_the_value_that_changes_nothing():
    earlier, now = with_and_without_a_mark(Registry("explainer", "", Declaration))
    before = of_plugin(earlier, {"top": 2}).parameters
    assert of_plugin(now, {"top": 2, "l1": 0.0}).parameters == before
    assert of_plugin(now, {"top": 2}).parameters == {**before, "l1": 0.5}  # whatever the default is
    assert of_plugin(now, {"top": 2, "l1": 0.0, "kind": "b"}).parameters == {**before, "kind": "b"}
    assert of_plugin(now, {"l1": 0.0}).arguments == {"top": 1, "l1": 0.0, "kind": "a"}


def test_people_read_nothing_of_a_mark(registry):
    _, now = with_and_without_a_mark(registry)
    names = {name: parameter.type_name for name, parameter in now.parameters.items()}
    assert names == {"top": "int", "l1": "float", "kind": "Literal['a', 'b']"}
