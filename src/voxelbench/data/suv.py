"""Standardised uptake value by body weight (SUVbw, g/mL): uptake relative to a dose spread evenly over the body.

    SUV = C * w / A        C  activity concentration in Bq/mL, corrected for decay to a reference time
                           w  body weight in g
                           A  activity in Bq that is left of the injected dose D at the reference time
    A = D * 2^(-t / T)     t  seconds from the injection to the reference time,  T  half-life in s

From DICOM PET (part 3 of the standard, C.8.9) these come as:

- C: rescaled pixels. `Units` BQML: as they are. GML: they are SUV already (`SUVType` BW or absent), nothing is done.
  CNTS: as Philips writes them, times its private factor to SUV (7053,1000), or else its private factor to Bq/mL
  (7053,1009). Other units are refused, and so is a series without attenuation and decay correction.
- w: `PatientWeight`, which is in kg. D: `RadionuclideTotalDose`, in Bq. T: `RadionuclideHalfLife`, in s.
- Reference time, by `DecayCorrection`. ADMIN: the injection, so A = D. START: the start of the series, `SeriesDate` and
  `SeriesTime`, unless a slice was acquired before it, as in a series that was made later: then the earliest
  `AcquisitionDate` and `AcquisitionTime`. NONE is refused.
- Injection: `RadiopharmaceuticalStartDateTime`; else `RadiopharmaceuticalStartTime` on the day of the reference time,
  or on the day before if it would come after it and that makes a wait of at most 12 hours.

A weight, dose or half-life that is absent or cannot be, and a wait t below 0 or above 24 hours, are refused by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from voxelbench.data.readers.bounds import complete
from voxelbench.errors import DataError

_BOUNDS = {"weight_kg": (0.1, 700.0), "activity_bq": (1e5, 1e12), "delay_s": (0.0, 86400.0), "half_life_s": (10.0, 1e8)}
"""Outside of these a value is missing, of another unit (MBq, g), or of another day."""

_MAX_HALF_LIVES = 20
"""By then a millionth of the activity is left, and nothing to see."""

_LONGEST_OVER_MIDNIGHT = timedelta(hours=12)

_PHILIPS_SUV, _PHILIPS_BQ_ML = Tag(0x7053, 0x1000), Tag(0x7053, 0x1009)
_SHARED = (
    *("Units", "SUVType", "CorrectedImage", "DecayCorrection", "SeriesDate", "SeriesTime", "PatientWeight"),
    *("RadiopharmaceuticalInformationSequence", _PHILIPS_SUV, _PHILIPS_BQ_ML),
)
"""What every slice of a series states alike, so that one damaged header cannot change the values of all."""

_CORRECTIONS = {"ATTN": "attenuation", "DECY": "decay"}


@dataclass(frozen=True)
class Injection:
    """What was injected, in whom, and how long before the time to which the image is corrected for decay."""

    weight_kg: float
    activity_bq: float
    delay_s: float
    half_life_s: float

    def checked(self, where: str) -> "Injection":
        """Return the injection if all its values can be. Raises DataError, which begins with `where`, otherwise."""
        for field in fields(self):
            value, (low, high) = getattr(self, field.name), _BOUNDS[field.name]
            if not low <= value <= high:
                raise DataError(f"{where} has {field.name} {value:g}, expected {low:g} to {high:g}; correct it.")
        if self.delay_s > _MAX_HALF_LIVES * self.half_life_s:
            raise DataError(
                f"{where} has delay_s {self.delay_s:g}, expected at most {_MAX_HALF_LIVES} half-lives of "
                f"{self.half_life_s:g} s; correct it."
            )
        return self

    @property
    def suv_per_bq_ml(self) -> float:
        """SUV of 1 Bq/mL."""
        left_bq = self.activity_bq * 2.0 ** (-self.delay_s / self.half_life_s)
        return self.weight_kg * 1000.0 / left_bq

    def __str__(self) -> str:
        """Say what the factor was computed from; it names nobody."""
        return (
            f"SUV = Bq/mL x {self.suv_per_bq_ml:.6g} ({self.weight_kg:g} kg, {self.activity_bq:g} Bq, "
            f"{self.delay_s:g} s before the reference time, half-life {self.half_life_s:g} s)"
        )


def suv_factor(headers: Sequence[Dataset], where: Path) -> tuple[float, str]:
    """Return the factor from rescaled pixels of a PET series to SUV, and how it came about.

    Raises DataError if the header does not allow SUV: another modality, unit or correction, or a value that cannot be.
    """
    with complete(where, "DICOM PET"):
        return _factor(headers, where)


def _factor(headers: Sequence[Dataset], where: Path) -> tuple[float, str]:
    header = headers[0]
    for keyword in _SHARED:
        if any(other.get(keyword) != header.get(keyword) for other in headers):
            raise DataError(f"{where}: its slices do not agree on {keyword}, which SUV needs; fetch the series again.")
    if header.get("Modality") != "PT":
        raise DataError(f"{where}: has modality {header.get('Modality')}, expected PT, which SUV needs.")
    units = str(header.get("Units", "none"))
    if units == "GML":
        return _already(header, where)
    missing = [name for code, name in _CORRECTIONS.items() if code not in (header.get("CorrectedImage") or ())]
    if missing:
        raise DataError(f"{where}: is not corrected for {' and '.join(missing)}, which SUV needs; take another series.")
    if units == "CNTS" and (factor := _private(header, _PHILIPS_SUV)):
        return factor, f"SUV = counts x {factor:.6g} (Philips)"
    bq_ml = {"BQML": 1.0, "CNTS": _private(header, _PHILIPS_BQ_ML)}.get(units)
    if not bq_ml:
        raise DataError(
            f"{where}: has units {units}, expected BQML, GML, or CNTS with a factor of Philips; convert it."
        )
    injection = _injection(headers, where)
    return injection.suv_per_bq_ml * bq_ml, str(injection)


def _already(header: Dataset, where: Path) -> tuple[float, str]:
    kind = header.get("SUVType") or "BW"
    if kind != "BW":
        raise DataError(f"{where}: has SUV of type {kind}, expected BW (by body weight); take another series.")
    return 1.0, "SUV as stored (GML)"


def _private(header: Dataset, tag: Any) -> float:
    return float(header[tag].value) if tag in header else 0.0


def _injection(headers: Sequence[Dataset], where: Path) -> Injection:
    header = headers[0]
    sequence = list(header.get("RadiopharmaceuticalInformationSequence") or [])
    if len(sequence) != 1:
        raise DataError(f"{where}: names {len(sequence)} radiopharmaceuticals, expected one; SUV needs its dose.")
    delay = _delay(headers, sequence[0], where)
    return Injection(
        weight_kg=_number(header, "PatientWeight", where),
        activity_bq=_number(sequence[0], "RadionuclideTotalDose", where),
        delay_s=delay,
        half_life_s=_number(sequence[0], "RadionuclideHalfLife", where),
    ).checked(str(where))


def _number(header: Dataset, keyword: str, where: Path) -> float:
    value = header.get(keyword)
    if value in (None, ""):
        raise DataError(f"{where}: has no {keyword}, which SUV needs; complete the header.")
    return float(value)


def _delay(headers: Sequence[Dataset], drug: Dataset, where: Path) -> float:
    correction = headers[0].get("DecayCorrection", "none")
    if correction == "ADMIN":
        return 0.0
    if correction != "START":
        raise DataError(f"{where}: has DecayCorrection {correction}, expected START or ADMIN; take another series.")
    reference = min(
        [_moment(headers[0], "Series", where), *(_moment(header, "Acquisition", where) for header in headers)]
    )
    if moment := drug.get("RadiopharmaceuticalStartDateTime"):
        return (reference - _parse(str(moment), where)).total_seconds()
    time = drug.get("RadiopharmaceuticalStartTime")
    if not time:
        raise DataError(f"{where}: has no time of injection, which SUV needs; complete the header.")
    delay = reference - _parse(f"{reference:%Y%m%d}{time}", where)
    # An injection before midnight, unless that makes a wait that nobody has: then the times are in the wrong order.
    if delay < timedelta(0) and delay + timedelta(days=1) <= _LONGEST_OVER_MIDNIGHT:
        delay += timedelta(days=1)
    return delay.total_seconds()


def _moment(header: Dataset, event: str, where: Path) -> datetime:
    """Return date and time of an event; the date of the series stands in for one that is absent."""
    date = header.get(f"{event}Date") or header.get("SeriesDate")
    time = header.get(f"{event}Time")
    if not date or not time:
        raise DataError(f"{where}: has no {event}Date and {event}Time, which SUV needs; complete the header.")
    return _parse(f"{date}{time}", where)


def _parse(moment: str, where: Path) -> datetime:
    """Read YYYYMMDDHHMMSS with or without a fraction; an offset from UTC is the same for all times of a scanner."""
    local = moment.partition("+")[0].partition("-")[0].strip()
    whole, _, fraction = local.partition(".")
    try:
        return datetime.strptime(whole.ljust(14, "0"), "%Y%m%d%H%M%S") + timedelta(seconds=float(f"0.{fraction or 0}"))
    except ValueError:
        raise DataError(f"{where}: has the time '{moment}', expected YYYYMMDDHHMMSS; complete the header.") from None
