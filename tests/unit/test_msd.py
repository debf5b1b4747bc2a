import hashlib
import json
import tarfile

import nibabel as nib
import numpy as np
import pytest

from voxelbench import registry
from voxelbench.cards import RemoteFile
from voxelbench.data import msd
from voxelbench.data.download import download_archives
from voxelbench.data.splits import listed_parts, part_of
from voxelbench.errors import ChecksumError, DataError


def touch(*files):
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


@pytest.fixture
def raw(tmp_path):
    for name in ("a_10.nii.gz", "a_9.nii"):
        touch(tmp_path / "imagesTr" / name, tmp_path / "labelsTr" / name)
    return tmp_path


def ids(cases):
    return [case.case_id for case in cases]


def test_cases_are_the_labelled_volumes(raw):
    touch(raw / "imagesTs" / "a_11.nii.gz", raw / "imagesTr" / "._a_9.nii", raw / "imagesTr" / ".DS_Store")
    assert ids(msd.find_cases(raw)) == ["a_10", "a_9"]


@pytest.mark.parametrize("parent", ["Task", "archive/Task"])
def test_archive_may_unpack_into_a_folder(raw, tmp_path_factory, parent):
    outer = tmp_path_factory.mktemp("outer")
    (outer / parent).parent.mkdir(parents=True, exist_ok=True)
    raw.rename(outer / parent)
    assert ids(msd.find_cases(outer)) == ["a_10", "a_9"]


def test_two_layouts_in_one_folder_are_ambiguous(tmp_path):
    touch(tmp_path / "one" / "imagesTr" / "a.nii.gz", tmp_path / "two" / "imagesTr" / "a.nii.gz")
    with pytest.raises(DataError, match="expected one folder imagesTr in it or below it, found 2"):
        msd.find_cases(tmp_path)


def test_manifest_pairs_files_of_other_names(raw):
    touch(raw / "labelsTr" / "b_seg.nii.gz", raw / "imagesTr" / "b.nii.gz")
    (raw / "dataset.json").write_text(
        '{"training": [{"image": "./imagesTr/b.nii.gz", "label": "./labelsTr/b_seg.nii.gz"}], '
        '"test": ["./imagesTs/c.nii.gz"]}'
    )
    (case,) = [case for case in msd.find_cases(raw) if case.case_id == "b"]
    assert case.label == raw / "labelsTr" / "b_seg.nii.gz"


@pytest.mark.parametrize("text", ["", "[]", '{"training": [{"label": "x"}]}', '{"training": 3}'])
def test_damaged_manifest(raw, text):
    (raw / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=r'dataset.json: expected JSON with "training"'):
        msd.find_cases(raw)


def test_listed_volume_that_is_not_there(raw):
    (raw / "dataset.json").write_text('{"training": [{"image": "imagesTr/z.nii.gz", "label": "labelsTr/z.nii.gz"}]}')
    with pytest.raises(DataError, match=r"imagesTr/z.nii.gz: no such NIfTI volume, .* label .*labelsTr/z.nii.gz"):
        msd.find_cases(raw)


@pytest.mark.parametrize("name", ["dataset.json", "a" * 5000 + ".nii.gz"])
def test_listed_file_that_is_no_volume(raw, name):
    (raw / "dataset.json").write_text(json.dumps({"training": [{"image": name, "label": "labelsTr/z.nii.gz"}]}))
    with pytest.raises(DataError, match="no such NIfTI volume"):
        msd.find_cases(raw)


def test_a_list_nested_too_deeply(raw):
    (raw / "dataset.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"dataset.json: expected JSON"):
        msd.find_cases(raw)


def test_label_without_a_volume(raw):
    (raw / "imagesTr" / "a_9.nii").unlink()
    with pytest.raises(DataError, match=r"labelsTr/a_9.nii: labels no volume in"):
        msd.find_cases(raw)


def test_no_volume_at_all(tmp_path):
    (tmp_path / "imagesTr").mkdir()
    with pytest.raises(DataError, match="imagesTr: holds no NIfTI volume"):
        msd.find_cases(tmp_path)


@pytest.fixture
def archive(raw, tmp_path_factory):
    path = tmp_path_factory.mktemp("remote") / "Task00_Test.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(raw, "Task00_Test")
    return path


def card_of(archive, md5):
    file = RemoteFile(url=archive.as_uri(), md5=md5)
    return registry.dataset_card("msd_spleen").model_copy(update={"files": (file,)})


def test_download_unpacks_what_the_reader_finds(archive, tmp_path_factory):
    raw = tmp_path_factory.mktemp("raw")
    card = card_of(archive, hashlib.md5(archive.read_bytes()).hexdigest())
    for _ in range(2):
        download_archives(raw, card)
        assert ids(msd.find_cases(raw)) == ["a_10", "a_9"]


def test_download_refuses_another_archive(archive, tmp_path_factory):
    with pytest.raises(ChecksumError, match=r"Task00_Test.tar.*has md5"):
        download_archives(tmp_path_factory.mktemp("raw"), card_of(archive, "0" * 32))


@pytest.mark.parametrize("name", ["msd_liver", "msd_lung", "msd_spleen", "btcv"])
def test_twin_has_cases_on_both_sides_of_every_split(name, tmp_path):
    card = registry.dataset_card(name)
    registry.load_dataset(name).phantom(tmp_path, card)
    cases, listed = set(ids(msd.find_cases(tmp_path, *_manifest_of(name)))), listed_parts(name)
    for split in card.splits:
        tested = {case for case in cases if part_of(card, split, 0, case, case, listed) == "test"}
        assert 0 < len(tested) < len(cases)


def _manifest_of(name):
    return ("dataset_0.json", lambda image: image.replace("img", "label")) if name == "btcv" else ()


def test_twin_is_a_function_of_its_ids_alone(tmp_path):
    card = registry.dataset_card("msd_spleen")
    small = card.model_copy(update={"twin": card.twin.model_copy(update={"train": 1, "val": 1, "test": 1})})
    for root in ("one", "two"):
        registry.load_dataset("msd_spleen").phantom(tmp_path / root, small)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.nii.gz"))
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
        image = nib.load(tmp_path / "one" / file)
        assert image.header["descrip"].item() == b"PHANTOM"
        assert np.asarray(image.dataobj).dtype in (np.int16, np.uint8)
