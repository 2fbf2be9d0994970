from __future__ import annotations

from itertools import chain, islice

import numpy as np
import pytest
import torch

from aexbench import Dataset, Detector, Features, RequestError, files
from aexbench.autoencoders import fitting, training
from aexbench.declarations import Training

TINY = "mlp[widths=[3],epochs=40,patience=5,learning_rate=0.01]"


@pytest.fixture
def dataset(linear_rows) -> Dataset:
    return Dataset(
        linear_rows[:300], linear_rows[300:400], linear_rows[400:], Features(), autoencoder=TINY
    )


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AEXBENCH_CACHE", str(tmp_path))


def cached(tmp_path):
    return sorted((tmp_path / "detectors").glob("*.safetensors"))


def test_it_learns_and_says_what_it_reached(dataset):
    told = []
    report = dataset.detector(progress=lambda text, share: told.append((text, share))).report
    assert report["validation_error"] < report["constant_error"]
    assert 1 <= report["best_epoch"] <= report["epochs"] <= 40
    assert report["stopped"] in ("early", "epochs used up")
    assert len(told) == report["epochs"]
    assert "validation error" in told[0][0]


def test_it_is_trained_once_and_the_same_afterwards(dataset, tmp_path, monkeypatch):
    first = dataset.detector(seed=1)
    monkeypatch.setattr(training, "train", lambda *a: pytest.fail("trained again"))
    again = dataset.detector(seed=1)
    torch.testing.assert_close(first.score(dataset.test), again.score(dataset.test), rtol=0, atol=0)
    assert (again.scale, dict(again.report)) == (first.scale, dict(first.report))
    assert len(cached(tmp_path)) == 1


def test_the_same_seed_trains_the_same_network(dataset, tmp_path):
    first = dataset.detector(seed=1).error(dataset.test)
    cached(tmp_path)[0].unlink()
    torch.testing.assert_close(dataset.detector(seed=1).error(dataset.test), first, rtol=0, atol=0)


def test_what_shapes_it_shapes_its_name(dataset, tmp_path):
    dataset.detector(seed=0)
    dataset.detector(seed=1)
    dataset.detector(autoencoder="default[loss=l1]")
    changed = dataset.train.copy()
    changed[0, 0] += 1e-3
    Dataset(changed, dataset.validation, dataset.test, Features(), autoencoder=TINY).detector()
    assert len(cached(tmp_path)) == 4


def test_bounds_and_validation_rows_shape_its_name_too(dataset, tmp_path):
    train, validation, test = dataset.train, dataset.validation, dataset.test
    dataset.detector()
    Dataset(train, validation, test, Features(high=2.0), autoencoder=TINY).detector()
    Dataset(train, validation[1:], test, Features(), autoencoder=TINY).detector()
    assert len(cached(tmp_path)) == 3


def test_its_errors_are_those_of_their_splits(dataset):
    detector = dataset.detector()
    for split in ("train", "validation"):
        error = float(detector.error(getattr(dataset, split)).mean())
        assert detector.report[f"{split}_error"] == pytest.approx(error)


class Halved(torch.nn.Module):
    def forward(self, x):
        return x / 2


def test_the_variation_of_the_output_is_a_share_of_the_samples_variance(dataset):
    assert fitting.output_variation(Detector(Halved()), dataset.test) == pytest.approx(0.25)
    assert fitting.output_variation(Detector(Halved()), np.ones((3, 2), np.float32)) == 1.0


def test_what_is_as_good_as_a_constant_has_learned_nothing():
    report = {"output_variation": 1.0, "validation_error": 0.25, "constant_error": 0.25}
    assert "no better than one constant" in fitting.collapse(report)
    assert fitting.collapse(report | {"validation_error": 0.125}) == ""


def test_a_damaged_file_in_the_cache_is_made_again(dataset, tmp_path):
    expected = dataset.detector().error(dataset.test)
    path = cached(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:50])
    torch.testing.assert_close(dataset.detector().error(dataset.test), expected)


def test_training_leaves_the_random_state(dataset):
    state = torch.random.get_rng_state()
    dataset.detector()
    assert torch.equal(state, torch.random.get_rng_state())


def test_default_takes_changed_parameters_and_unknown_ones_are_refused(dataset):
    assert dataset.detector(autoencoder="default[loss=l1]").loss == "l1"
    for text, message in (
        ("default[widhts=[2]]", "did you mean 'widths'"),
        ("mpl", "did you mean 'mlp'"),
    ):
        with pytest.raises(RequestError, match=message):
            dataset.detector(autoencoder=text)
    with pytest.raises(RequestError, match="widths of at least 1"):
        dataset.detector(autoencoder="mlp[widths=[0]]")


def test_divergence_is_said(dataset):
    with pytest.raises(RequestError, match="diverged"):
        dataset.detector(autoencoder="default[learning_rate=1e30,output=identity]")


def test_values_that_are_not_finite_are_said(dataset):
    broken = np.full((20, 8), np.inf, np.float32)
    with pytest.raises(RequestError, match="not finite"):
        Dataset(broken, dataset.validation, dataset.test, Features(), autoencoder=TINY).detector()


@pytest.mark.parametrize(
    ("train", "validation", "name"), [(0, 9, "train"), (1, 9, "train"), (9, 0, "validation")]
)
def test_splits_that_nothing_can_be_learned_from_are_said(linear_rows, train, validation, name):
    empty = Dataset(
        linear_rows[:train], linear_rows[:validation], linear_rows, Features(), autoencoder=TINY
    )
    with pytest.raises(
        RequestError, match=f"the {name} split holds {min(train, validation)} samples"
    ):
        empty.detector()


def test_another_test_split_has_another_report(dataset, tmp_path):
    reports = []
    for labels in (np.arange(200) < 50, np.arange(200) >= 50):
        parts = dataset.train, dataset.validation, dataset.test
        reports.append(Dataset(*parts, Features(), labels, autoencoder=TINY).detector().report)
    assert reports[0]["roc_auc"] == pytest.approx(1 - reports[1]["roc_auc"])
    assert reports[0]["validation_error"] == reports[1]["validation_error"]


def test_the_best_weights_by_validation_are_kept_and_training_stops_early(dataset):
    seen = []
    text = "default[learning_rate=0.1,epochs=60,patience=8]"
    detector = dataset.detector(
        autoencoder=text, progress=lambda line, share: seen.append(float(line.split()[2]))
    )
    assert detector.report["validation_error"] == pytest.approx(min(seen), rel=6e-3)
    assert detector.report["epochs"] == detector.report["best_epoch"] + 8 < 60
    assert detector.report["stopped"] == "early"


def epochs_of(rows, count, **training):
    """Return the first epochs' batches of rows (N, 1), a list of numbers each."""
    generator = torch.Generator().manual_seed(3)
    made = fitting._epochs(rows, generator, Training(batch_size=4, **training), torch.device("cpu"))
    return [[batch[:, 0].tolist() for batch in epoch] for epoch in islice(made, count)]


def test_an_epoch_is_one_pass_over_all_rows_in_an_order_of_its_own():
    rows = np.arange(10.0)[:, None]
    first, second = epochs_of(rows, 2)
    assert [len(batch) for batch in first] == [4, 4, 2]
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(10))
    assert first != second


def test_epochs_of_so_many_steps_go_on_where_the_one_before_ended():
    rows = np.arange(10.0)[:, None]
    steps = epochs_of(rows, 3, steps_per_epoch=2)
    assert [[len(batch) for batch in epoch] for epoch in steps] == [[4, 4], [2, 4], [4, 2]]
    one_pass_each = epochs_of(rows, 2)
    assert list(chain(*chain(*steps))) == list(chain(*chain(*one_pass_each)))


def test_epochs_go_on_in_the_midst_of_a_pool(monkeypatch):
    monkeypatch.setattr("aexbench.rows.RUN_BYTES", 2 * 8)
    monkeypatch.setattr("aexbench.rows.POOL_BYTES", 6 * 8)  # six rows, and four
    rows = np.arange(10.0)[:, None]
    steps = epochs_of(rows, 3, steps_per_epoch=3)
    assert [len(batch) for batch in chain(*steps)] == [4, 2, 4, 4, 2, 4, 4, 2, 4]
    assert all(sorted(chain(*epoch)) == list(range(10)) for epoch in steps)
    steps = epochs_of(rows, 3, steps_per_epoch=2)
    assert list(chain(*chain(*steps))) == list(chain(*chain(*epochs_of(rows, 2))))


def test_steps_per_epoch_count_where_they_are_given_alone(dataset, monkeypatch):
    recipes = [training.recipe(f"mlp[{text}]", "mlp") for text in ("", "steps_per_epoch=7")]
    assert "steps_per_epoch" not in recipes[0].parameters
    assert recipes[0].key != recipes[1].key
    taken = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda own: (taken.append(1), step(own))[1])
    report = dataset.detector(autoencoder="default[steps_per_epoch=7,epochs=3,patience=3]").report
    assert (report["epochs"], len(taken)) == (3, 21)


def test_the_scale_comes_from_the_validation_split(dataset):
    detector = dataset.detector()
    assert detector.calibrated.low == pytest.approx(float(detector.error(dataset.validation).min()))


def test_a_crash_while_writing_leaves_the_old_file_or_none(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    files.write_bytes(path, b"old")

    def crash(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", crash)
    with pytest.raises(KeyboardInterrupt):
        files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_file_that_cannot_take_its_place_is_said_and_leaves_nothing(tmp_path):
    (tmp_path / "record.json").mkdir()
    with pytest.raises(files.StoreError, match=r"cannot write .*record.json: Is a directory"):
        files.write_bytes(tmp_path / "record.json", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_the_first_writer_wins(tmp_path):
    path = tmp_path / "weights"
    files.write_once(path, b"first")
    files.write_once(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]
