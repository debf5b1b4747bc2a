"""What nnU-Net is given: labels, regions, files, split. With nnunetv2 installed: a run from end to end, and resumed."""

import json
from importlib.util import find_spec

import nibabel as nib
import numpy as np
import pytest
import torch

from voxelbench.data.cache import write_volume
from voxelbench.data.case import Case
from voxelbench.errors import ConfigError
from voxelbench.external import ExternalJob
from voxelbench.methods.nnunet.external import Config, External
from voxelbench.methods.nnunet.labels import Labels
from voxelbench.methods.nnunet.raw import dataset_json, write_raw

SHAPE = (26, 30, 18)
OBLIQUE = np.array([[1.9, 0.3, 0.1, -10], [-0.3, 1.9, 0.2, 20], [-0.1, -0.2, 2.4, 5], [0, 0, 0, 1]])
SPACING = tuple(np.linalg.norm(OBLIQUE[:3, :3], axis=0))
BRATS = {"TC": (1, 4), "WT": (1, 2, 4), "ET": (4,)}
NORMALISATION = {"HU": "CT", "SUV": "CT", "arbitrary": "zscore"}
SHORT = Config(
    configuration="3d_fullres",
    gpu_memory_gb=0.02,
    base_features=4,
    normalisation=NORMALISATION,
    epochs=2,
    iterations=2,
    validation_iterations=1,
    checkpoint_epochs=1,
    tile_step=1.0,
    mirroring=False,
)


@pytest.fixture
def make_case(tmp_path):
    """Return a function that writes a case of two channels, with a block of label 4 inside one of 2."""

    def make(name, units=("HU", "SUV")):
        rng = np.random.RandomState(len(name) + ord(name[-1]))
        label = np.zeros(SHAPE, np.uint8)
        x, y, z = rng.randint(4, 8, 3)
        label[x : x + 12, y : y + 14, z : z + 7] = 2
        label[x + 2 : x + 7, y + 3 : y + 8, z + 2 : z + 5] = 4
        volume = rng.normal(0, 20, (2, *SHAPE)).astype(np.float32) + 100 * label
        write_volume(tmp_path / f"{name}.image.h5", volume)
        write_volume(tmp_path / f"{name}.label.h5", label)
        paths = tmp_path / f"{name}.image.h5", tmp_path / f"{name}.label.h5"
        return Case(name, name, "PET", ("a", "b"), units, SPACING, OBLIQUE, SHAPE, *paths)

    return make


@pytest.fixture
def job(make_case, tmp_path):
    cases = [make_case(f"case_000{number}") for number in range(6)]
    return ExternalJob(
        training=tuple(cases[:4]),
        validation=(cases[4],),
        testing=(cases[5],),
        inputs=("b", "a"),
        classes={"outer": (2,), "inner": (4,)},
        is_exclusive=True,
        settings=SHORT,
        seed=3,
        device="cpu",
        threads=1,
        workers=0,
        folder=tmp_path / "work",
    )


def test_labels_become_consecutive_and_come_back():
    labels = Labels.of({"outer": (2,), "inner": (4,)}, is_exclusive=True)
    native = np.array([[0, 2, 4, 2]], np.uint8)
    assert labels.to_consecutive(native).tolist() == [[0, 1, 2, 1]]
    assert labels.to_native(labels.to_consecutive(native)).tolist() == native.tolist()
    assert labels.names == {"background": 0, "outer": 1, "inner": 2} and labels.regions_class_order is None


def test_a_label_outside_of_the_task_is_background():
    labels = Labels.of({"spleen": (1,), "liver": (6,)}, is_exclusive=True)
    assert labels.to_consecutive(np.array([0, 1, 3, 6, 255], np.uint8)).tolist() == [0, 1, 0, 2, 0]


def test_regions_of_brain_tumours_are_told_apart_by_painting_them_from_outside_in():
    """As nnU-Net paints its answer: region after region, each with its label of `regions_class_order`."""
    labels = Labels.of(BRATS, is_exclusive=False)
    native = np.array([0, 1, 2, 4], np.uint8)
    number = dict(zip(native.tolist(), labels.to_consecutive(native).tolist(), strict=True))
    assert sorted(number.values()) == [0, 1, 2, 3]
    regions = [(name, values) for name, values in labels.names.items() if name != "background"]
    assert {name: set(values) for name, values in regions} == {
        name: {number[value] for value in values} for name, values in BRATS.items()
    }
    painted = np.zeros_like(native)
    for (name, _), label in zip(regions, labels.regions_class_order, strict=True):
        painted[np.isin(native, BRATS[name])] = label
    assert labels.to_native(painted).tolist() == native.tolist()


@pytest.mark.parametrize("classes", [{"left": (1, 2), "right": (2, 3)}, {"all": (1, 2, 3), "core": (3,)}])
def test_regions_that_are_not_nested_one_by_one_are_refused(classes):
    with pytest.raises(ConfigError, match="nested, each one label larger than the next"):
        Labels.of(classes, is_exclusive=False)


def test_the_raw_folder_has_our_volumes_labels_and_split(job):
    folder = job.folder / "raw"
    labels = Labels.of(job.classes, job.is_exclusive)
    write_raw(folder, job, labels, NORMALISATION)
    names = sorted(path.name for path in (folder / "imagesTr").iterdir())
    ids = [f"case_000{number}" for number in range(5)]
    assert names == [f"{name}_000{channel}.nii.gz" for name in ids for channel in range(2)]
    for case in job.training:
        image = nib.load(folder / "imagesTr" / f"{case.case_id}_0000.nii.gz")
        label = nib.load(folder / "labelsTr" / f"{case.case_id}.nii.gz")
        for written in (image, label):
            np.testing.assert_allclose(written.affine, OBLIQUE, atol=1e-4)
            np.testing.assert_allclose(written.header.get_zooms(), SPACING, rtol=1e-5)
        assert np.array_equal(
            image.get_fdata(dtype=np.float32), case.read(["b"])[0]
        )  # the inputs' order, not the file's
        assert np.array_equal(np.array([0, 2, 4])[np.asarray(label.dataobj)], case.label())
    assert json.loads((folder / "splits_final.json").read_text()) == [{"train": ids[:4], "val": ids[4:]}]
    assert "case_0005" not in "".join(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("units", "channels"),
    [(("HU", "SUV"), {"0": "CT", "1": "CT"}), (("arbitrary", "arbitrary"), {"0": "zscore", "1": "zscore"})],
)
def test_the_unit_of_a_channel_decides_its_normalisation(make_case, units, channels):
    labels = Labels.of(BRATS, is_exclusive=False)
    described = dataset_json(make_case("one", units), 7, labels, NORMALISATION)
    assert described["channel_names"] == channels and described["numTraining"] == 7
    assert described["regions_class_order"] == labels.regions_class_order


def test_a_unit_without_normalisation_is_named(make_case):
    labels = Labels.of(BRATS, is_exclusive=False)
    with pytest.raises(ConfigError) as caught:
        dataset_json(make_case("one", ("HU", "Bq/ml")), 7, labels, NORMALISATION)
    assert str(caught.value) == "methods/nnunet: `normalisation` says nothing of the unit 'Bq/ml'; add it."


def weights(job):
    (final,) = job.folder.rglob("checkpoint_final.pth")
    return torch.load(final, weights_only=False)["network_weights"]


@pytest.mark.nnunet
@pytest.mark.skipif(
    find_spec("nnunetv2") is None, reason="nnunetv2 is not installed here; CI has a step that installs it"
)
def test_a_run_from_end_to_end_equals_one_that_was_interrupted(job, monkeypatch):
    method = External(job)
    method.prepare()
    said = method.train()
    assert said["n_parameters"] == said["n_trained_parameters"] > 0 and said["flops_per_crop"] > said["n_parameters"]
    np.testing.assert_allclose(said["plan"]["spacing_mm"], SPACING, rtol=1e-5)
    assert np.argmax(said["plan"]["patch"]) == np.argmax(SHAPE)
    answer = method.predict(job.testing[0])
    assert answer.shape == SHAPE and set(np.unique(answer)) <= {0, 2, 4}
    (final,) = job.folder.rglob("checkpoint_final.pth")
    whole = torch.load(final, weights_only=False)["network_weights"]

    # Killed in the second epoch: nnU-Net's latest checkpoint has the first.
    final.unlink()
    killed = External(job)
    epoch = killed.trainer.on_train_epoch_start
    monkeypatch.setattr(
        killed.trainer, "on_train_epoch_start", lambda: epoch() if killed.trainer.current_epoch < 1 else 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        killed.train()
    resumed = External(job)
    resumed.train()
    assert resumed.trainer.current_epoch == SHORT.epochs
    again = torch.load(final, weights_only=False)["network_weights"]
    assert whole.keys() == again.keys() and all(torch.equal(whole[name], again[name]) for name in whole)
    assert np.array_equal(resumed.predict(job.testing[0]), answer)

    # Finished: the weights are loaded, and no epoch comes again.
    finished = External(job)
    monkeypatch.setattr(finished.trainer, "run_training", lambda: 1 / 0)
    finished.train()
    assert np.array_equal(finished.predict(job.testing[0]), answer)
