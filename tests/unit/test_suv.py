"""SUV from DICOM PET headers, against values worked out by hand."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from voxelbench.data.suv import Injection, suv_factor
from voxelbench.data.suv_readers import SuvSeries
from voxelbench.errors import DataError

HALF_LIFE_S = 6586.2
DOSE_BQ, WEIGHT_KG = 3.5e8, 70.0


def drug(**tags):
    item = Dataset()
    item.RadionuclideTotalDose, item.RadionuclideHalfLife = DOSE_BQ, HALF_LIFE_S
    item.RadiopharmaceuticalStartTime = "100000"
    return changed(item, tags)


def changed(dataset, tags):
    for keyword, value in tags.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def pet(drugs=None, **tags):
    header = Dataset()
    header.Modality, header.Units, header.CorrectedImage = "PT", "BQML", ["DECY", "ATTN", "SCAT"]
    header.DecayCorrection, header.PatientWeight = "START", WEIGHT_KG
    header.SeriesDate, header.SeriesTime = "20200601", "110000"
    header.AcquisitionDate, header.AcquisitionTime = "20200601", "110500"
    header.RadiopharmaceuticalInformationSequence = [drug()] if drugs is None else drugs
    return changed(header, tags)


def factor(tmp_path, *headers):
    return suv_factor(headers, tmp_path)[0]


def expected(delay_s):
    return WEIGHT_KG * 1000 / (DOSE_BQ * 0.5 ** (delay_s / HALF_LIFE_S))


def test_one_half_life():
    injection = Injection(weight_kg=70, activity_bq=2.8e8, delay_s=HALF_LIFE_S, half_life_s=HALF_LIFE_S)
    assert injection.suv_per_bq_ml == pytest.approx(70_000 / 1.4e8)


@pytest.mark.parametrize(
    ("header", "delay_s"),
    [
        (pet(), 3600),
        (pet(DecayCorrection="ADMIN"), 0),
        (pet(SeriesTime="130000"), 3900),  # made later from slices of 11:05
        (pet(drugs=[drug(RadiopharmaceuticalStartTime="100000.500000")]), 3599.5),
        (pet(drugs=[drug(RadiopharmaceuticalStartTime="233000")], SeriesTime="003000", AcquisitionTime="0040"), 3600),
        (pet(drugs=[drug(RadiopharmaceuticalStartDateTime="20200601094000.00+0200")]), 4800),
        (pet(drugs=[drug(RadiopharmaceuticalStartDateTime="20200531230000")]), 43200),
    ],
    ids=["start", "administration", "made later", "fraction", "midnight", "date and time", "day before"],
)
def test_delay_by_the_rules(tmp_path, header, delay_s):
    assert factor(tmp_path, header) == pytest.approx(expected(delay_s), rel=1e-9)


def test_the_earliest_slice_counts(tmp_path):
    late, early = pet(SeriesTime="120000", AcquisitionTime="112000"), pet(SeriesTime="120000", AcquisitionTime="110100")
    assert factor(tmp_path, late, early) == pytest.approx(expected(3660))


def test_grams_per_millilitre_are_suv_already(tmp_path):
    assert factor(tmp_path, pet(drugs=[], Units="GML", PatientWeight=None)) == 1.0


def test_counts_of_philips(tmp_path):
    header = pet(Units="CNTS")
    header.add_new((0x7053, 0x1009), "DS", "2.5")
    assert factor(tmp_path, header) == pytest.approx(2.5 * expected(3600))
    header.add_new((0x7053, 0x1000), "DS", "0.0004")
    assert factor(tmp_path, header) == pytest.approx(0.0004)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (pet(PatientWeight=None), "has no PatientWeight, which SUV needs"),
        (pet(PatientWeight=0), "has weight_kg 0, expected 0.1 to 700"),
        (pet(PatientWeight=70000), "has weight_kg 70000, expected 0.1 to 700"),
        (pet(drugs=[drug(RadionuclideTotalDose=None)]), "has no RadionuclideTotalDose, which SUV needs"),
        (pet(drugs=[drug(RadionuclideTotalDose=0)]), r"has activity_bq 0, expected 100000 to 1e\+12"),
        (pet(drugs=[drug(RadionuclideTotalDose=350)]), "has activity_bq 350, expected"),
        (pet(drugs=[drug(RadionuclideHalfLife=None)]), "has no RadionuclideHalfLife"),
        (pet(drugs=[drug(RadiopharmaceuticalStartTime="111500")]), "has delay_s -900, expected 0 to 86400"),
        (
            pet(drugs=[drug(RadiopharmaceuticalStartDateTime="20200530100000")]),
            "has delay_s 176400, expected 0 to 86400",
        ),
        (pet(drugs=[drug(RadiopharmaceuticalStartTime=None)]), "has no time of injection"),
        (pet(drugs=[drug(RadiopharmaceuticalStartDateTime="2020")]), "has the time '2020', expected"),
        (pet(drugs=[]), "names 0 radiopharmaceuticals, expected one"),
        (pet(drugs=[drug(), drug()]), "names 2 radiopharmaceuticals, expected one"),
        (pet(DecayCorrection="NONE"), "has DecayCorrection NONE, expected START or ADMIN"),
        (pet(CorrectedImage=["ATTN"]), "is not corrected for decay"),
        (pet(CorrectedImage=["DECY"]), "is not corrected for attenuation"),
        (pet(Units="CNTS"), "has units CNTS, expected BQML, GML, or CNTS with a factor of Philips"),
        (pet(Units="PROPCNTS"), "has units PROPCNTS"),
        (pet(Units="GML", SUVType="LBM"), "has SUV of type LBM, expected BW"),
        (pet(Modality="CT"), "has modality CT, expected PT"),
        (pet(AcquisitionTime=None), "has no AcquisitionDate and AcquisitionTime"),
    ],
)
def test_what_gives_no_suv_is_named(tmp_path, header, sentence):
    with pytest.raises(DataError, match=sentence) as caught:
        factor(tmp_path, header)
    assert str(caught.value).startswith(str(tmp_path))


def test_a_series_is_read_as_suv_and_says_how(tmp_path, dicom_series, dicom_pet_tags):
    volume = np.random.RandomState(0).randint(0, 30000, (5, 4, 3)).astype(np.int16)
    dicom_series(tmp_path / "pet", "PT").write(volume, **dicom_pet_tags(), RescaleSlope=0.5, PatientName="Nobody^Known")
    reader = SuvSeries(tmp_path / "pet")
    suv, _ = reader()
    np.testing.assert_allclose(suv, volume * 0.5 * expected(3600), rtol=1e-5)
    (decision,) = reader.decisions()
    assert decision.startswith(f"SUV = Bq/mL x {expected(3600):.6g} (70 kg, 3.5e+08 Bq, 3600 s before")
    assert "Nobody" not in decision


@pytest.mark.parametrize(
    ("keyword", "other"),
    [
        ("PatientWeight", pet(PatientWeight=30.0)),
        ("Units", pet(Units="GML")),
        ("SeriesTime", pet(SeriesTime="103000")),
        ("RadiopharmaceuticalInformationSequence", pet(drugs=[drug(RadionuclideTotalDose=3.4e8)])),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_damaged_header_changes_nothing(tmp_path, keyword, other, place):
    headers = [pet(), pet()]
    headers.insert(place, other)
    with pytest.raises(DataError, match=f"its slices do not agree on {keyword}"):
        factor(tmp_path, *headers)
