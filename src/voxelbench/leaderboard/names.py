"""Names on a leaderboard: those of this checkout, and those of the literature that published values are of."""

from collections.abc import Iterable

from voxelbench import paths, registry
from voxelbench.cards import TaskKind
from voxelbench.config import read_config, read_method
from voxelbench.errors import VoxelbenchError, nearest
from voxelbench.leaderboard.metrics import METRICS, metric
from voxelbench.leaderboard.row import AVERAGE, PUBLISHED, LeaderboardRow

LITERATURE_METHODS = {
    "swin_unetr": "Swin UNETR, as a publication runs it",
    "models_genesis": "Models Genesis",
}
LITERATURE_DATASETS = {
    AVERAGE: "the mean over the ten datasets of the main table",
    "acdc": "ACDC, cardiac MR",
    "asoca": "ASOCA, coronary arteries in CT",
    "candi": "CANDI, brain tissue in MR",
    "mm_whs": "MM-WHS, whole heart in CT",
}


def wrong_names(row: LeaderboardRow, new_method: str | None = None) -> list[str]:
    """Return one clause for each name of a row that nobody knows, with the nearest one that is known."""
    is_published = row.budget == PUBLISHED
    methods = [*registry.names("methods"), *LITERATURE_METHODS] if is_published else registry.names("methods")
    datasets = [*registry.names("datasets"), *LITERATURE_DATASETS] if is_published else registry.names("datasets")
    found = [_unknown("method", row.method, [*methods, *([new_method] if new_method else [])])]
    found.append(_unknown("dataset", row.dataset, datasets))
    if metric(row.metric) is None:
        found.append(f"metric '{row.metric}' is unknown.{nearest(row.metric, METRICS)}")
    if row.dataset in registry.names("datasets"):
        found += _wrong_task(row, is_published)
    if not is_published:
        found += _wrong_setting(row)
    return [clause for clause in found if clause]


def _wrong_task(row: LeaderboardRow, is_published: bool) -> list[str]:
    card = registry.dataset_card(row.dataset)
    tasks = [*(task.name for task in card.tasks), *(list(TaskKind) if is_published else [])]
    splits = [] if is_published else [_unknown(f"split of {card.name}", row.split, card.splits)]
    return [_unknown(f"task of {card.name}", row.task, tasks), *splits]


def _wrong_setting(row: LeaderboardRow) -> list[str]:
    """Return what is wrong with the names that only values of this harness have."""
    budgets = [path.stem for path in paths.budgets().glob("*.yaml")]
    found = [_unknown("budget", row.budget, budgets), _unknown("corpus", row.corpus, ["none", *read_config().corpora])]
    if row.method in registry.names("methods"):
        try:
            file = read_method(row.method)
        except VoxelbenchError as error:
            return [*found, str(error)]
        found.append(_unknown(f"variant of {row.method}", row.variant, ["", *file.variants]))
        found.append(_unknown(f"ablation of {row.method}", row.ablation, ["", *file.ablations]))
    return found


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = [str(each) for each in known]
    return "" if name in names else f"{what} '{name}' is unknown.{nearest(name, names)}"
