from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Literal

import pytest

from aexbench import RequestError, families
from aexbench.declarations import MetricDeclaration
from aexbench.registry import PluginWarning, Registry
from aexbench.running import references
from aexbench.signatures import REQUIRED


@pytest.fixture
def registry() -> Registry:
    return Registry(
        "thing",
        "aexbench.metrics",
        MetricDeclaration,
        offered=frozenset({"background"}),
        _loaded=True,
    )


def test_a_function_and_a_class_are_made_with_checked_parameters(registry):
    @registry.register("sum")
    def add(*, one: int, two: float = 0.5) -> float:
        """Add two numbers.

        References
        ----------
        Euclid, Book VII.
        """
        return one + two

    @registry.register("pair")
    class Pair:
        def __init__(self, *, background: object = None, kind: Literal["a", "b"] = "a") -> None:
            self.background, self.kind = background, kind

    assert registry.names() == ["pair", "sum"]
    assert registry.create("sum", one="3") == 3.5
    assert registry.create("sum[one=1,two=2]") == 3
    assert registry.create("pair", background=7).background == 7
    assert registry.create("sum", one=1, background=7) == 1.5  # offered, and not asked for
    described = registry.describe("sum")
    assert (described.summary, described.source) == ("Add two numbers.", "Euclid, Book VII.")
    assert [(p.name, p.type_name, p.default) for p in described.parameters.values()] == [
        ("one", "int", REQUIRED),
        ("two", "float", 0.5),
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.create("summ"), "unknown thing 'summ'; did you mean 'sum'"),
        (lambda r: r.create("sum"), "needs one"),
        (lambda r: r.create("sum", one="x"), "one='x' is wrong: input should be a valid integer"),
        (lambda r: r.create("sum", one=1, tow=2), "'tow'; did you mean 'two'"),
        (lambda r: r.register("Bad Name"), "lower-case"),
        (lambda r: r.register("sum", flour=True)(lambda: None), "unknown declaration"),
        (lambda r: r.register("sum")(lambda: None), "registered already"),
        (lambda r: r.register("any")(lambda **kwargs: None), "name its parameters"),
    ],
)
def test_wrong_requests_are_one_clear_line(registry, call, message):
    @registry.register("sum")
    def add(*, one: int, two: float = 0.5) -> float:
        return one + two

    with pytest.raises(RequestError, match=message) as error:
        call(registry)
    assert "\n" not in str(error.value)


def test_a_broken_entry_point_is_reported_and_the_others_load(monkeypatch):
    def entry(name: str, value: str) -> importlib.metadata.EntryPoint:
        return importlib.metadata.EntryPoint(name, value, "aexbench.metrics")

    points = [entry("broken", "no_such_module:thing"), entry("from-outside", "operator:add")]
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group: points if group == "aexbench.metrics" else [],
    )
    registry = Registry("metric", "aexbench.metrics", MetricDeclaration)
    with pytest.warns(
        PluginWarning, match=r"(?s)broken \(no_such_module:thing\) did not load.*Traceback"
    ):
        assert registry.names() == [
            "from-outside"
        ]  # the built-in ones are imported already, by another registry
    assert "ModuleNotFoundError" in registry.broken["broken (no_such_module:thing)"]


def test_a_plugin_file_registers_and_may_be_named_twice(plugin_file):
    for _ in range(2):
        families.load_plugin(plugin_file)
    assert "mine" in families.explainers.names()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import aexbench\n1 / 0\n", r"line 2: ZeroDivisionError: division by zero"),
        ("\n\nimport no_such_module\n", r"line 3: ModuleNotFoundError: No module named"),
        ("def f(:\n    pass\n", r"line 1: SyntaxError: invalid syntax"),
        ("x = 1\nraise SystemExit(3)\n", r"line 2: SystemExit: 3"),
        ("x = 1\nassert not x\n", r"line 2: AssertionError$"),
        ("raise ValueError('one\\ntwo')\n", r"line 1: ValueError: one$"),
    ],
)
def test_a_plugin_file_that_breaks_is_one_line(tmp_path, text, said):
    broken = tmp_path / "broken.py"
    broken.write_text(text)
    with pytest.raises(RequestError, match=rf"^plugin broken\.py, {said}"):
        families.load_plugin(broken)
    assert "residual" in families.explainers.names()


def test_nothing_of_a_plugin_file_that_breaks_is_registered(tmp_path):
    half = tmp_path / "half.py"
    half.write_text(
        "from aexbench import explainers\nexplainers.register('mine')(lambda d, x: x)\nraise "
        "SystemExit(3)\n"
    )
    with pytest.raises(RequestError, match=r"half\.py, line 3"):
        families.load_plugin(half)
    assert "mine" not in families.explainers.names()
    with pytest.raises(RequestError, match="no plugin file"):
        families.load_plugin(tmp_path / "missing.py")


OWN = """
from aexbench import explainers

@explainers.register({name!r})
def own(detector, x):
    \"\"\"Return the error map.\"\"\"
    return detector.error_map(x)
"""


def refused(aexbench_cli, *plugins: Path) -> str:
    """Return the one line by which plugin files are refused."""
    before = families.explainers.names()
    outcome = aexbench_cli("list", "explainers", *(f"--plugin={path}" for path in plugins))
    assert outcome.code == 2
    assert families.explainers.names()[: len(before)] == before
    (line,) = outcome.err.splitlines()
    return line


def test_one_name_twice_in_a_file_names_both_lines(aexbench_cli, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN.format(name="zz") * 2)
    said = "error: plugin own.py, line 11: RequestError: explainer 'zz' is registered already, by "
    assert refused(aexbench_cli, path).startswith(f"{said}{path}, line 4: choose another name")
    path.write_text(OWN.format(name="zz") + OWN.format(name="zz").replace("own(", "other("))
    assert refused(aexbench_cli, path).startswith(said)


def test_one_name_in_two_files_names_both(aexbench_cli, tmp_path):
    paths = [tmp_path / name for name in ("first.py", "second.py")]
    for path in paths:
        path.write_text(OWN.format(name="zz"))
    line = refused(aexbench_cli, *paths)
    assert line.startswith("error: plugin second.py, line 4: ")
    assert f"by {paths[0]}, line 4" in line


@pytest.mark.parametrize(("name", "by"), [("lrp", "aexbench.explainers.lrp"), ("own", "outside")])
def test_the_name_of_a_built_in_or_installed_plugin_is_taken(
    aexbench_cli, tmp_path, monkeypatch, name, by
):
    (tmp_path / "outside.py").write_text("def own(detector, x):\n    return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = [importlib.metadata.EntryPoint("own", "outside:own", "aexbench.explainers")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    monkeypatch.setattr(families.explainers, "_loaded", False)
    path = tmp_path / "plugin.py"
    path.write_text(OWN.format(name=name))
    line = refused(aexbench_cli, path)
    assert f"plugin.py, line 4: RequestError: explainer {name!r} is registered already" in line
    assert f", by {by}" in line


def test_a_file_named_twice_or_by_a_link_or_edited_is_no_second_one(aexbench_cli, tmp_path):
    path, link = tmp_path / "own.py", tmp_path / "link.py"
    path.write_text(OWN.format(name="zz"))
    link.symlink_to(path)
    options = [f"--plugin={one}" for one in (path, path, link)]
    assert aexbench_cli("list", "explainers", *options).code == 0
    path.write_text(OWN.format(name="zz") + "# edited\n")
    assert aexbench_cli("list", "explainers", *options).code == 0


def test_a_definition_that_is_run_again_takes_its_own_place(registry):
    for figure in (1, 2):
        registry.register("sum")(lambda figure=figure: figure)  # as in a notebook
    assert registry.describe("sum").target() == 2


def test_every_plugin_package_is_in_the_wheel():
    root = Path(__file__).parents[2]
    import tomllib

    listed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = [
        p.parent.relative_to(root)
        for name in families.FAMILIES
        for p in (root / name).rglob("__init__.py")
    ]
    assert {f"aexbench.{'.'.join(folder.parts)}" for folder in folders} <= set(listed)


def test_the_texts_that_new_files_are_made_of_are_in_the_wheel():
    root = Path(__file__).parents[2]
    import tomllib

    listed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    own = [p.parent.relative_to(root) for p in (root / "aexbench").rglob("__init__.py")]
    assert {".".join(folder.parts) for folder in own} <= set(listed["packages"])
    assert len(list((root / "aexbench/templates").glob("*.txt"))) == 8
    assert listed["package-data"]["aexbench.templates"] == ["*.txt"]


@pytest.mark.parametrize("name", ["deviation", "kernelshap-batched", "repair"])
def test_what_needs_a_background_says_so(name):
    from aexbench import Detector, explainers
    from tests.conftest import mlp

    with pytest.raises(RequestError, match=f"explainer {name} needs background: give background="):
        explainers.create(name, Detector(mlp((3, 2, 3), ("relu", "relu"))))


@pytest.mark.parametrize("name", [*references.references.names(), "labels", "default", "given"])
def test_what_the_engine_calls_its_own_is_refused_to_plugins(name):
    for family in families.FAMILIES.values():
        with pytest.raises(RequestError, match=f"cannot register '{name}': the engine's own"):
            family.register(name)
