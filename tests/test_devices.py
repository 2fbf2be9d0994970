"""The same on a GPU as on a CPU. Everything here needs a CUDA device."""

from __future__ import annotations

import copy
import shutil

import numpy as np
import pytest
import torch

import aexbench
from aexbench import Detector, SkipError, corruptions, datasets, explainers
from aexbench.running.controls import controlled
from tests.explainers.test_conformance import COSTLY, of_images, of_rows, of_trained

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
SUITE = {
    "name": "devices",
    "datasets": ["wine", "digits"],
    "corruptions": ["random[count=20]", "adversarial[count=20]"],
    "explainers": ["residual", "lrp", "repair", "saliency", "kernelshap-batched[nsamples=50]"],
    "twins": 1,
}


def on_gpu(detector: Detector) -> Detector:
    return detector.with_model(copy.deepcopy(detector.model).cuda())


@pytest.mark.parametrize("kind", [of_rows, of_images, of_trained])
@pytest.mark.parametrize("name", explainers.names())
def test_an_explainer_answers_alike(name, kind):
    if (name, kind) == ("kernelshap", of_images):
        pytest.skip("fewer evaluations than pixels: its least squares have many answers")
    detector, background, x = kind()
    try:
        here, there = (
            explainers.create(name, one, background=background, **COSTLY.get(name, {})).explain(x)
            for one in (detector, on_gpu(detector))
        )
    except SkipError as error:
        pytest.skip(str(error))
    assert there.device == x.device
    scale = float(here.abs().max())
    close = 1e-6 if detector.dtype == torch.float64 else 2e-3
    torch.testing.assert_close(there.to(here), here, rtol=close, atol=close * scale)


@pytest.mark.parametrize("name", ["null", "random", "adversarial"])
def test_a_corruption_makes_the_same_anomalies(name):
    data = datasets.create("wine")
    here = data.detector()
    made = [
        corruptions.create(name, count=20).generate(one, data.normal, seed=0)
        for one in (here, on_gpu(here))
    ]
    other = (made[0].truth != made[1].truth).any(axis=1)
    assert not other.any(), f"{other.sum()} of {len(other)} have another feature"
    step = 0.05 if name == "adversarial" else 0.0  # where the last halvings fall is rounding
    np.testing.assert_allclose(made[0].x, made[1].x, rtol=1e-4, atol=1e-5 + step)


def test_a_run_explains_the_same_anomalies_and_scores_alike(tmp_path):
    here = aexbench.run(SUITE, tmp_path / "cpu")
    for folder in ("detectors", "anomalies"):
        shutil.copytree(tmp_path / "cpu" / folder, tmp_path / "cuda" / folder)
    there = aexbench.run(SUITE, tmp_path / "cuda", device="cuda", jobs=2)
    assert there.complete
    assert [r.cell.key for r in here.records] == [r.cell.key for r in there.records]
    for one, other in zip(here.records, there.records, strict=True):
        assert one.files["anomalies"] == other.files["anomalies"]
    itself = there.frame.control == "none"
    assert not there.frame[there.frame.state != "ok"].reason.any()
    both = there.frame[itself].assign(here=here.frame.score[itself])
    apart = both[(both.score - both.here).abs() > 0.06]
    assert apart.empty, apart[["dataset", "explainer", "corruption", "score", "here"]].to_string()
    timed = [record.timing for record in there.records if record.timing is not None]
    assert timed
    assert all(times.hardware["gpu"] and times.peak_bytes for times in timed)


def test_images_are_explained_there(tmp_path):
    suite = SUITE | {
        "datasets": ["defects[category=bottle,per_damage=10,train_samples=500]"],
        "detectors": ["conv-transpose[channels=[16, 32, 64, 64, 64],epochs=40,batch_size=16]"],
        "corruptions": ["labels"],
        "explainers": ["residual", "lrp"],
        "metrics": ["pixel-ap"],
    }
    results = aexbench.run(suite, tmp_path / "s", device="cuda")
    assert set(results.frame.reason) == {""}
    assert results.complete


@pytest.mark.parametrize("control", ["initial", "permuted"])
def test_an_untrained_twin_is_the_same(control):
    detector = of_trained()[0]
    state = torch.cuda.get_rng_state()
    here, there = (controlled(one, control, 3).model for one in (detector, on_gpu(detector)))
    assert torch.equal(torch.cuda.get_rng_state(), state)
    for one, other in zip(here.parameters(), there.parameters(), strict=True):
        assert torch.equal(one, other.cpu())


def test_a_detector_that_is_trained_there_is_as_good(tmp_path):
    suite = SUITE | {"datasets": ["wine"], "explainers": ["residual"]}
    results = [aexbench.run(suite, tmp_path / d, device=d, controls=False) for d in ("cpu", "cuda")]
    errors = [one.records[0].detector["validation_error"] for one in results]
    assert errors[1] == pytest.approx(errors[0], rel=0.1)


@pytest.fixture
def scarce():
    """Let this process have one GB of device memory."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(2**30 / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def wide() -> Detector:
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 512), torch.nn.ReLU(), torch.nn.Linear(512, 64), torch.nn.Sigmoid()
    )
    return Detector(model.cuda().eval())


def test_out_of_memory_halves_the_batch(scarce):
    detector, x = wide(), torch.rand(400_000, 64)
    before = detector.error(x[:100])
    detector._chunks = {(64,): len(x)}  # far more than fits
    with pytest.raises(torch.OutOfMemoryError):
        detector.model(x.cuda())
    torch.testing.assert_close(detector.error(x)[:100], before, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["lrp", "residual", "saliency"])
def test_an_explainer_of_many_samples_fits_into_little_memory(scarce, name):
    x = torch.rand(500_000, 64)
    found = explainers.create(name, wide()).explain(x)
    assert found.shape == x.shape
    assert found.device.type == "cpu"
