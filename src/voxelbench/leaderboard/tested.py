"""Which cases a split tests, and whose they are: what a submitted leaderboard has to cover, no more and no less."""

from voxelbench import paths, registry
from voxelbench.config import read_config
from voxelbench.data.manifest import read_manifest
from voxelbench.data.splits import all_listed, listed_parts, part_of
from voxelbench.errors import DataError


def tested_cases(dataset: str, split: str, fold: int) -> dict[str, str]:
    """Return the patient of each test case of one fold, by case id.

    They are those of the real data where these are prepared, else those that the dataset's `splits.csv` lists, each a
    patient of its own. Raises DataError where neither is known here.
    """
    card = registry.dataset_card(dataset)
    any_grid = paths.manifest(paths.prepared(read_config().data_root, dataset, "real", "*"))
    for manifest in sorted(any_grid.parents[1].glob(f"{any_grid.parent.name}/{any_grid.name}")):
        listed = all_listed(dataset, manifest.parent)
        parts = [
            (row, part_of(card, split, fold, row.case_id, row.patient_id, listed)) for row in read_manifest(manifest)
        ]
        return {row.case_id: row.patient_id for row, part in parts if part == "test"}
    named = listed_parts(dataset).get((split, fold), {})
    ids = [case_id for case_id, part in named.items() if part == "test"]
    has_one_case_a_patient = card.n_patients in (None, card.n_cases)
    if card.splits[split].rule == "hash" or not ids or not has_one_case_a_patient:
        raise DataError(
            f"{dataset}: which cases split {split}, fold {fold} tests is known only where the real data are prepared; "
            f"run `voxelbench prepare {dataset}` and add the leaderboard there."
        )
    return {case_id: case_id for case_id in ids}
