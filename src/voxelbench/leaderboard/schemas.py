"""JSON Schemas of the rows of every CSV that others read or write, exported from the row models."""

import json
from pathlib import Path
from typing import Any

from voxelbench import paths
from voxelbench.atomic import write_text
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.report.rows import CaseRow, ComparisonRow, CostRow, CsvRow, RankRow, ScoreRow

SCHEMAS: dict[str, type[CsvRow]] = {
    "scores": ScoreRow,
    "cases": CaseRow,
    "comparisons": ComparisonRow,
    "ranks": RankRow,
    "cost": CostRow,
    "leaderboard": LeaderboardRow,
}
"""The row model of each tidy CSV, by the name of the file."""


def export_schemas(folder: Path) -> None:
    """Write the JSON Schema of each row model, `<name>.schema.json`."""
    for name, model in SCHEMAS.items():
        write_text(folder / paths.row_schema(name), json.dumps(json_schema(name, model), indent=2) + "\n")


def json_schema(name: str, model: type[CsvRow]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one row; an empty cell is an absent key."""
    schema = model.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": f"A row of {name}.csv"}
