"""`losses.csv`: one row a step."""

import csv
import io
from pathlib import Path

from voxelbench.atomic import write_text
from voxelbench.training.loop import Log


def write_log(path: Path, log: Log) -> None:
    """Write the log of a run with six significant digits; a value that not every step has leaves its cell empty."""
    buffer = io.StringIO()
    names = list(dict.fromkeys(name for row in log for name in row))
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([f"{row[name]:.6g}" if name in row else "" for name in names] for row in log)
    write_text(path, buffer.getvalue())
