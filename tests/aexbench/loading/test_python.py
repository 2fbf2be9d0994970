"""`module.py:factory[weights=FILE]`."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from aexbench import RequestError
from aexbench.loading import load
from aexbench.loading.places import Place, parse
from aexbench.running.sources import identity
from tests.aexbench.loading.conftest import HELPER, MODEL, net, write

X = torch.rand(5, 4, generator=torch.Generator().manual_seed(0))


def said(text, **options):
    """Return the one line with which a text is refused."""
    with pytest.raises(RequestError) as caught:
        load(str(text), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


WRITERS = {
    "weights.safetensors": lambda state, path: save_file(state, path),
    "weights.pt": torch.save,
    "checkpoint.ckpt": lambda state, path: torch.save({"state_dict": state, "epoch": 3}, path),
    "parallel.pth": lambda state, path: torch.save(
        {f"module.{name}": tensor for name, tensor in state.items()}, path
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_weights_are_loaded_into_what_the_factory_makes(folder, name):
    network, path = net(5), folder / name
    WRITERS[name](network.state_dict(), path)
    detector = load(f"{folder}/model.py:build[width=5,weights={path}]")
    assert torch.equal(detector.reconstruct(X), network(X).detach())
    assert not detector.model.training


def test_a_class_and_a_module_are_factories_too(folder):
    (folder / "model.py").write_text(MODEL + "\nready = Net(2)\n")
    for name, width in (("Net", 3), ("ready", 2)):
        assert load(f"{folder}/model.py:{name}").model.encoder.out_features == width


def test_parameters_reach_the_factory(folder):
    place = f"{folder}/model.py"
    assert torch.equal(load(f"{place}:function[factor=3]").reconstruct(X), 3 * X)
    assert torch.equal(load(f"{place}:everything[by=2]").reconstruct(X), 2 * X)


def test_options_of_the_detector_stand_in_the_brackets(folder):
    made = load(f"{folder}/model.py:pair[loss=l1,output=0,batch=2,draws=3]", loss="l2")
    assert (made.loss, made.output, made.batch, made.draws) == ("l1", 0, 2, 3)
    assert made.reconstruct(X).shape == X.shape


def test_what_the_factory_takes_by_name_is_its_own(folder):
    made = load(f"{folder}/model.py:own[loss=2,output=ab]")
    assert torch.equal(made.reconstruct(X), 4 * X)
    assert (made.loss, made.output) == ("l2", None)


def test_keywords_stand_in_where_the_brackets_say_nothing(folder):
    made = load(f"{folder}/model.py:pair", loss="l1", output=0)
    assert (made.loss, made.output) == ("l1", 0)


def test_the_folder_is_importable_while_it_loads_and_no_longer(folder):
    path, modules = list(sys.path), set(sys.modules)
    load(f"{folder}/model.py:build")
    assert sys.path == path
    left = set(sys.modules) - modules
    assert "helper" not in left
    assert all(name.startswith("aexbench_model_") for name in left)


def test_a_folder_is_not_left_importable_by_a_failure(folder):
    (folder / "model.py").write_text("import helper\nraise ValueError('no')")
    path = list(sys.path)
    assert "model.py cannot be imported: ValueError: no" in said(f"{folder}/model.py:build")
    assert sys.path == path
    assert "helper" not in sys.modules


def test_modules_of_one_name_in_two_folders_are_two(folder, tmp_path, monkeypatch):
    write(tmp_path / "other", HELPER.replace("torch.tanh", "torch.relu"))
    monkeypatch.syspath_prepend(str(tmp_path / "third"))
    write(tmp_path / "third", "mine = 3")
    import helper  # somebody's own, of that name

    first, second = (load(f"{tmp_path}/{name}/model.py:build") for name in ("mine", "other"))
    assert not torch.equal(first.reconstruct(X), second.reconstruct(X))
    assert torch.equal(first.reconstruct(X), load(f"{folder}/model.py:build").reconstruct(X))
    assert sys.modules["helper"] is helper
    assert type(first.model).__module__ == "helper"
    monkeypatch.delitem(sys.modules, "helper")


def test_a_file_that_has_changed_is_read_anew(folder):
    assert torch.equal(load(f"{folder}/model.py:function").reconstruct(X), 0.5 * X)
    for number in (2, 3):
        (folder / "model.py").write_text(MODEL.replace("FACTOR = 0.5", f"FACTOR = {number}.5"))
        found = load(f"{folder}/model.py:function").reconstruct(X)
        assert torch.equal(found, (number + 0.5) * X)


def test_a_network_without_weights_is_the_same_each_time(folder):
    state = torch.random.get_rng_state()
    one, other = (load(f"{folder}/model.py:build") for _ in range(2))
    assert torch.equal(one.model.encoder.weight, other.model.encoder.weight)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_relative_path_of_weights_is_of_the_current_folder(folder, monkeypatch):
    torch.save(net(3).state_dict(), folder / "w.pt")
    monkeypatch.chdir(folder.parent)
    assert said("mine/model.py:build[weights=w.pt]").endswith("write weights=mine/w.pt")
    assert load("mine/model.py:build[weights=mine/w.pt]")


def wrong(state, folder):
    torch.save(state, folder / "w.pt")
    return said(f"{folder}/model.py:build[width=5,weights={folder}/w.pt]")


def test_weights_that_do_not_fit_are_named(folder):
    state = net(5).state_dict()
    lacking = {name: tensor for name, tensor in state.items() if name != "encoder.bias"}
    assert wrong(lacking, folder) == "w.pt does not fit Net: it lacks encoder.bias"
    more = state | {f"more.{n}": torch.zeros(1) for n in range(5)}
    assert wrong(more, folder).endswith("it has more.0, more.1, more.2 and 2 more too")
    of_others = wrong(net(4).state_dict(), folder)
    assert "encoder.weight is (4, 4) and not (5, 4)" in of_others


class Evil:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("held", [net(5), {"x": Evil()}])
def test_nothing_is_unpickled_for_weights(folder, capsys, held):
    torch.save(held, folder / "w.pt") if isinstance(held, dict) else torch.save(
        torch.nn.Linear(2, 2), folder / "w.pt"
    )
    text = said(f"{folder}/model.py:build[width=5,weights={folder}/w.pt]")
    assert "torch.save(model.state_dict(), FILE)" in text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.py", r"such as .*model.py:Settings. Defined there: Settings, build"),
        ("model.py:buil", "unknown factory of model.py 'buil'; did you mean 'build'"),
        ("model.py:build[widht=3]", "unknown parameter of model.py:build 'widht'; did you mean"),
        ("model.py:build[weights=w]", "there is no file w of weights"),
        ("model.py:function[weights=model.py]", "weights are those of a torch module.*function"),
        ("model.py:reconstruct", r"wants x: write model.py:reconstruct\[x=…\].*factory returns"),
        ("model.py:nothing", "what model.py:nothing returns: .* not a NoneType"),
        ("model.py:fails", "model.py:fails fails: OSError: the disk is gone"),
        ("model.py:build[loss=l3]", "model.py:build: unknown loss 'l3'"),
        ("modle.py:build", "there is no model file .*modle.py; did you mean .*model.py"),
        ("model.py:build[width=3", "cannot read the model"),
        ("", "is a folder"),
    ],
)
def test_what_cannot_be_made_is_one_line(folder, text, message):
    found = said(f"{folder}/{text}")
    assert __import__("re").search(message, found), found


def identified(text, **options):
    return identity(load(str(text), **options))


def test_a_model_is_its_contents_and_not_its_place(folder, tmp_path):
    torch.save(net(5).state_dict(), folder / "w.pt")
    shutil.copytree(folder, tmp_path / "copy")
    save_file(net(5).state_dict(), tmp_path / "copy" / "other.safetensors")
    text = "{0}/model.py:build[width=5,weights={0}/{1}]"
    own = identified(text.format(folder, "w.pt"))
    assert identified(text.format(tmp_path / "copy", "w.pt")) == own
    torch.save(net(5).state_dict(), folder / "again.pt")
    assert identified(text.format(folder, "again.pt")) != own  # other numbers
    (folder / "helper.py").write_text(HELPER.replace("torch.tanh", "torch.relu"))
    changed = identified(text.format(folder, "w.pt"))
    assert changed != own
    assert changed["weights"] == own["weights"]


def test_a_function_is_its_source_its_parameters_and_what_it_imports_beside_it(folder):
    own = identified(f"{folder}/model.py:function")
    assert identified(f"{folder}/model.py:function") == own
    assert identified(f"{folder}/model.py:function[factor=2]") != own
    assert identified(f"{folder}/model.py:function", loss="l1") != own
    assert identified(f"{folder}/model.py:function[batch=2]") != own
    (folder / "helper.py").write_text(HELPER + "\nmore = 1\n")
    assert identified(f"{folder}/model.py:function") != own


READS = """
import numpy

def build(file):
    numbers = numpy.loadtxt(file)
    return lambda x: numbers * x
"""


def test_a_file_that_a_parameter_names_counts_by_its_content(folder, tmp_path):
    (folder / "reads.py").write_text(READS)
    digests = []
    for number, name in ((1, "a.txt"), (1, "b.txt"), (2, "a.txt")):
        np.savetxt(folder / name, [number])
        made = identified(f"{folder}/reads.py:build[file={folder}/{name}]")
        digests.append(str(made))
    assert digests[0] == digests[1] != digests[2]


def test_texts_are_taken_apart(folder, monkeypatch):
    assert parse("a/b.py:f[x=1,w=[1, 2]]") == Place(
        parse("a/b.py").path, "f", {"x": 1, "w": [1, 2]}
    )
    monkeypatch.chdir(folder)
    place = parse("model.py:f[weights=helper.py,width=3]").absolute()
    assert place.path == folder / "model.py"
    assert place.parameters == {"weights": str(folder / "helper.py"), "width": 3}
    assert place.pathless() == "model.py:f[weights=helper.py,width=3]"
    (folder / "odd[1].pt2").touch()
    assert parse("odd[1].pt2").path.name == "odd[1].pt2"


def test_a_text_with_slashes_that_is_no_file_stays(folder):
    place = parse("model.py:f[url=https://host:80/v1/x,name=org/model]").absolute()
    assert place.parameters == {"url": "https://host:80/v1/x", "name": "org/model"}
    assert place.path.is_absolute()
