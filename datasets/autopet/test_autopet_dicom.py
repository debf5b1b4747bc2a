"""The DICOM release of AutoPET: PET to SUV, CT onto the grid of the PET, lesions from a segmentation file."""

import json

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from voxelbench import paths, registry
from voxelbench.data.case import read_cases
from voxelbench.errors import DataError

SHAPE, SPACING_MM = (12, 10, 8), (4.0, 4.0, 3.0)
STUDY = "FDG-PET-CT-Lesions/PETCT_0123abcd/01-01-2001-NA-PHANTOM PET CT-1"


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


@pytest.fixture
def study(raw, dicom_series, dicom_segmentation, dicom_pet_tags):
    """Write one study and return its PET (Bq/mL), CT (HU, on twice as fine a grid from the same corner) and mask."""
    rng = np.random.RandomState(0)
    pet = rng.randint(0, 20000, SHAPE).astype(np.int16)
    fine = tuple(2 * n - 1 for n in SHAPE)
    x, y, z = np.meshgrid(*map(np.arange, fine), indexing="ij")
    ct = (-1000 + 20 * x + 30 * y + 10 * z).astype(np.int16)
    mask = np.zeros(SHAPE, bool)
    mask[2:5, 3:4, 1:3] = mask[9, 8, 6] = True
    writer = dicom_series(raw / STUDY / "PET", "PT", spacing_mm=SPACING_MM)
    writer.write(pet, **dicom_pet_tags())
    dicom_series(raw / STUDY / "CT", "CT", spacing_mm=tuple(step / 2 for step in SPACING_MM)).write(ct)
    dicom_segmentation(raw / STUDY / "SEG" / "1-1.dcm", mask, writer)
    return pet, ct, mask


def prepare(raw, tmp_path):
    out = tmp_path / "prepared"
    registry.load_dataset("autopet").prepare(raw, out, registry.dataset_card("autopet"), "native")
    return read_cases(paths.manifest(out))[0], out


def test_a_study_is_prepared(raw, study, tmp_path):
    pet, ct, mask = study
    case, out = prepare(raw, tmp_path)
    assert (case.patient_id, case.case_id) == ("PETCT_0123abcd", "PETCT_0123abcd_01-01-2001-NA-PHANTOM-PET-CT-1")
    assert nib.aff2axcodes(case.affine) == ("R", "A", "S") and case.spacing_mm == pytest.approx(SPACING_MM)
    suv, hounsfield = case.read()
    # The files run to the left and to the back: both axes are turned.
    per_bq_ml = 70_000 / (3.5e8 * 0.5 ** (3600 / 6586.2))
    np.testing.assert_allclose(suv, pet[::-1, ::-1] * per_bq_ml, rtol=1e-5)
    np.testing.assert_allclose(hounsfield, ct[::2, ::2, ::2][::-1, ::-1], atol=1e-3)
    np.testing.assert_array_equal(case.label(), mask[::-1, ::-1])
    (line,) = [json.loads(line) for line in paths.sources(out).read_text().splitlines()]
    assert [channel["decisions"][0][:12] for channel in line["channels"]] == ["SUV = Bq/mL ", "CT resampled"]


def test_no_name_of_a_patient_leaves_the_headers(raw, study, tmp_path):
    _, out = prepare(raw, tmp_path)
    assert not any(b"NOBODY" in path.read_bytes() for path in out.iterdir())


def test_beyond_the_field_of_view_of_the_ct_is_air(raw, study, tmp_path, dicom_series):
    for file in (raw / STUDY / "CT").iterdir():
        file.unlink()
    dicom_series(raw / STUDY / "CT", "CT", spacing_mm=SPACING_MM).write(np.full((6, 10, 8), 40, np.int16))
    hounsfield = prepare(raw, tmp_path)[0].read(["ct"])[0]
    assert (hounsfield[6:] == 40).all() and (hounsfield[:6] == -1024).all()


@pytest.mark.parametrize("modality", ["PT", "CT", "SEG"])
def test_a_missing_series_is_named(raw, study, tmp_path, modality):
    folder = raw / STUDY / {"PT": "PET"}.get(modality, modality)
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(DataError, match=f"has 0 DICOM series of modality {modality}, expected one"):
        prepare(raw, tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"origin_mm": (-10.0, 20.0, 6.5)}, "has a frame that lies on no slice of its image"),
        ({"origin_mm": (-8.0, 20.0, 5.0)}, "has a frame that lies on no slice of its image"),
        ({"spacing_mm": (4.5, 4.0, 3.0)}, "has a frame that lies on no slice of its image"),
    ],
)
def test_a_segmentation_elsewhere(raw, study, tmp_path, dicom_series, dicom_segmentation, changes, sentence):
    writer = dicom_series(raw / "other", "PT", **{"spacing_mm": SPACING_MM, **changes})
    dicom_segmentation(raw / STUDY / "SEG" / "1-1.dcm", ndimage.binary_dilation(study[2]), writer)
    with pytest.raises(DataError, match=sentence):
        prepare(raw, tmp_path)
