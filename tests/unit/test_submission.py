"""A leaderboard from somebody else: an honest one is kept with the same bytes, and every way of cheating is refused."""

from functools import cache
from pathlib import Path

import pytest

from voxelbench import paths, registry
from voxelbench.data.manifest import Row, write_manifest
from voxelbench.data.splits import part_of
from voxelbench.leaderboard.cases import SubmittedCase, cases_text
from voxelbench.leaderboard.file import leaderboard_text, read_leaderboard
from voxelbench.leaderboard.rescore import rescored
from voxelbench.leaderboard.row import LeaderboardRow
from voxelbench.leaderboard.submit import submit
from voxelbench.leaderboard.validate import problems
from voxelbench.resolve import eval_spec, spec_sha256
from voxelbench.runs import EvalRun, MethodId, PretrainRun

ROOT = Path(__file__).resolve().parents[2]

SETTING = {"method": "s2dc", "variant": "code", "encoder": "swin48v2-legacy", "corpus": "ct_1k", "dataset": "btcv"}
SETTING |= {"task": "segmentation", "metric": "dice", "space": "native", "split": "swin_unetr_24_6", "data": "real"}
SETTING |= {"protocol": "finetune", "selection": "harness", "budget": "full", "fraction": 1.0}
DICE = {"img0035": 0.91, "img0036": 0.88, "img0037": 0.86, "img0038": 0.84, "img0039": 0.79, "img0040": 0.52}
HARD = "img0040"


def case(case_id, value, seed=0, **changes):
    facts = SETTING | {"fold": 0, "seed": seed, "case_id": case_id, "patient_id": case_id, "value": value}
    return SubmittedCase.model_validate(facts | changes)


def honest_cases():
    return [case(case_id, value + 0.01 * seed, seed) for seed in (0, 1) for case_id, value in DICE.items()]


def honest_row(cases, **changes):
    """Return what the cases give, with the identities of the runs that budget full asks for."""
    facts = SETTING | {"fold": "0", "source": "example.org/s2dc", "certainty": "measured", "value": 0, **changes}
    row = rescored(LeaderboardRow.model_validate(facts), cases)
    identity = (facts["budget"], facts["corpus"], facts["encoder"], row.method, row.variant)
    specs = " ".join(sorted({spec(*identity, each.seed) for each in cases})) if row.method == "s2dc" else ""
    return row.model_copy(update={"spec_sha256s": specs, "certainty": "measured"})


@cache
def spec(budget, corpus, encoder, method, variant, seed):
    pretrain = PretrainRun(budget, corpus, MethodId(method, variant), encoder, seed)
    return spec_sha256(eval_spec(EvalRun("btcv", "segmentation", 0, pretrain, selection="harness")))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a folder that is a checkout for who reads one, as the working directory; results and data are its own."""
    for name in ("config", "methods", "datasets", "Snakefile"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def send(checkout):
    """Return a function that submits rows and cases, and says where they were kept, or all reasons as one text."""

    def submitted(rows, cases, new_method=None):
        board, values = checkout / "board.csv", checkout / "values.csv"
        board.write_text(leaderboard_text(rows), encoding="utf-8")
        values.write_text(cases_text(cases), encoding="utf-8")
        found = submit(board, values, new_method)
        assert bool(found.path) != bool(found.reasons)
        assert found.path or not paths.submitted_leaderboards().exists()
        return found.path or "\n".join(found.reasons)

    return submitted


def test_an_honest_leaderboard_is_kept_with_its_cases_and_the_same_bytes_in_any_order(send):
    cases = honest_cases()
    path = send([honest_row(cases)], cases)
    kept = path.read_bytes(), paths.submitted_cases(path).read_bytes()
    (row,) = read_leaderboard(path)
    assert (row.certainty, row.n_cases, row.n_patients, row.n_seeds) == ("rescored", 6, 6, 2)
    assert row.value == 80.5 and row.low < row.value < row.high
    assert path.name.startswith("s2dc-") and problems(path) == []
    assert send([honest_row(cases)], cases[::-1]) == path
    assert (path.read_bytes(), paths.submitted_cases(path).read_bytes()) == kept


def test_a_method_without_a_folder_here_has_to_be_named(send):
    cases = [each.model_copy(update={"method": "mine", "variant": ""}) for each in honest_cases()]
    row = honest_row(cases, method="mine", variant="")
    assert "method 'mine' is unknown" in send([row], cases)
    assert send([row], cases, "mine").name.startswith("mine-")


def changed(row, **columns):
    return row.model_copy(update=columns)


def without(cases, *case_ids):
    return [each for each in cases if each.case_id not in case_ids]


CHEATS = {
    "a dropped hard case": (
        lambda cases: without(cases, HARD),
        {},
        "fold 0, seed 1: test case img0040 is missing",
    ),
    "a hard case dropped under one seed": (
        lambda cases: [each for each in cases if (each.case_id, each.seed) != (HARD, 1)],
        {},
        "fold 0, seed 1: test case img0040 is missing",
    ),
    "an easy case of the training part": (
        lambda cases: [*without(cases, HARD), case("img0001", 0.95, 0), case("img0001", 0.95, 1)],
        {},
        "case img0001 is not in the test part",
    ),
    "one case as two patients": (
        lambda cases: [case(each.case_id, each.value, each.seed, patient_id=f"{each.case_id}x") for each in cases],
        {},
        "case img0035 is of patient img0035, not img0035x",
    ),
    "a value that no Dice can have": (
        lambda cases: [each.model_copy(update={"value": 1.5}) if each.case_id == HARD else each for each in cases],
        {"value": 95.0, "low": 90.0, "high": 99.0},
        "case img0040 has dice 1.5, which cannot be",
    ),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_cases_that_are_not_the_test_part_are_refused(send, cheat):
    tamper, columns, said = CHEATS[cheat]
    cases = tamper(honest_cases())
    row = changed(honest_row(cases), **columns)
    assert said in send([row], cases)


def test_a_duplicated_easy_case_is_refused(send):
    cases = honest_cases()
    row = honest_row(cases)
    assert "fold 0, seed 0: case img0035 is there 2 times" in send([row], [*cases, cases[0]])


@pytest.mark.parametrize(
    ("column", "by"),
    [("value", 0.01), ("low", 0.05), ("high", -0.05), ("n_cases", 1), ("n_patients", 1), ("n_seeds", 1)],
)
def test_a_number_that_its_cases_do_not_give_is_refused(send, column, by):
    """Among them a mean that was rounded up, and an interval that was made narrower."""
    row = honest_row(honest_cases())
    assert f"{column} is" in send([changed(row, **{column: getattr(row, column) + by})], honest_cases())


def test_an_interval_left_out_is_refused(send):
    row = changed(honest_row(honest_cases()), low=None, high=None, interval="")
    assert "low is empty, its cases give" in send([row], honest_cases())


def test_another_split_is_refused(send):
    row = honest_row(honest_cases())
    assert "split of btcv 'mine' is unknown" in send([changed(row, split="mine")], honest_cases())
    assert "they say split swin_unetr_24_6, the row voco_json" in send(
        [changed(row, split="voco_json")], honest_cases()
    )


def test_values_that_are_no_numbers_are_refused(send, checkout):
    cases = honest_cases()
    said = send([honest_row(cases)], [*cases[:-1], cases[-1].model_copy(update={"value": float("nan")})])
    assert "column value is 'nan'" in said
    assert "column value is 'nan'" in send([changed(honest_row(cases), value=float("nan"))], cases)


@pytest.mark.parametrize(
    ("column", "wrong", "right"),
    [
        *(("metric", "dise", "dice"), ("dataset", "btvc", "btcv"), ("task", "segment", "segmentation")),
        *(
            ("variant", "cod", "code"),
            ("ablation", "g_p2", "g_p2s"),
            ("budget", "ful", "full"),
            ("corpus", "ct_1", "ct_1k"),
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(send, column, wrong, right):
    row = changed(honest_row(honest_cases()), **{column: wrong})
    said = send([row], honest_cases())
    assert f"'{wrong}' is unknown. Did you mean '{right}'?" in said


def test_a_metric_that_cases_do_not_give_is_refused(send):
    row = changed(honest_row(honest_cases()), metric="auc")
    assert "it is no mean over cases" in send([row], honest_cases())


def test_a_demo_cannot_pass_as_the_full_budget(send):
    """Neither where its cases still say demo, nor where only the identities of its runs do."""
    row = honest_row(honest_cases())
    demo = [each.model_copy(update={"budget": "demo"}) for each in honest_cases()]
    assert "they say budget demo, the row full" in send([row], demo)
    specs = " ".join(sorted(spec("demo", "ct", "swin12-demo", "s2dc", "code", seed) for seed in (0, 1)))
    assert "not those that budget full asks for" in send([changed(row, spec_sha256s=specs)], honest_cases())


def test_synthetic_twins_are_refused(send):
    twins = [each.model_copy(update={"data": "phantom"}) for each in honest_cases()]
    assert "synthetic twins" in send([changed(honest_row(honest_cases()), data="phantom")], twins)


def test_seeds_and_folds_that_no_row_shows_are_refused(send):
    cases = honest_cases()
    more = [*cases, *(each.model_copy(update={"metric": "nsd"}) for each in cases)]
    assert "12 cases are behind no row" in send([honest_row(cases)], more)


def test_two_methods_are_two_submissions(send):
    scratch = [
        each.model_copy(update={"method": "scratch", "variant": "", "corpus": "none"}) for each in honest_cases()
    ]
    rows = [honest_row(honest_cases()), honest_row(scratch, method="scratch", variant="", corpus="none")]
    assert "has 2 methods (s2dc, scratch), expected one" in send(rows, [*honest_cases(), *scratch])


ADNI = {"dataset": "adni", "task": "classification", "metric": "accuracy", "split": "subject_5fold", "space": "grid"}
ADNI |= {"corpus": "pet_udpet_adni", "method": "mine", "variant": ""}


def prepared(checkout, dataset, patients):
    """Write the manifest of prepared real data, two cases a patient."""
    numbers = {"spacing_mm": (1.0,) * 3, "shape": (2,) * 3, "affine": tuple(range(16)), "native_shape": (2,) * 3}
    shared = numbers | {
        "image": "i",
        "label": "",
        "target": 0,
        "modality": "PET",
        "channels": ("pet",),
        "units": ("SUV",),
    }
    shared |= {"native_affine": tuple(range(16)), "native_label": "", "sha256": "0" * 64}
    rows = [Row(case_id=f"{name}-{scan}", patient_id=name, **shared) for name in patients for scan in (0, 1)]
    write_manifest(paths.manifest(paths.prepared(checkout / "data", dataset, "real", "native")), rows)


def test_a_split_by_hash_is_checked_against_the_prepared_data(send, checkout):
    patients = [f"p{number:02}" for number in range(20)]
    card = registry.dataset_card("adni")
    tested = [name for name in patients if part_of(card, "subject_5fold", 0, f"{name}-0", name, {}) == "test"]
    trained = next(name for name in patients if name not in tested)
    assert len(tested) > 1

    def scans(*names):
        return [
            case(f"{name}-{scan}", float((scan + index) % 2), patient_id=name, **ADNI)
            for index, name in enumerate(names)
            for scan in (0, 1)
        ]

    cases = scans(*tested)
    row = honest_row(cases, **ADNI)
    assert "is known only where the real data are prepared" in send([row], cases, "mine")
    prepared(checkout, "adni", patients)
    more = scans(*tested, trained)
    assert f"case {trained}-0 is not in the test part" in send([honest_row(more, **ADNI)], more, "mine")
    fewer = scans(*tested[1:])
    assert f"test case {tested[0]}-1 is missing" in send([honest_row(fewer, **ADNI)], fewer, "mine")
    assert send([row], cases, "mine").is_file()


def test_validation_says_everything_that_is_wrong_each_with_its_line(checkout):
    row = honest_row(honest_cases())
    wrong = [changed(row, method="s2cd"), changed(row, task="segmentatoin", split="x"), row, row]
    board = checkout / "board.csv"
    beyond = leaderboard_text([row]).splitlines()[1].replace("80.50", "180.50")
    board.write_text(f"{leaderboard_text(wrong)}{beyond}\n", encoding="utf-8")
    said = "\n".join(problems(board))
    assert "Did you mean 's2dc'?" in said and "Did you mean 'segmentation'?" in said
    assert "repeats line" in said and "expected low <= value <= high, found" in said
    assert all(sentence.startswith(f"{board}: line ") for sentence in problems(board))
    assert problems(checkout / "none.csv") == [
        f"{checkout / 'none.csv'}: no such file; make it with `voxelbench leaderboard export`."
    ]


def test_the_published_values_have_known_names(checkout):
    assert problems(ROOT / paths.published_leaderboard()) == []
