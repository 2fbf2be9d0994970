"""Archives of torch.export, ONNX, and what is no model that can be read."""

from __future__ import annotations

import builtins
import importlib.util
import pickle
import re
import zipfile
from contextlib import suppress

import numpy as np
import pytest
import torch

from aexbench import RequestError, extras
from aexbench.loading import load, onnx, weights
from aexbench.running.sources import identity
from tests.aexbench.loading.conftest import net
from tests.aexbench.loading.test_python import X, said

DIM = torch.export.Dim("batch")


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """One network, exported for any number of samples, for single ones, and for eight."""
    home, model = tmp_path_factory.mktemp("archives"), net(5).eval()
    for name, count, shapes in (("any", 3, ({0: DIM},)), ("one", 1, None), ("eight", 8, None)):
        exported = torch.export.export(model, (torch.rand(count, 4),), dynamic_shapes=shapes)
        torch.export.save(exported, home / f"{name}.pt2")
    return home, model


def test_an_archive_needs_trust_and_is_not_read_without(archives, monkeypatch):
    def opened(*given):
        raise AssertionError("it was read")

    monkeypatch.setattr(torch.export, "load", opened)
    text = said(archives[0] / "any.pt2")
    assert re.search("unpickles.*run any code.*--trust.*module.py:factory.weights=FILE.", text)


@pytest.mark.parametrize("name", ["any", "one"])
def test_a_trusted_archive_reconstructs_any_number_of_samples(archives, name):
    home, model = archives
    detector = load(f"{home}/{name}.pt2", trust=True)
    assert torch.allclose(detector.reconstruct(X), model(X), atol=1e-6)
    assert detector.error_gradient(X).abs().sum() > 0
    assert identity(load(f"{home}/{name}.pt2", trust=True)) == identity(detector)


def test_an_archive_for_other_batches_says_how_to_export_it(archives):
    text = said(archives[0] / "eight.pt2", trust=True)
    assert "batches of 8 samples" in text
    assert "torch.export.Dim('batch')" in text


def test_what_is_no_archive_is_one_line(tmp_path):
    (tmp_path / "bad.pt2").write_bytes(b"nothing")
    assert "is no archive of torch.export.save" in said(tmp_path / "bad.pt2", trust=True)


def test_a_file_without_factories_takes_the_detectors_parameters_alone(archives):
    assert "leave :build out" in said(f"{archives[0]}/any.pt2:build", trust=True)
    text = said(f"{archives[0]}/any.pt2[weights=w]", trust=True)
    assert "unknown parameter of any.pt2 'weights'" in text
    assert load(f"{archives[0]}/any.pt2[loss=l1]", trust=True).loss == "l1"


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "n.onnx").write_bytes(b"")
    imported = builtins.__import__

    def lacking(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras.importlib, "import_module", lacking)
    assert said(tmp_path / "n.onnx") == (
        "n.onnx: this needs the package onnxruntime: pip install 'aexbench[onnx]'"
    )
    assert builtins.__import__ is imported


needs_onnx = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))), reason="needs onnx"
)


def onnx_file(path, batch="n", kind="FLOAT", outputs=1):
    """Write x → x·w, and its positive part as a second output; return w."""
    from onnx import TensorProto, helper, numpy_helper, save

    number = getattr(TensorProto, kind)
    weight = np.random.default_rng(0).normal(size=(4, 4)).astype(kind.lower().replace("f", "f"))
    if kind == "FLOAT":
        weight = weight.astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    values = [helper.make_tensor_value_info(name, number, [batch, 4]) for name in ("y", "z")]
    given = [helper.make_tensor_value_info("x", number, [batch, 4])]
    constants = [numpy_helper.from_array(weight, "w")]
    graph = helper.make_graph(nodes[:outputs], "g", given, values[:outputs], constants)
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return weight


@needs_onnx
@pytest.mark.parametrize(("batch", "kind"), [("n", "FLOAT"), (1, "FLOAT"), ("n", "DOUBLE")])
def test_an_onnx_network_is_a_function(tmp_path, batch, kind):
    weight = onnx_file(tmp_path / "n.onnx", batch, kind)
    detector = load(f"{tmp_path}/n.onnx")
    assert np.allclose(detector.reconstruct(X).numpy(), X.numpy() @ weight, atol=1e-5)
    assert detector.opaque
    own = identity(detector)
    (tmp_path / "m.onnx").write_bytes((tmp_path / "n.onnx").read_bytes())
    assert identity(load(f"{tmp_path}/m.onnx")) == own
    (tmp_path / "n.onnx.data").write_bytes(b"weights beside it")
    assert identity(load(f"{tmp_path}/n.onnx")) != own


@needs_onnx
def test_onnx_networks_that_do_not_fit_say_so(tmp_path):
    onnx_file(tmp_path / "eight.onnx", 8)
    assert "takes batches of 8 samples" in said(tmp_path / "eight.onnx")
    weight = onnx_file(tmp_path / "two.onnx", outputs=2)
    with pytest.raises(RequestError, match="say which is x̂"):
        load(f"{tmp_path}/two.onnx").reconstruct(X)
    found = load(f"{tmp_path}/two.onnx[output=z]").reconstruct(X).numpy()
    assert np.allclose(found, np.maximum(X.numpy() @ weight, 0), atol=1e-5)
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    assert "bad.onnx is no ONNX network" in said(tmp_path / "bad.onnx")


def scripted(path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(4, 4)), path)


def zipped(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("m/archive_format", "pt2")


KINDS = {
    "w.pt": (
        lambda path: torch.save(net().state_dict(), path),
        r"holds weights and no network.*build.*module.py:build\[weights=.*w.pt\]",
    ),
    "w.safetensors": (lambda path: path.write_bytes(b""), "holds weights and no network"),
    "script.pt": (scripted, r"is TorchScript.*deprecated.*module.py:build\[weights=FILE\]"),
    "script.ts": (scripted, "is TorchScript"),
    "no-suffix": (scripted, "is TorchScript"),
    "whole.pth": (
        lambda path: torch.save(torch.nn.Linear(2, 2), path),
        r"pickled module.*run code.*torch.save\(model.state_dict\(\).*module.py:build\[weights",
    ),
    "called.pt": (zipped, "is an archive of torch.export: call it .pt2"),
    "m.pkl": (lambda path: path.write_bytes(pickle.dumps(3)), "is a pickle.*run code.*m.pkl.*name"),
    "m.joblib": (lambda path: path.write_bytes(b""), r"joblib.load\('m.joblib'\)"),
    "m.keras": (lambda path: path.write_bytes(b""), "Keras.*load_model.*predict"),
    "m.h5": (lambda path: path.write_bytes(b""), "is a model of Keras"),
    "rows.csv": (lambda path: path.write_bytes(b"a,b"), "is no kind of model that is known"),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_each_other_kind_of_file_shows_its_way(tmp_path, name):
    writer, message = KINDS[name]
    writer(tmp_path / name)
    found = said(tmp_path / name, trust=True)
    assert found.startswith(name)
    assert re.search(message, found), found


def test_where_there_is_no_file_the_ways_are_shown(tmp_path):
    assert "write module.py:factory[weights=FILE]" in said(tmp_path / "nothing")
    assert "there is no folder" in said(tmp_path / "no" / "where.py:f")


def test_the_files_of_a_network_are_those_that_hold_it(tmp_path):
    names = ["n[1].onnx", "n[1].onnx.data", "n[1].onnx_data", "n[1].onnx.bak", "n1.onnx"]
    for name in names:
        (tmp_path / name).write_text(name)
    (tmp_path / "m.onnx_data").mkdir()
    found = onnx.files_of(tmp_path / "n[1].onnx")
    assert [path.name for path in found] == names[:3]
    assert onnx.files_of(tmp_path / "m.onnx") == []


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "whole.pt"
    torch.save(torch.nn.Linear(3, 3).state_dict(), path)
    return path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", "cut"], ids=["empty", "text", "cut"])
def test_a_damaged_file_is_said_to_be_that(tmp_path, saved, content):
    path = tmp_path / "bad.pt"
    path.write_bytes(saved[:200] if content == "cut" else content)
    for call in (weights.read, lambda path: load(str(path))):
        with pytest.raises(RequestError, match=r"^bad.pt is damaged, or no file of torch: "):
            call(path)


def test_whatever_bytes_are_changed_a_file_is_read_or_refused(tmp_path, saved):
    rng = np.random.default_rng(0)
    for number in range(200):
        content = bytearray(saved)
        for place in rng.integers(len(content), size=4).tolist():
            content[place] = int(rng.integers(256))
        path = tmp_path / f"{number}.pt"
        path.write_bytes(content)
        with suppress(RequestError):
            weights.read(path)
        with pytest.raises(RequestError):
            load(str(path))


class Own(torch.nn.Module):
    """A network that itself calls a part `module`."""

    def __init__(self):
        super().__init__()
        self.module = torch.nn.Linear(3, 3)


@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod.", "_orig_mod.module."])
def test_names_that_wrappers_put_in_front_are_taken_away_and_no_others(tmp_path, wrapper):
    for model in (Own(), torch.nn.Linear(3, 3)):
        state = {f"{wrapper}{name}": value + 1 for name, value in model.state_dict().items()}
        torch.save(state, tmp_path / "w.pt")
        weights.load_into(model, tmp_path / "w.pt")
        assert [t.tolist() for t in model.state_dict().values()] == [
            t.tolist() for t in state.values()
        ]
