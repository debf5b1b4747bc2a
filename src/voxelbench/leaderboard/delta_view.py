"""The comparison with published values as people read it."""

import pandas as pd

from voxelbench.report.shown import Shown

_STRONG = ("reproduced", "not reproduced")


def view_delta(rows: pd.DataFrame) -> Shown:
    """Return the comparison, all of its cells texts as in its CSV, for a reader: a line a published value."""
    cells = pd.DataFrame(
        {
            "claim": [_claim(row) for _, row in rows.iterrows()],
            "source": [_source(row) for _, row in rows.iterrows()],
            "published": rows["published"],
            "ours": [_ours(row) for _, row in rows.iterrows()],
            "delta": rows["delta"].replace("", "-"),
            "gain published": rows["published_gain"].replace("", "-"),
            "gain ours": [_interval(row, "gain", "gain_low", "gain_high") for _, row in rows.iterrows()],
            "verdict": [_verdict(row) for _, row in rows.iterrows()],
        }
    )
    cells.index = pd.Index([str(number) for number in range(1, len(rows) + 1)], name="#")
    is_strong = pd.DataFrame(False, index=cells.index, columns=cells.columns)
    is_strong["verdict"] = [verdict in _STRONG for verdict in rows["verdict"]]
    budgets, data = ("+".join(sorted(set(rows[name]) - {""})) or "none" for name in ("budget", "data"))
    caption = (
        f"Published values and ours (budget {budgets}, data {data}). "
        "Shares x 100; ours with 95 % interval and n cases; the rule of the verdicts is in docs/verdicts.md"
    )
    return Shown(cells, is_strong, caption, ())


def _claim(row: pd.Series) -> str:
    system = ".".join(part for part in (row["method"], row["variant"], row["ablation"]) if part)
    labels = "" if row["fraction"] == "1" else f" at {float(row['fraction']):.0%} of the labels"
    gain = f" gain over {row['baseline']}" if row["statistic"] == "gain" else ""
    return f"{system}: {row['dataset']} {row['metric']}{gain}{labels}"


def _source(row: pd.Series) -> str:
    return " ".join(part for part in (row["source"], row["table"], f"({row['certainty']})") if part)


def _ours(row: pd.Series) -> str:
    counted = f" n={row['n_cases']}" if row["n_cases"] else ""
    return f"{_interval(row, 'value', 'low', 'high')}{counted}"


def _interval(row: pd.Series, value: str, low: str, high: str) -> str:
    if not row[value]:
        return "-"
    return f"{row[value]} [{row[low]}, {row[high]}]" if row[low] else row[value]


def _verdict(row: pd.Series) -> str:
    of_gain = f"; of the gain: {row['gain_verdict']}" if row["gain_verdict"] not in ("", row["verdict"]) else ""
    return f"{row['verdict']}: {row['reason']}{of_gain}"
