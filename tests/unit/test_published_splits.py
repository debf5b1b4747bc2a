"""The splits that others published, against their rules and counts."""

import pytest
from sklearn.model_selection import KFold

from voxelbench import registry
from voxelbench.data.splits import listed_parts, part_of

BTCV = [f"img{number:04d}" for number in (*range(1, 11), *range(21, 41))]
# nnU-Net's fold 0 and SwinMM's list, (train, test); cases of each fold of nnU-Net.
COUNTS = {
    "msd_liver": ((104, 27), (95, 36), [27, 26, 26, 26, 26]),
    "msd_lung": ((50, 13), (44, 19), [13, 13, 13, 12, 12]),
    "msd_spleen": ((32, 9), (37, 4), [9, 8, 8, 8, 8]),
}


def folds(name, split):
    return [sorted(parts) for (named, _), parts in sorted(listed_parts(name).items()) if named == split]


def labelled(name):
    return sorted(case_id for fold in folds(name, "nnunet_5fold") for case_id in fold)


def counts(name, split, case_ids):
    card, listed = registry.dataset_card(name), listed_parts(name)
    parts = [part_of(card, split, 0, case_id, case_id, listed) for case_id in case_ids]
    return parts.count("train") + parts.count("val"), parts.count("test"), parts.count("val")


@pytest.mark.parametrize("name", COUNTS)
def test_nnunets_folds_are_those_of_its_rule(name):
    ids = labelled(name)
    assert len(ids) == len(set(ids)) == registry.dataset_card(name).n_cases
    divided = KFold(5, shuffle=True, random_state=12345).split(ids)
    assert folds(name, "nnunet_5fold") == [[ids[index] for index in tested] for _, tested in divided]
    assert [len(fold) for fold in folds(name, "nnunet_5fold")] == COUNTS[name][2]
    assert folds(name, "nnunet_fold0")[0] == folds(name, "nnunet_5fold")[0]


@pytest.mark.parametrize("name", COUNTS)
def test_the_decathlons_splits_are_as_large_as_published(name):
    nnunet, swinmm, _ = COUNTS[name]
    assert (
        counts(name, "nnunet_fold0", labelled(name))[:2] == counts(name, "nnunet_5fold", labelled(name))[:2] == nnunet
    )
    assert counts(name, "swinmm_json", labelled(name)) == (*swinmm, 0)
    assert set(folds(name, "swinmm_json")[0]) < set(labelled(name))


def test_btcv_is_divided_24_to_6():
    tested = [f"img{number:04d}" for number in range(35, 41)]
    for split in ("swin_unetr_24_6", "voco_json"):
        assert counts("btcv", split, BTCV)[:2] == (24, 6)
        parts = listed_parts("btcv")[(split, 0)]
        assert sorted(case_id for case_id, part in parts.items() if part == "test") == tested
    assert counts("btcv", "voco_json", BTCV)[2] == 0


@pytest.mark.parametrize("name", ["btcv", *COUNTS])
def test_our_own_split_selects_on_no_test_case(name):
    ids, card = (BTCV if name == "btcv" else labelled(name)), registry.dataset_card(name)
    parts = {fold: [part_of(card, "harness", fold, case_id, case_id, {}) for case_id in ids] for fold in range(5)}
    assert all(parts[fold].count("val") > 0 for fold in parts)
    assert [sum(parts[fold][index] == "test" for fold in parts) for index in range(len(ids))] == [1] * len(ids)
    assert {fold: len(ids) / 5 * 0.2 < parts[fold].count("test") for fold in parts} == dict.fromkeys(parts, True)


def test_udpets_test_part_is_a_twentieth():
    card = registry.dataset_card("udpet")
    parts = [part_of(card, "film_95_5", 0, str(number), str(number), {}) for number in range(2000)]
    assert set(parts) == {"train", "test"} and 70 <= parts.count("test") <= 130
