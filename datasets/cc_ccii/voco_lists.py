"""VoCo's lists of training and validation scans, which users fetch themselves: they name patients."""

import hashlib
from pathlib import Path

from voxelbench.data.phantom import MARK
from voxelbench.data.splits import Listed, Part
from voxelbench.data.table import read_table
from voxelbench.errors import ChecksumError, DataError

SPLIT = "voco_csv"
# VoCo, Finetune/CC-CCII/csv at commit ba7b7bd.
MD5 = {
    "CC_CCII_fold0_train.csv": "07da03dc902cb822023134e243734417",
    "CC_CCII_fold0_valid.csv": "cffc4cb139f2b5d3b86a3c8d940b1961",
    "CC_CCII_fold1_train.csv": "25f5709bdb927ee55cd15cda116ee94d",
    "CC_CCII_fold1_valid.csv": "31638d5a6049b14f2c453c7860edbdd3",
    "CC_CCII_fold2_train.csv": "d1daa737dc5ac6413f40360c54084f70",
    "CC_CCII_fold2_valid.csv": "b301f8e7aa87a846bf07d2fccd806595",
}
_PARTS: dict[str, Part] = {"train": "train", "valid": "test"}
_N_FOLDS = 3


def read_lists(raw: Path, found: set[str]) -> Listed:
    """Return the parts of the listed scans; VoCo reports on its valid part, so that is our test part.

    Args:
        raw: the native folder; it may hold none of the lists, or the two of a fold.
        found: ids of the scans that are there.

    Raises:
        ChecksumError: for a list that is neither VoCo's nor a twin's.
        DataError: if one of a fold's two lists is missing, or lists a scan that is not there.
    """
    _check_md5([raw / name for name in MD5 if (raw / name).is_file()])
    listed: Listed = {}
    for fold in range(_N_FOLDS):
        files = {part: raw / f"CC_CCII_fold{fold}_{name}.csv" for name, part in _PARTS.items()}
        missing = [path for path in files.values() if not path.is_file()]
        if len(missing) == 1:
            raise DataError(f"{missing[0]}: no such list, though the fold's other one is there; add it or remove both.")
        if not missing:
            listed[SPLIT, fold] = {case_id: part for part, path in files.items() for case_id in _read(path, found)}
    return listed


def _check_md5(lists: list[Path]) -> None:
    contents = {path: path.read_bytes() for path in lists}
    if any(MARK.encode() in content for content in contents.values()):
        return
    for path, content in contents.items():
        md5, expected = hashlib.md5(content, usedforsecurity=False).hexdigest(), MD5[path.name]
        if md5 != expected:
            raise ChecksumError(f"{path}: md5 is {md5}, VoCo's list has {expected}; fetch it again, or remove it.")


def _read(path: Path, found: set[str]) -> list[str]:
    rows = read_table(path, ("patient_id", "scan_id"), DataError)
    case_ids = [f"p{row['patient_id']}-s{row['scan_id']}" for _, row in rows]
    absent = [case_id for case_id in case_ids if case_id not in found]
    if absent:
        raise DataError(
            f"{path}: lists {len(absent)} scans that are not there, the first is {absent[0]}; restore them from their "
            "archives, or remove the lists."
        )
    return case_ids
