"""Which results keep their keys: what counts is a plugin's version, where it declares one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from aexbench import families
from aexbench.digests import array_digest, text_digest
from aexbench.running import planning


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
    assert kept == {"oracle", "chance", "feature-prior"}


def test_a_later_version_of_an_autoencoder_renames_what_data_sets_train(monkeypatch):
    suite = planning.load("quickstart")
    before = {cell.key for cell in planning.plan(suite)}
    plugin = families.autoencoders.describe("mlp")
    later = dataclasses.replace(
        plugin, declaration=dataclasses.replace(plugin.declaration, version=2)
    )
    monkeypatch.setitem(families.autoencoders._plugins, "mlp", later)
    assert not before & {cell.key for cell in planning.plan(suite)}


def test_rows_of_another_shape_have_another_digest():
    assert array_digest([np.zeros((2, 6))]) != array_digest([np.zeros((3, 4))])


def test_a_line_that_moves_to_another_file_changes_a_digest_and_line_ends_do_not(tmp_path):
    def digest(*texts: bytes) -> str:
        files = [tmp_path / str(number) for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_bytes(text)
        return text_digest(files)

    assert digest(b"a\nb\n", b"c\n") != digest(b"a\n", b"b\nc\n")
    assert digest(b"a\nb\n", b"c\n") == digest(b"a\r\nb\r\n", b"c\r\n")
