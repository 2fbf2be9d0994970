"""What an explainer leaves changed is put back; its cell fails, the others score as without it."""

from __future__ import annotations

import os
import random
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
import torch.utils._device  # what is imported at the first call hides what the call does

import aexbench
from aexbench import Detector, Features, corruptions, metrics
from aexbench.running.kept import kept


def weights(detector, x):
    for parameter in detector.model.parameters():
        parameter.data.mul_(0.5)  # which no version counts


class InConstructor:
    def __init__(self, detector):
        self.detector = detector
        detector.model.register_forward_hook(lambda *_: None)

    def explain(self, x):
        return self.detector.error_map(x)


def parameter(detector, x):
    detector.model[0].weight = torch.nn.Parameter(torch.ones(3, 8, dtype=torch.float64))


def module(detector, x):
    detector.model[1].slope = 3


def network(detector, x):
    detector.model = torch.nn.Identity()


def gradients(detector, x):
    detector.model.requires_grad_(False)


def features(detector, x):
    detector.features = Features(high=9.0)


def scale(detector, x):
    detector.scale = None


def folder(detector, x):
    os.chdir("/")


def environment(detector, x):
    os.environ["AEXBENCH_SPOILED"] = "1"


def numpy_noise(detector, x):
    np.random.seed(3)


def python_noise(detector, x):
    random.seed(3)


def submodule(detector, x):
    detector.model[1] = torch.nn.ReLU()


def added(detector, x):
    detector.model.add_module("more", torch.nn.Identity())


def buffer(detector, x):
    detector.model.register_buffer("kept", torch.zeros(3))


def method(detector, x):
    detector.error = lambda x: torch.zeros(len(x))


def everywhere(detector, x):
    torch.nn.modules.module.register_module_forward_hook(lambda m, i, o: o * 0)


def device(detector, x):
    torch.set_default_device("meta")


def elsewhere(detector, x):
    detector.model.to("meta")


def half(detector, x):
    detector.model.half()


def deterministic(detector, x):
    torch.use_deterministic_algorithms(True)


def errors(detector, x):
    np.seterr(all="ignore")


def path(detector, x):
    sys.path.append("/nowhere")


def plain_attribute(detector, x):
    detector.model[0].scale = 2.0


def of_class(detector, x):
    torch.nn.Linear.forward = lambda self, x: torch.zeros(1)


def of_detectors(detector, x):
    Detector.error_share = lambda self, x, x_hat: x * 0


def function(detector, x):
    torch.nn.functional.linear = lambda x, weight, bias: x


def new_member(detector, x):
    torch.nn.Linear.shortcut = True


def filters(detector, x):
    warnings.simplefilter("error")


def printing(detector, x):
    np.set_printoptions(precision=1)


def anomaly(detector, x):
    torch.autograd.set_detect_anomaly(True)


CODE = [of_class, of_detectors, function, new_member, filters, printing, anomaly]
MORE = [submodule, added, buffer, method, everywhere, device, elsewhere, half, deterministic]
MORE += [errors, path, plain_attribute]
SPOILS = [
    *MORE,
    weights,
    parameter,
    module,
    network,
    gradients,
    features,
    scale,
    folder,
    environment,
]
SPOILS += [environment, numpy_noise, python_noise]


def within(detector, spoil, x=None):
    with kept(detector):
        spoil(detector, x)


@pytest.mark.parametrize("spoil", SPOILS)
def test_what_is_changed_is_put_back_and_named(detector, linear_rows, spoil):
    x = torch.as_tensor(linear_rows[:5])
    before = (detector.reconstruct(x), detector.features, detector.scale, os.getcwd())
    state, flags = dict(os.environ), [p.requires_grad for p in detector.model.parameters()]
    with pytest.raises(ValueError, match=r"the explainer changed .*; it was put back"):
        within(detector, spoil, x)
    torch.testing.assert_close(detector.reconstruct(x), before[0], rtol=0, atol=0)
    assert (detector.features, detector.scale, os.getcwd()) == before[1:]
    assert [p.requires_grad for p in detector.model.parameters()] == flags
    assert dict(os.environ) == state
    assert torch.zeros(1).device.type == "cpu"
    assert detector.model[0].weight.dtype == torch.float64
    assert not torch.are_deterministic_algorithms_enabled()
    within(detector, lambda detector, x: None)  # everything is as it was


def test_what_is_added_to_a_models_class_is_taken_away():
    class Own(torch.nn.Identity):
        pass

    def adds(detector, x):
        Own.extra = lambda self: 1

    with pytest.raises(ValueError, match=r"Own\.extra"):
        within(Detector(Own()), adds)
    assert not hasattr(Own, "extra")


def test_what_an_import_does_is_put_back_and_no_fault(detector, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "import os, random; random.seed(3); os.environ['SET_BY_IMPORT'] = '1'"
    (tmp_path / "library_of_this_test.py").write_text(text)
    state = random.getstate()
    with kept(detector):
        __import__("library_of_this_test")
    assert random.getstate() == state
    assert "SET_BY_IMPORT" not in os.environ
    (tmp_path / "another_of_this_test.py").write_text(text)
    with pytest.raises(ValueError, match="weights"), kept(detector):
        weights(detector, __import__("another_of_this_test"))
    with pytest.raises(ValueError, match="random state of Python"), kept(detector):
        random.seed(3)


def test_an_exception_passes_once_all_is_put_back(detector):
    own = detector.model[0].weight.detach().clone()
    with pytest.raises(ZeroDivisionError):
        within(detector, lambda detector, x: weights(detector, x) or 1 / 0)
    assert torch.equal(detector.model[0].weight, own)


def test_the_others_score_as_without_it_in_any_order(detector, linear_rows):
    def spoiler(detector, x):
        found = detector.error_map(x)
        weights(detector, x)
        return found

    def ends(detector, x):
        raise SystemExit(0)

    def board(*explainers):
        options = {"background": linear_rows[:300], "corruptions": ["random[threshold=0.2]"]}
        given = [*explainers, "residual", "repair"]
        return aexbench.evaluate(
            detector, linear_rows[300:], explainers=given, count=20, twins=0, **options
        ).frame

    alone = board()
    for first in ((spoiler, ends, InConstructor), (InConstructor, ends, spoiler)):
        with pytest.warns(UserWarning, match="failed"):
            spoiled = board(*first)
        own = spoiled[~spoiled.explainer.isin(["spoiler", "ends", "inconstructor"])]
        assert own.score.tolist() == alone.score.tolist()
        failed = spoiled[spoiled.state == "failed"].groupby("explainer").reason.first()
        assert "weights or buffers; it was put back" in failed["spoiler"]
        assert "hooks; it was put back" in failed["inconstructor"]
        assert failed["ends"] == "SystemExit: 0"


def test_a_models_own_loss_of_mode_is_put_back():
    detector = Detector(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout()).eval())
    with pytest.raises(ValueError, match="modes or hooks"):
        within(detector, lambda detector, x: detector.model.train())
    assert not detector.model[1].training


class Settings:
    """Equals nothing but itself."""


class Owning(torch.nn.Module):
    """Does what people's networks do when they are called: counts, keeps, draws, locks."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(8, 8)
        self.settings, self.lock, self.calls = Settings(), threading.Lock(), 0
        self.generator = torch.Generator()
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        self.steps += 1
        self.kept = x.mean()
        torch.randn(2)
        return self.net(x)


def test_what_the_model_itself_changes_is_nobodys_fault(linear_rows):
    detector = Detector(Owning())
    results = aexbench.evaluate(
        detector,
        linear_rows[300:],
        background=linear_rows[:300],
        explainers=["saliency", "repair"],
        corruptions=["random[threshold=0.01]"],
        count=5,
        twins=0,
    )
    own = results.frame[results.frame.control == "none"]
    assert own.state.unique().tolist() == ["ok"]

    def spoils(detector, x):
        detector.model.net.bias.data.add_(1)

    with pytest.raises(ValueError, match="weights or buffers"):
        within(results.store and detector, spoils)


def through_torch(detector, x, background):
    torch.as_tensor(background).sub_(5)
    return detector.error_map(x)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_a_background_that_is_written_into_is_put_back(detector, linear_rows):
    background = linear_rows[:300].copy()
    options = {"background": background, "corruptions": ["random[threshold=0.2]"], "count": 10}
    with pytest.warns(UserWarning, match="changed the background; it was put back"):
        frame = aexbench.evaluate(
            detector,
            linear_rows[300:],
            explainers=[through_torch, "gradient-shap"],
            twins=0,
            **options,
        ).frame
    alone = aexbench.evaluate(
        detector, linear_rows[300:], explainers=["gradient-shap"], twins=0, **options
    ).frame
    assert np.array_equal(background, linear_rows[:300])
    scores = frame[frame.explainer == "gradient-shap"].score
    assert scores.tolist() == alone[alone.explainer == "gradient-shap"].score.tolist()


def test_a_corruption_or_a_metric_that_changes_something_fails_its_cells(detector, linear_rows):
    @corruptions.register("heavier-of-this-test", threshold=0.2)
    def heavier(detector, x, mask, rng):
        weights(detector, x)
        return torch.where(mask, 1 - x, x)

    @metrics.register("double-of-this-test", higher_is_better=True)
    def double(attributions, truth):
        torch.set_default_dtype(torch.float16)
        return np.ones(len(truth))

    own = detector.model[0].weight.detach().clone()
    options = {"background": linear_rows[:300], "explainers": ["residual"], "twins": 0, "count": 5}
    with pytest.warns(UserWarning, match="the corruption changed the model's weights"):
        aexbench.evaluate(
            detector, linear_rows[300:], corruptions=["heavier-of-this-test"], **options
        )
    with pytest.warns(UserWarning, match="a metric changed torch's default type"):
        aexbench.evaluate(
            detector,
            linear_rows[300:],
            corruptions=["random[threshold=0.2]"],
            metrics=["double-of-this-test"],
            **options,
        )
    assert torch.equal(detector.model[0].weight, own)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("raised", [GeneratorExit, SystemExit])
def test_whatever_a_plugin_raises_ends_its_cell_alone(detector, linear_rows, raised):
    def ends(detector, x):
        raise raised

    with pytest.warns(UserWarning, match=raised.__name__):
        frame = aexbench.evaluate(
            detector,
            linear_rows[300:],
            background=linear_rows[:300],
            explainers=[ends, "residual"],
            corruptions=["random[threshold=0.2]"],
            twins=0,
            count=5,
        ).frame
    assert set(frame[frame.explainer == "residual"].state) == {"ok"}


def test_gradients_that_backward_leaves_are_taken_away(detector, linear_rows):
    def hand_written(detector, x):
        point = x.clone().requires_grad_()
        detector.error(point).sum().backward()
        return point.grad

    weight = detector.model[0].weight
    weight.grad = torch.ones_like(weight)
    try:
        within(detector, hand_written, torch.as_tensor(linear_rows[:5]))
        assert torch.equal(weight.grad, torch.ones_like(weight))
    finally:
        weight.grad = None
    within(detector, hand_written, torch.as_tensor(linear_rows[:5]))
    assert all(parameter.grad is None for parameter in detector.model.parameters())


def test_what_was_shown_under_other_filters_is_shown_again(detector, recwarn):
    def warn():
        warnings.warn("shown once under the filter 'default'", UserWarning, stacklevel=1)

    warnings.simplefilter("default")
    with pytest.raises(ValueError, match="filters of warnings"):
        within(detector, lambda detector, x: warnings.simplefilter("once") or warn())
    count = len(recwarn)
    warn()
    assert len(recwarn) == count + 1
