import csv
import shutil

import nibabel as nib
import numpy as np
import pytest

from voxelbench import registry
from voxelbench.data.suv import Injection
from voxelbench.errors import DataError


def metadata(raw):
    with (raw / "udpet_metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def rewrite(raw, rows):
    with (raw / "udpet_metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_suv_of_a_known_injection():
    injection = Injection(weight_kg=70, activity_bq=2.8e8, delay_s=6586.2, half_life_s=6586.2)
    assert 5000 * injection.suv_per_bq_ml == pytest.approx(5000 * 70_000 / 1.4e8)


def test_twin_is_prepared_in_suv(write_twin, prepare, assert_same_world):
    raw, card = write_twin("udpet")
    cases = {case.case_id: case for case in prepare(raw, card)}
    assert sorted(cases) == sorted(row["patient_id"] for row in metadata(raw))
    for row in metadata(raw):
        case = cases[row["patient_id"]]
        left = float(row["injected_activity_bq"]) * 2 ** (-float(row["delay_s"]) / float(row["half_life_s"]))
        assert case.channels == ("full", "drf4", "drf10", "drf20", "drf50", "drf100")
        assert set(case.units) == {"SUV"}
        assert nib.aff2axcodes(case.affine) == ("R", "A", "S")
        for dose in ("full", "drf100"):
            assert_same_world(case, dose, raw / case.case_id / f"{dose}.nii.gz", float(row["weight_kg"]) * 1000 / left)


def test_lower_dose_has_the_same_mean_and_more_noise(write_twin, prepare):
    raw, card = write_twin("udpet")
    for case in prepare(raw, card, 7.0):
        full, *lower = case.read()
        errors = [np.sqrt(((dose - full) ** 2).mean()) for dose in lower]
        assert errors == sorted(errors)
        assert [dose.mean() for dose in lower] == pytest.approx([full.mean()] * 5, rel=0.1)


def test_older_folders_give_the_same_cases(write_twin, prepare):
    raw, card = write_twin("udpet")
    before = [case.read() for case in prepare(raw, card)]
    for file in sorted(raw.rglob("*.nii.gz")):
        dose = file.name.removesuffix(".nii.gz")
        folder = file.parent / ("Full_dose" if dose == "full" else f"1-{dose.removeprefix('drf')} dose")
        folder.mkdir()
        file.rename(folder / "volume.nii.gz")
    shutil.copytree(folder, folder.parent / "1-2 dose")
    assert all((old == new.read()).all() for old, new in zip(before, prepare(raw, card), strict=True))


def test_times_in_place_of_the_delay(write_twin, prepare):
    raw, card = write_twin("udpet")
    before = prepare(raw, card)[0].read()
    times = {"injection_time": "2022-01-01T09:00:00", "delay_s": ""}
    starts = [np.datetime64(times["injection_time"]) + int(row["delay_s"]) for row in metadata(raw)]
    rewrite(raw, [{**row, **times, "start_time": str(start)} for row, start in zip(metadata(raw), starts, strict=True)])
    assert prepare(raw, card)[0].read() == pytest.approx(before)


@pytest.mark.parametrize("weight", ["0", "-70", "nan"])
def test_weight_that_cannot_be(write_twin, prepare, weight):
    raw, card = write_twin("udpet")
    rows = metadata(raw)
    rewrite(raw, [{**rows[0], "weight_kg": weight}, *rows[1:]])
    with pytest.raises(
        DataError,
        match=rf"udpet_metadata\.csv: patient {rows[0]['patient_id']} has weight_kg {weight}, expected 0.1 to 700",
    ):
        prepare(raw, card)


def test_patient_without_a_row(write_twin, prepare):
    raw, card = write_twin("udpet")
    rows = metadata(raw)
    rewrite(raw, rows[1:])
    with pytest.raises(DataError, match=rf"patient {rows[0]['patient_id']} has no row in .*udpet_metadata\.csv"):
        prepare(raw, card)


def test_no_metadata(write_twin, prepare):
    raw, card = write_twin("udpet")
    (raw / "udpet_metadata.csv").unlink()
    with pytest.raises(DataError, match=r"udpet_metadata\.csv: no such file; SUV needs it"):
        prepare(raw, card)


def test_missing_dose(write_twin, prepare):
    raw, card = write_twin("udpet")
    next(raw.rglob("drf20.nii.gz")).unlink()
    with pytest.raises(DataError, match="has 0 volumes of dose drf20, expected one"):
        prepare(raw, card)


def test_the_older_release_is_dicom_and_says_its_own_dose(tmp_path, prepare, dicom_series, dicom_pet_tags):
    card, rng = registry.dataset_card("udpet"), np.random.RandomState(0)
    raw = tmp_path / "raw" / "Bern-2022" / "PHANTOM_1"
    volumes = {}
    for folder in ("Full_dose", "1-2 dose", *(f"1-{n} dose" for n in (4, 10, 20, 50, 100))):
        volumes[folder] = rng.randint(0, 9999, (6, 5, 4)).astype(np.int16)
        dicom_series(raw / folder, "PT", suffix=".IMA").write(
            volumes[folder], **dicom_pet_tags(weight_kg=50, delay_s=0)
        )
    (case,) = prepare(tmp_path / "raw", card)
    assert case.case_id == "PHANTOM_1" and case.shape == (6, 5, 4)
    for channel, folder in (("full", "Full_dose"), ("drf4", "1-4 dose"), ("drf100", "1-100 dose")):
        np.testing.assert_allclose(case.read([channel])[0], volumes[folder][::-1, ::-1] * (50_000 / 3.5e8), rtol=1e-5)
    for file in (raw / "1-20 dose").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="has 0 volumes of dose drf20, expected one"):
        prepare(tmp_path / "raw", card)
