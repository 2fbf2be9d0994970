"""What counts as source, of plugins that declare no version and of detectors that are given."""

from __future__ import annotations

import dataclasses
import functools
import sys

import numpy as np
import pytest
import torch

from aexbench import families
from aexbench.digests import code_digest, source_digest
from aexbench.running import planning


def one(x):
    return x + 1


def two(x):
    return x + 2


def adding(n):
    return lambda x: x + n


def test_a_function_counts_by_its_text_constants_and_arguments():
    closures = [adding(n) for n in (1, 2, 1)]
    assert code_digest(one) != code_digest(two)
    assert code_digest(closures[0]) == code_digest(closures[2]) != code_digest(closures[1])
    partials = [functools.partial(one, n) for n in (1, 2)]
    assert code_digest(partials[0]) != code_digest(partials[1])
    first, second = lambda x: x + 1, lambda x: x + 2
    assert code_digest(first) != code_digest(second)


class Call:
    """A callable object: what it holds decides what it does."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, detector, x):
        return x * self.factor

    def method(self, detector, x):
        return x * self.factor


def test_objects_methods_and_arrays_count_by_what_they_hold():
    many, other = np.arange(3000.0), np.arange(3000.0)
    other[500] = -1
    one_line = [lambda d, x: d, lambda d, x: -d]
    pairs = [
        (Call(1.0), Call(-1.0)),
        (Call(1.0).method, Call(-1.0).method),
        (Call(many), Call(other)),
        (adding(many), adding(other)),
        (Call(torch.zeros(3)), Call(torch.ones(3))),
        (Call(Call(1)), Call(Call(2))),
        (Call(torch.relu), Call(torch.tanh)),
        one_line,
    ]
    for one, two in pairs:
        assert code_digest(one) != code_digest(two)
    assert code_digest(Call(many)) == code_digest(Call(many.copy()))


def test_a_partial_counts_by_the_file_of_its_function():
    assert source_digest(functools.partial(one, 1)) == source_digest(one)


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a plugin with what it takes from beside it; return a function that digests it anew."""
    (tmp_path / "mine_helper.py").write_text("from mine_deeper import VALUE\n")
    (tmp_path / "mine_deeper.py").write_text("VALUE = 1\n")
    (tmp_path / "weights.json").write_text("[1]")
    (tmp_path / "README").write_text("not read")
    text = "import mine_helper\n\nFILE = 'weights.json'\n\n\ndef mine(detector, x):\n    return x\n"
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path, lambda: digest(tmp_path)
    for name in ("mine", "mine_helper", "mine_deeper"):
        sys.modules.pop(name, None)


def digest(folder):
    for name in ("mine", "mine_helper", "mine_deeper"):
        sys.modules.pop(name, None)
    import mine

    return source_digest(mine.mine)


@pytest.mark.parametrize("name", ["mine.py", "mine_helper.py", "mine_deeper.py", "weights.json"])
def test_what_a_plugin_takes_from_beside_it_counts(plugin, name):
    folder, digested = plugin
    before = digested()
    path = folder / name
    path.write_text(path.read_text().replace("1", "2") + "\n")
    assert digested() != before


def test_other_files_beside_it_and_line_ends_do_not(plugin):
    folder, digested = plugin
    before = digested()
    (folder / "README").write_text("other")
    (folder / "new.py").write_text("1")
    for name in ("mine.py", "mine_helper.py"):
        path = folder / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert digested() == before


def test_the_source_of_a_built_in_plugin_is_what_it_takes_of_its_family(tmp_path):
    assert source_digest(families.explainers.describe("repair").target) != source_digest(
        families.explainers.describe("residual").target
    )


@pytest.mark.parametrize("family", families.FAMILIES)
def test_every_built_in_plugin_declares_a_version(family):
    registry = families.FAMILIES[family]
    own = [n for n in registry.names() if registry.describe(n).target.__module__[:9] == "aexbench."]
    assert len(own) > 1
    assert [n for n in own if registry.describe(n).declaration.version is None] == []


def test_a_comment_or_a_new_file_renames_no_result(monkeypatch):
    """A declared version takes the place of the source in every key."""
    suite = planning.load("quickstart")
    before = [cell.key for cell in planning.plan(suite)]
    monkeypatch.setattr("aexbench.registry.source_digest", lambda target: "other")
    for registry in families.FAMILIES.values():
        for name in registry.names():
            registry.describe(name).__dict__.pop("digest", None)
    assert [cell.key for cell in planning.plan(suite)] == before
    for registry in families.FAMILIES.values():
        for name in registry.names():
            registry.describe(name).__dict__.pop("digest", None)


def test_a_new_version_renames_what_it_shaped(monkeypatch):
    suite = planning.load("quickstart")
    before = {cell.key for cell in planning.plan(suite)}
    monkeypatch.setitem(planning.stage.__globals__["STAGES"], "explainer", 2)
    after = {cell.key: cell for cell in planning.plan(suite)}
    kept = {after[key].explainer.name for key in before & after.keys()}
    assert kept == {"oracle", "feature-prior"}


def test_a_later_version_of_an_autoencoder_renames_what_data_sets_train(monkeypatch):
    suite = planning.load("quickstart")
    before = {cell.key for cell in planning.plan(suite)}
    plugin = families.autoencoders.describe("mlp")
    later = dataclasses.replace(
        plugin, declaration=dataclasses.replace(plugin.declaration, version=2)
    )
    monkeypatch.setitem(families.autoencoders._plugins, "mlp", later)
    assert not before & {cell.key for cell in planning.plan(suite)}


def test_absolute_imports_within_a_package_count(tmp_path, monkeypatch):
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helpers.py").write_text("POWER = 1\n")
    (package / "mine.py").write_text(
        "from mypackage.helpers import POWER\n\n\ndef mine(detector, x):\n    return x**POWER\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import mypackage.mine

    before = source_digest(mypackage.mine.mine)
    (package / "helpers.py").write_text("POWER = 2\n")
    assert source_digest(mypackage.mine.mine) != before
