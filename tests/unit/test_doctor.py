"""What the doctor says of data: nothing there, half there, the wrong release, all there; and what to do next."""

import os

import pytest
import yaml

from voxelbench import config, paths, registry
from voxelbench.cli import main
from voxelbench.doctor import data

GATED = {
    "access": {
        "kind": "agreement",
        "home": "https://example.org/toy",
        "steps": ["Sign the agreement.", "Download toy.zip and unpack it."],
        "tree": "images/case_01.nii.gz ...\nlabels/case_01.nii.gz ...",
    },
    "layout": [
        {"pattern": "**/images/*.nii.gz", "what": "volumes", "n": 4},
        {"pattern": "**/labels/*.nii.gz", "what": "label maps", "n": 4},
        {"pattern": "**/folds.json", "what": "list of folds"},
    ],
}


@pytest.fixture
def raw(checkout):
    """Add a gated and an open dataset to a checkout, and a corpus of both; return where the gated one belongs."""
    card = yaml.safe_load((checkout / "datasets" / "btcv" / "card.yaml").read_text(encoding="utf-8"))
    card |= {"title": "Toy volumes", "version": 2} | GATED
    _write(checkout / "datasets" / "toy" / "card.yaml", yaml.safe_dump(card | {"name": "toy"}))
    is_open = {"name": "free", "access": GATED["access"] | {"kind": "open"}}
    _write(checkout / "datasets" / "free" / "card.yaml", yaml.safe_dump(card | is_open))
    file = checkout / "config" / "config.yaml"
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    members = [{"dataset": name, "channel": "ct"} for name in ("toy", "free")]
    settings["corpora"]["toys"] = next(iter(settings["corpora"].values())) | {"members": members}
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    config.read_config.cache_clear()
    return paths.raw(config.read_config().data_root, "toy", "real")


def _write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def put(raw, n_images, n_labels, folds=True):
    for folder, n in (("images", n_images), ("labels", n_labels)):
        for number in range(n):
            _write(raw / "toy" / folder / f"case_{number:02d}.nii.gz")
            _write(raw / "toy" / folder / f"._case_{number:02d}.nii.gz")  # macOS
    if folds:
        _write(raw / "folds.json")


@pytest.fixture
def said(capsys):
    """Return a function that runs the doctor and returns its exit status and what it prints, line by line."""

    def run(*names):
        status = main(["doctor", *names])
        return status, capsys.readouterr().out.splitlines()

    return run


def line(name):
    """Return the line of one dataset in the overview."""
    return str(data.dataset(name, config.read_config().data_root))


STEPS = """\
next: toy needs agreement (https://example.org/toy):
  1. Sign the agreement.
  2. Download toy.zip and unpack it.
Expected under data/raw/toy:
  images/case_01.nii.gz ...
  labels/case_01.nii.gz ...
Then `voxelbench doctor toy` says what is still missing."""


def test_nothing_there(raw, said):
    status, lines = said("toy")
    assert status == 1
    assert (
        "\n".join(lines)
        == f"""\
toy: Toy volumes
in  data/raw/toy
--  0 of 4 volumes: **/images/*.nii.gz
--  0 of 4 label maps: **/labels/*.nii.gz
--  0 list of folds: **/folds.json
{STEPS}"""
    )
    assert line("toy") == "--  toy: nothing there; real data need agreement (https://example.org/toy)"
    assert line("free") == "ok  free: open, fetched on demand"


def test_half_there(raw, said):
    put(raw, 4, 2, folds=False)
    status, lines = said("toy")
    assert status == 1
    assert (
        "\n".join(lines)
        == f"""\
toy: Toy volumes
in  data/raw/toy
ok  4 of 4 volumes: **/images/*.nii.gz
--  2 of 4 label maps: **/labels/*.nii.gz
--  0 list of folds: **/folds.json
{STEPS}"""
    )
    assert line("toy") == "--  toy: incomplete, 2 of 4 label maps, 0 list of folds"


def test_wrong_version(raw, said):
    """More volumes than the release has, and label maps under the names of another one."""
    put(raw, 6, 0)
    for number in range(5):
        _write(raw / "toy" / "masks" / f"mask_{number}.nii.gz")
    status, lines = said("toy")
    assert status == 1
    assert (
        "\n".join(lines)
        == f"""\
toy: Toy volumes
in  data/raw/toy
--  6 of 4 volumes: **/images/*.nii.gz
--  0 of 4 label maps: **/labels/*.nii.gz
ok  1 list of folds: **/folds.json
--  wrong: 6 of 4 volumes: another release, or two
--  wrong: toy/masks/mask_0.nii.gz, toy/masks/mask_1.nii.gz, toy/masks/mask_2.nii.gz and 2 more: \
not the names of the expected release
{STEPS}"""
    )
    assert line("toy") == "--  toy: 6 of 4 volumes: another release, or two (and 1 more)"


def test_all_there(raw, said):
    put(raw, 4, 4)
    status, lines = said("toy")
    assert status == 0
    assert (
        "\n".join(lines)
        == """\
toy: Toy volumes
in  data/raw/toy
ok  4 of 4 volumes: **/images/*.nii.gz
ok  4 of 4 label maps: **/labels/*.nii.gz
ok  1 list of folds: **/folds.json
next: voxelbench prepare toy --raw data/raw/toy --out data/prepared/toy/real-native"""
    )
    assert line("toy") == "ok  toy: complete, 4 of 4 volumes, 4 of 4 label maps, 1 list of folds"
    assert said("toys")[1][0] == "ok  corpus toys: 2 of 2 datasets"


def test_a_stopped_download_is_named_and_goes_on(raw, said):
    free = raw.with_name("free")
    _write(free / "archives" / "free.tar.partial", "half")
    put(free / "free.partial", 4, 4)
    status, lines = said("free")
    assert status == 1
    assert lines[2:] == [
        "--  0 of 4 volumes: **/images/*.nii.gz",
        "--  0 of 4 label maps: **/labels/*.nii.gz",
        "--  0 list of folds: **/folds.json",
        "--  wrong: archives/free.tar.partial did not come to its end",
        "--  wrong: free.partial did not come to its end",
        "next: voxelbench download free --raw data/raw/free",
    ]


def test_an_archive_that_was_not_unpacked_is_named(raw, said):
    _write(raw / "toy.zip", "PK")
    _, lines = said("toy")
    assert lines[-2:] == ["--  wrong: toy.zip: not unpacked", "next: unpack the archives where they lie"]
    put(raw, 4, 4)
    assert "not unpacked" not in "\n".join(said("toy")[1])


def test_a_folder_that_cannot_be_read_is_named(raw, said, monkeypatch):
    put(raw, 4, 4)
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("labels"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    _, lines = said("toy")
    assert "--  wrong: data/raw/toy/toy/labels cannot be read; check its permissions" in lines
    assert lines[-1] == "next: chmod -R u+rX data/raw/toy"


def test_a_file_in_the_place_of_the_folder_is_named(raw, said):
    _write(raw)
    assert "--  wrong: data/raw/toy is a file, expected a folder" in said("toy")[1]


def test_a_twin_in_the_place_of_the_real_data_is_named(checkout, said):
    assert main(["phantom", "btcv", "--out", "data/raw/btcv"]) == 0
    assert "--  wrong: the synthetic twin lies where the real data belong; remove it" in said("btcv")[1]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"journal.jsonl": ""}, "did not come to its end"),
        ({"refused.csv": ""}, "has refused cases, see data/prepared/toy/real-1.5mm/refused.csv"),
        ({"manifest.csv": ""}, "was prepared by an older voxelbench"),
        (
            {"manifest.csv": "", "sources.jsonl": '{"case_id": "a", "card": 1}\n'},
            "was prepared for version 1 of the card, now 2",
        ),
    ],
)
def test_a_preparation_that_has_to_be_done_again_is_named(raw, said, files, problem):
    put(raw, 4, 4)
    for name, text in files.items():
        _write(config.read_config().data_root / "prepared" / "toy" / "real-1.5mm" / name, text)
    status, lines = said("toy")
    assert status == 1
    assert lines[-2:] == [
        f"--  prepared, 1.5mm: {problem}",
        "next: voxelbench prepare toy --raw data/raw/toy --out data/prepared/toy/real-1.5mm --grid 1.5",
    ]


def test_a_preparation_of_this_version_is_all(raw, said):
    put(raw, 4, 4)
    folder = config.read_config().data_root / "prepared" / "toy" / "real-native"
    _write(folder / "manifest.csv")
    _write(folder / "sources.jsonl", '{"case_id": "a", "card": 2}\n')
    status, lines = said("toy")
    assert status == 0
    assert lines[-2:] == ["ok  prepared, native: all", "next: nothing; all is there"]


def test_a_corpus_is_told_with_its_datasets(raw, said):
    status, lines = said("toys")
    assert status == 1
    assert lines == [
        "--  corpus toys: 1 of 2 datasets; see toy",
        "--  toy: nothing there; real data need agreement (https://example.org/toy)",
        "ok  free: open, fetched on demand",
    ]


def test_on_a_terminal_it_is_a_table(raw, said, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    _, lines = said("toys")
    assert [line.split()[1:4] for line in lines] == [
        ["corpus", "toys", "1"],
        ["toy", "nothing", "there;"],
        ["free", "open,", "fetched"],
    ]
    assert "\x1b[31m--\x1b[0m" in lines[0] and "\x1b[32mok\x1b[0m" in lines[2]


def test_a_name_that_is_none_is_one_sentence(raw, capsys):
    assert main(["doctor", "toi"]) == 1
    assert capsys.readouterr().err == "voxelbench: There is no dataset or corpus 'toi'. Did you mean 'toy'?\n"


@pytest.mark.parametrize("name", registry.names("datasets"))
def test_of_every_dataset_there_is_something_to_do_next(checkout, said, name):
    _, lines = said(name)
    (next_step,) = [line for line in lines if line.startswith("next: ")]
    card = registry.dataset_card(name)
    assert len([line for line in lines if line.startswith("-- ")]) == len(card.layout)
    if card.access.kind == "open":
        assert next_step == f"next: voxelbench download {name} --raw data/raw/{name}"
    else:
        assert card.access.home in next_step and f"  1. {card.access.steps[0]}" in lines


def test_download_ends_with_a_summary_and_the_next_command(raw, capsys):
    put(raw, 4, 3)
    assert main(["download", "toy"]) == 0
    assert capsys.readouterr().err == (
        "toy: incomplete, 3 of 4 label maps; next: toy needs agreement (https://example.org/toy):\n"
    )
    put(raw, 4, 4)
    assert main(["download", "toy", "--raw", str(raw)]) == 0
    assert capsys.readouterr().err == (
        "toy: complete, 4 of 4 volumes, 4 of 4 label maps, 1 list of folds; "
        "next: voxelbench prepare toy --raw data/raw/toy --out data/prepared/toy/real-native\n"
    )


def test_a_gated_dataset_without_one_file_of_its_layout_is_not_there(raw, capsys):
    _write(raw / "toy.zip", "PK")
    assert main(["download", "toy"]) == 1
    assert "  1. Sign the agreement.\n  2. Download toy.zip and unpack it.\n" in capsys.readouterr().err
    assert not (raw / "SOURCE.txt").exists()


@pytest.mark.parametrize("name", ["archives/free.tar.partial", "free.partial/a.nii.gz"])
def test_nothing_is_prepared_from_half_a_download(raw, capsys, name):
    _write(raw / name)
    assert main(["prepare", "btcv", "--raw", str(raw), "--out", "out"]) == 1
    assert "did not come to its end; run the download again, or remove it." in capsys.readouterr().err
