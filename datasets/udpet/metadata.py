"""The table of patients that turns Bq/mL into SUV."""

from datetime import datetime
from pathlib import Path

from voxelbench.data.suv import Injection
from voxelbench.data.table import read_table
from voxelbench.errors import DataError

METADATA = "udpet_metadata.csv"
COLUMNS = ("patient_id", "weight_kg", "injected_activity_bq", "delay_s", "half_life_s")
TIMES = ("injection_time", "start_time")
"""What may stand in place of `delay_s`: two times in ISO 8601."""


def read_injections(raw: Path) -> dict[str, Injection]:
    """Read the injections by patient, from every table under `raw`. Raises DataError if there is none."""
    tables = sorted(raw.rglob(METADATA))
    if not tables:
        raise DataError(f"{raw / METADATA}: no such file; SUV needs it, with columns {', '.join(COLUMNS)}.")
    return {patient: injection for table in tables for patient, injection in read_metadata(table).items()}


def read_metadata(path: Path) -> dict[str, Injection]:
    """Read one table. Raises DataError if it names a patient twice, or if a value cannot be."""
    injections: dict[str, Injection] = {}
    for line, row in read_table(path, ("patient_id",)):
        if row["patient_id"] in injections or not row["patient_id"]:
            raise DataError(f"{path}: line {line} has patient '{row['patient_id']}', expected a new one; correct it.")
        injections[row["patient_id"]] = _injection(row, path)
    return injections


def _injection(row: dict[str, str], path: Path) -> Injection:
    where = f"{path}: patient {row['patient_id']}"
    return Injection(
        weight_kg=_number(row, "weight_kg", where),
        activity_bq=_number(row, "injected_activity_bq", where),
        delay_s=_number(row, "delay_s", where) if row.get("delay_s") else _delay_from_times(row, where),
        half_life_s=_number(row, "half_life_s", where),
    ).checked(where)


def _number(row: dict[str, str], column: str, where: str) -> float:
    try:
        return float(row[column])
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{where} has {column} '{row.get(column)}', expected a number; complete the row.") from None


def _delay_from_times(row: dict[str, str], where: str) -> float:
    try:
        injected, started = (datetime.fromisoformat(row[column]) for column in TIMES)
        return (started - injected).total_seconds()
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"{where} has neither delay_s nor {' and '.join(TIMES)} in ISO 8601; complete the row."
        ) from None
