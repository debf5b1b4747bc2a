"""`losses.csv`: one row a step."""

import csv
import io
from pathlib import Path

from voxelbench.atomic import write_text
from voxelbench.training.loop import Log


def write_log(path: Path, log: Log) -> None:
    """Write the log of a run with six significant digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(log[0])
    writer.writerows([f"{value:.6g}" for value in row.values()] for row in log)
    write_text(path, buffer.getvalue())
