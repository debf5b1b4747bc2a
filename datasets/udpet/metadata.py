"""The table of patients that turns Bq/mL into SUV."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from voxelbench.data.table import read_table
from voxelbench.errors import DataError

METADATA = "udpet_metadata.csv"
COLUMNS = ("patient_id", "weight_kg", "injected_activity_bq", "delay_s", "half_life_s")
TIMES = ("injection_time", "start_time")
"""What may stand in place of `delay_s`: two times in ISO 8601."""

_MAX_HALF_LIVES = 20
"""By then a millionth of the activity is left, and nothing to see."""


@dataclass(frozen=True)
class Injection:
    """What was injected, in whom, and how long before the scan."""

    weight_kg: float
    activity_bq: float
    delay_s: float
    half_life_s: float

    @property
    def suv_per_bq_ml(self) -> float:
        """SUV = Bq/mL * weight in g / activity left at the start of the scan."""
        left_bq = self.activity_bq * 2.0 ** (-self.delay_s / self.half_life_s)
        return self.weight_kg * 1000.0 / left_bq


def read_metadata(path: Path) -> dict[str, Injection]:
    """Read the injections by patient. Raises DataError if the file is missing or a value cannot be."""
    try:
        rows = read_table(path, ("patient_id",))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; SUV needs it, with columns {', '.join(COLUMNS)}.") from None
    injections: dict[str, Injection] = {}
    for line, row in rows:
        if row["patient_id"] in injections or not row["patient_id"]:
            raise DataError(f"{path}: line {line} has patient '{row['patient_id']}', expected a new one; correct it.")
        injections[row["patient_id"]] = _injection(row, path)
    return injections


def _injection(row: dict[str, str], path: Path) -> Injection:
    where = f"{path}: patient {row['patient_id']}"
    delay_s, half_life_s = _delay(row, where), _positive(row, "half_life_s", where)
    if delay_s > _MAX_HALF_LIVES * half_life_s:
        raise DataError(
            f"{where} was scanned {delay_s:g} s after the injection, expected at most {_MAX_HALF_LIVES} half-lives of "
            f"{half_life_s:g} s; correct the row."
        )
    return Injection(
        _positive(row, "weight_kg", where), _positive(row, "injected_activity_bq", where), delay_s, half_life_s
    )


def _number(row: dict[str, str], column: str, where: str) -> float:
    try:
        return float(row[column])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{where} has {column} '{row.get(column)}', expected a number; complete the row.") from None


def _positive(row: dict[str, str], column: str, where: str) -> float:
    value = _number(row, column, where)
    if not 0 < value < float("inf"):
        raise DataError(f"{where} has {column} {value:g}, expected more than 0; correct the row.")
    return value


def _delay(row: dict[str, str], where: str) -> float:
    delay = _number(row, "delay_s", where) if row.get("delay_s") else _delay_from_times(row, where)
    if not delay >= 0:
        raise DataError(f"{where} was scanned {delay:g} s after the injection, expected 0 or more; correct the row.")
    return delay


def _delay_from_times(row: dict[str, str], where: str) -> float:
    try:
        injected, started = (datetime.fromisoformat(row[column]) for column in TIMES)
        return (started - injected).total_seconds()
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"{where} has neither delay_s nor {' and '.join(TIMES)} in ISO 8601; complete the row."
        ) from None
