"""Pretraining collections: every volume is found, named by its path, and prepared as it lies in space."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from voxelbench import registry
from voxelbench.data.collections import Collection
from voxelbench.data.splits import select
from voxelbench.errors import DataError

# Dataset -> path of one of its volumes, and the case and the patient that it is.
EXAMPLES = {
    "abdomenct_1k": ("Case_00007_0000.nii.gz", "Case_00007_0000", "Case_00007_0000"),
    "flare22": ("part1/Case_00001_0000.nii.gz", "Case_00001_0000", "Case_00001_0000"),
    "flare23": ("imagesTr2200/1-500/FLARE23_0001_0000.nii.gz", "FLARE23_0001", "FLARE23_0001"),
    "gvsl_cta": ("001.nii.gz", "001", "001"),
    "hnscc": ("HNSCC_convert_v1/00001.nii.gz", "00001", "00001"),
    "lidc": ("LIDC-IDRI-0132_2.nii.gz", "LIDC-IDRI-0132_2", "LIDC-IDRI-0132"),
    "luna16": ("subset0/1.3.6.1.4.1.mhd", "1.3.6.1.4.1", "1.3.6.1.4.1"),
    "msd_colon": ("Task10_Colon/imagesTr/colon_001.nii.gz", "colon_001", "colon_001"),
    "msd_heart": ("Task02_Heart/imagesTr/la_003.nii.gz", "la_003", "la_003"),
    "msd_hepaticvessel": ("imagesTr/hepaticvessel_001.nii.gz", "hepaticvessel_001", "hepaticvessel_001"),
    "msd_hippocampus": ("imagesTr/hippocampus_001.nii.gz", "hippocampus_001", "hippocampus_001"),
    "msd_pancreas": ("imagesTr/pancreas_001.nii.gz", "pancreas_001", "pancreas_001"),
    "oasis3": ("s/sub-OAS30001_ses-d0129_T1w.nii.gz", "sub-OAS30001_ses-d0129_T1w", "OAS30001"),
    "stoic21": ("data/mha/9994.mha", "9994", "9994"),
    "tcia_colon": ("scan.nii.gz", "scan", "scan"),
    "tcia_covid19": ("data/volume-covid19-A-0269_day003.nii.gz", "volume-covid19-A-0269_day003", "A-0269"),
    "totalsegmentator": ("Totalsegmentator_dataset/s1405/ct.nii.gz", "s1405", "s1405"),
    "word": ("WORD-V0.1.0/imagesTr/word_0002.nii.gz", "word_0002", "word_0002"),
}
AFFINE = np.array([[0, -1.5, 0, 10], [-2.0, 0, 0, 20], [0, 0, 3.0, -30], [0, 0, 0, 1.0]])


def write_volume(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.RandomState(0).randint(-1000, 1000, (9, 11, 7)).astype(np.int16)
    if path.suffix in (".mha", ".mhd"):
        image = sitk.GetImageFromArray(values.T)
        lps = np.diag([-1.0, -1, 1, 1]) @ AFFINE
        image.SetSpacing(np.linalg.norm(lps[:3, :3], axis=0))
        image.SetDirection((lps[:3, :3] / np.linalg.norm(lps[:3, :3], axis=0)).ravel())
        image.SetOrigin(lps[:3, 3])
        sitk.WriteImage(image, path)
    else:
        nib.save(nib.Nifti1Image(values, AFFINE), path)
    return path


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_volume_is_named_by_its_path_and_stays_in_place(tmp_path, prepare, assert_same_world, name):
    path, case_id, patient_id = EXAMPLES[name]
    volume = write_volume(tmp_path / "raw" / path)
    (volume.parent / f"._{volume.name}").write_bytes(b"\0")
    card = registry.dataset_card(name)
    (case,) = prepare(tmp_path / "raw", card)
    assert (case.case_id, case.patient_id, case.modality) == (case_id, patient_id, card.modality)
    assert nib.aff2axcodes(case.affine) == ("R", "A", "S") and case.spacing_mm == pytest.approx((1.5, 2, 3))
    assert_same_world(case, card.channels[0], write_volume(tmp_path / "same.nii.gz"))
    assert case.label() is None
    assert select([case], card, card.default_split, 0, "train") == [case]


def test_every_collection_has_an_example():
    readers = {name: registry.load_dataset(name).prepare for name in registry.names("datasets")}
    found = [name for name, reader in readers.items() if isinstance(getattr(reader, "__self__", None), Collection)]
    assert found == sorted(EXAMPLES)


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        ([], "no case of stoic21 found"),
        (["1x.nii.gz"], "1x.nii.gz: expected a path that ends in"),
        (["a/1.nii.gz", "b/1.nii.gz"], "2 cases of stoic21 are called 1, expected one"),
    ],
)
def test_a_folder_that_is_none_is_refused(tmp_path, prepare, paths, sentence):
    for path in paths:
        write_volume(tmp_path / "raw" / path)
    with pytest.raises(DataError, match=sentence):
        prepare(tmp_path / "raw", registry.dataset_card("stoic21"))


def test_series_of_dicom_stand_for_volumes(tmp_path, prepare, dicom_series):
    volume = np.random.RandomState(0).randint(-1000, 1000, (5, 4, 3)).astype(np.int16)
    study = tmp_path / "raw" / "LIDC-IDRI" / "LIDC-IDRI-0001" / "01-01-2000-NA"
    dicom_series(study / "3.000000-NA-1").write(volume)
    dicom_series(study / "4.000000-NA-2").write(volume + 1)
    dicom_series(study / "5.000000-NA-3", "MR").write(volume)
    cases = prepare(tmp_path / "raw", registry.dataset_card("lidc"))
    assert [(case.case_id, case.patient_id) for case in cases] == [
        ("LIDC-IDRI-0001_01-01-2000-NA_3.000000-NA-1", "LIDC-IDRI-0001"),
        ("LIDC-IDRI-0001_01-01-2000-NA_4.000000-NA-2", "LIDC-IDRI-0001"),
    ]
    np.testing.assert_array_equal(cases[1].read()[0], volume[::-1, ::-1] + 1)
    dicom_series(tmp_path / "raw" / "loose").write(volume)
    with pytest.raises(DataError, match=r"loose: lies in no folder named like LIDC-IDRI-"):
        prepare(tmp_path / "raw", registry.dataset_card("lidc"))
