"""Who answers: the caller's choice, an audit's, or the documented default with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from aexbench import Detector, RequestError
from aexbench.explaining import choice
from aexbench.explaining.choice import AUDIT_FILE, audit_here, chosen, detector_digest
from tests.aexbench.explaining.conftest import Constant


def network(seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Linear(7, 7)


def audit_file(folder: Path, **held) -> Path:
    path = folder / AUDIT_FILE
    path.write_text(json.dumps({"explainer": "repair", "reason": "it was surely better"} | held))
    return path


def test_what_is_asked_for_answers(constant):
    asked = chosen(
        "residual[form=plain]", SimpleNamespace(explainer="repair", reason="x"), constant
    )
    assert (asked.component.text, asked.by, asked.reason) == (
        "residual",
        "caller",
        "it was asked for",
    )


def test_the_default_is_the_residual_and_says_why(constant):
    found = chosen(None, None, constant)
    assert (found.component.text, found.by) == ("residual", "default")
    assert found.reason == (
        "the default, as on real alarms no explainer has been seen to be surely better "
        '(README, "What a ranking is worth")'
    )
    readme = Path(choice.__file__).parents[2] / "README.md"
    assert "\n## What a ranking is worth\n" in readme.read_text()


def test_an_audit_chooses(constant, tmp_path):
    held = chosen(None, SimpleNamespace(explainer="repair", reason="it won"), constant)
    assert (held.component.text, held.by, held.reason) == (
        "repair", "audit", "chosen by the audit: it won",
    )  # fmt: skip
    for path in (
        audit_file(tmp_path),
        str(audit_file(tmp_path, detector=detector_digest(constant))),
    ):
        found = chosen(None, path, constant)
        assert found.reason == f"chosen by the audit in {AUDIT_FILE}: it was surely better"
        assert found.component.text == "repair"


def test_an_audit_without_an_answer_leaves_the_default(constant, tmp_path):
    found = chosen(None, audit_file(tmp_path, explainer=None, reason="dead"), constant)
    assert (found.component.text, found.by) == ("residual", "default")
    assert found.reason.startswith(f"the audit in {AUDIT_FILE} names no explainer (dead); the def")


def test_an_audit_of_another_detector_is_refused(constant, tmp_path):
    path = audit_file(tmp_path, detector="0" * 64)
    with pytest.raises(RequestError, match="the audit of another detector"):
        chosen(None, path, constant)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no JSON file"),
        ("[1]", "is no audit"),
        ('{"reason": "x"}', "is no audit"),
        ('{"explainer": 3, "reason": "x"}', "is no audit"),
        ('{"explainer": "repair"}', "is no audit"),
    ],
)
def test_a_file_that_is_no_audit_is_refused(constant, tmp_path, content, said):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(RequestError, match=said):
        chosen(None, path, constant)
    with pytest.raises(RequestError, match="there is no audit"):
        chosen(None, tmp_path / "none.json", constant)


def test_the_current_folders_audit_counts_where_it_is_of_this_detector(
    constant, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert audit_here(constant) is None
    audit_file(tmp_path)
    assert audit_here(constant) is None
    audit_file(tmp_path, detector="0" * 64)
    assert audit_here(constant) is None
    audit_file(tmp_path, detector=detector_digest(constant))
    assert audit_here(constant) == Path(AUDIT_FILE)


def test_the_digest_is_of_the_network_and_not_of_data(data):
    bare = Detector(network())
    fitted = Detector(network(), features=data.features).calibrate(data.validation)
    assert detector_digest(bare) == detector_digest(fitted)
    assert detector_digest(bare) != detector_digest(Detector(network(1)))
    assert detector_digest(bare) != detector_digest(Detector(network(), loss="l1"))


def test_the_digest_stays_when_the_output_has_been_found(data):
    class Pair(Constant):
        def forward(self, x):
            return super().forward(x), x.sum()

    detector = Detector(Pair(data.train.mean(axis=0)))
    before = detector_digest(detector)
    with pytest.warns(UserWarning, match="its part 0"):
        detector.error(data.test[:2])
    assert detector_digest(detector) == before
