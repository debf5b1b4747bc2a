"""Publishing: a crate that an independent judge passes, equal bytes, nothing that a card forbids; else all reasons."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml
from requests import Request
from requests_cache import CachedResponse
from rocrate import rocrate
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester

from voxelbench import __version__, code_version, config, expand, paths
from voxelbench.atomic import write_text
from voxelbench.cli import main
from voxelbench.code_version import CodeVersion
from voxelbench.contamination.record import CaseVerdict, Report, write_report
from voxelbench.errors import PublicationRefused
from voxelbench.evaluate.rows import Row, write_rows
from voxelbench.publish.contents import contents
from voxelbench.publish.crate import publish
from voxelbench.publish.evidence import gather
from voxelbench.publish.refusals import refusals
from voxelbench.publish.withheld import withhold
from voxelbench.report.compare import write_comparisons
from voxelbench.report.scores import write_scores
from voxelbench.report.tables import write_table
from voxelbench.resolve import eval_spec, pretrain_spec, spec_yaml

ROOT = Path(__file__).resolve().parents[2]
TREE = CodeVersion("a" * 40, 0)
COMMITTED = {"GIT_AUTHOR_DATE": "2026-01-02T03:04:05+00:00", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+00:00"}
COMMITTED |= {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a clone whose full budget has one table: CT, a private dataset, and one that is gated; three seeds."""
    root = tmp_path_factory.mktemp("finished")
    for name in ("config", "methods", "datasets", "workflow/schemas"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "results").mkdir()
    for name in ("Snakefile", paths.CITATION, paths.CONSTRAINTS, paths.LICENCE, paths.DICTIONARY):
        shutil.copy(ROOT / name, root / name)
    columns = [("btcv", "segmentation"), ("adni", "classification"), ("udpet", "reconstruction")]
    three = {
        "title": "Three",
        "methods": ["scratch", "s2dc.code"],
        "columns": [{"name": name, "dataset": name, "task": task} for name, task in columns],
    }
    one = three | {"title": "One", "methods": ["s2dc.code"], "columns": three["columns"][:1]}
    file = root / "config" / "config.yaml"
    tables = {"three": three, "one": one}
    settings = {"budget": "full", "seeds": [0, 1, 2], "methods": ["scratch"], "tables": tables}
    settings |= {"site": {"tables": ["one"]}, "leaderboard": ["one"], "figures": {}, "analyses": {}}
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | settings))
    budget = root / "config" / "budgets" / "full.yaml"
    budget.write_text(yaml.safe_dump(yaml.safe_load(budget.read_text()) | {"leaderboard": ["one"]}))
    for name in ("budgets/demo.yaml", "budgets/learn.yaml", "README.md"):  # the judge takes its time for every file
        (root / "config" / name).unlink()
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    with pytest.MonkeyPatch.context() as patch:
        stand_in(patch, root)
        make_results(git(root, "rev-parse", "HEAD").strip())
    yield root
    forget()


def git(root, *words):
    return subprocess.run(
        ["git", "-C", root, *words], env=os.environ | COMMITTED, check=True, capture_output=True, text=True
    ).stdout


def stand_in(patch, root):
    """Make `root` the working directory, and forget what was read of another checkout."""
    patch.chdir(root)
    patch.delenv("VOXELBENCH_PLUGINS", raising=False)
    forget()


def forget():
    for reader in (config.read_config, config.read_budget, config.read_encoder, code_version.code_version):
        reader.cache_clear()


def make_results(commit):
    """Write what three seeds of two methods leave on two datasets, and the tables of it."""
    runs = [run for _, run in expand.table_runs("three", "full") if run.dataset != "udpet"]
    for run in runs:
        gain = 0.1 * bool(run.pretrain.weights())
        leave(run.folder(), eval_spec(run), commit)
        write_rows(run.folder() / paths.CASES, case_rows(run.dataset, 0.5 + gain + 0.01 * run.pretrain.seed))
        if matched := run.contamination():
            leave(run.pretrain.folder(), pretrain_spec(run.pretrain), commit)
            write_text(run.pretrain.folder() / paths.BACKBONE, "weights")
            cases = tuple(
                CaseVerdict(f"{run.dataset}{number}", "clean", "adni/x" * (number == 0)) for number in range(4)
            )
            write_report(matched, Report("full", run.pretrain.corpus, run.dataset, run.task, run.fold, 9, cases))
    for table in ("three", "one"):
        write_scores(table, "full")
        write_comparisons(table, "full")
        write_table(table, "full", allow_missing=False)


def leave(folder, spec, commit):
    record = {
        "voxelbench": "0.1.0",
        "code": {"commit": commit, "n_changed": 0},
        "finished": f"2026-01-02T00:00:0{spec.seed}Z",
    }
    write_text(folder / paths.SPEC, spec_yaml(spec))
    write_text(folder / paths.RUN, json.dumps(record))
    write_text(folder / paths.LOSSES, "step,total\n1,0.5\n")


def case_rows(dataset, value):
    for number in range(4):
        case, patient = f"{dataset}{number}", f"p{number}"
        if dataset == "adni":
            for name, share, truth in (("CN", value, 1.0), ("AD", 1 - value, 0.0)):
                yield Row(case, patient, name, "probability", share, 1, "grid")
                yield Row(case, patient, name, "is_true", truth if number % 2 else 1 - truth, 1, "grid")
        else:
            yield Row(case, patient, "spleen", "dice", value + 0.02 * number, 9, "native")


@pytest.fixture
def clone(finished, monkeypatch):
    """Stand in the finished clone, which a test must leave as it was."""
    stand_in(monkeypatch, finished)
    return finished


@pytest.fixture
def results(finished, tmp_path, monkeypatch):
    """Stand where the results may be broken: a copy of them, beside the clone's config."""
    shutil.copytree(finished / "results", tmp_path / "results")
    for name in ("config", "methods", "datasets", "workflow", "Snakefile"):
        (tmp_path / name).symlink_to(finished / name)
    stand_in(monkeypatch, tmp_path)
    return tmp_path / "results" / "full"


def crate(folder):
    """Return the entities of a crate by id."""
    graph = json.loads((folder / paths.CRATE_METADATA).read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def offline(tmp_path):
    """Return the place of a cache that holds the context of RO-Crate, which its library brings: no network is asked."""
    cache = tmp_path / "cache"
    context = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()
    address = json.loads(context)["@id"]
    requester = HttpRequester.initialize_cache(cache_path=str(cache), cache_max_age=-1)
    kept = requester.session.cache
    response = CachedResponse(url=address, status_code=200, content=context)
    response.headers["Content-Type"] = "application/ld+json"
    kept.save_response(response, kept.create_key(Request("GET", address).prepare()))
    return cache


def test_an_independent_judge_passes_the_crate(clone, tmp_path, offline):
    publish(tmp_path / "crate", "full", ("one",))
    asked = services.ValidationSettings(
        rocrate_uri=str(tmp_path / "crate"),
        requirement_severity=models.Severity.REQUIRED,
        offline=True,
        cache_path=offline,
    )
    issues = services.validate(asked).get_issues()
    assert [
        f"{issue.severity} {issue.check.identifier} {issue.message} {issue.violatingEntity}" for issue in issues
    ] == []


def test_a_crate_describes_every_file_with_its_size_and_checksum(clone, tmp_path):
    publish(tmp_path / "crate", "full", ("three",))
    entities, files = crate(tmp_path / "crate"), files_of(tmp_path / "crate")
    del files[paths.CRATE_METADATA]
    assert sorted(files) == sorted(part["@id"] for part in entities["./"]["hasPart"])
    for place, held in files.items():
        entity = entities[place]
        assert entity["contentSize"] == str(len(held)) and entity["sha256"] == hashlib.sha256(held).hexdigest()
        assert entity["description"] and entity["encodingFormat"]
    lines = files[paths.CRATE_CHECKSUMS].decode().splitlines()
    assert len(lines) == len(files) - 1 and f"{entities['LICENSE']['sha256']}  LICENSE" in lines


def test_a_crate_holds_the_tables_and_every_run_behind_them_without_weights(clone, tmp_path):
    publish(tmp_path / "crate", "full", ("three",))
    files = files_of(tmp_path / "crate")
    evidence = gather("full", ("three",))
    assert len(evidence.evaluations()) == 12 and len(evidence.pretrainings()) == 6
    expected = {paths.table("full", "three"), paths.scores("full", "three"), paths.case_scores("full", "three")}
    for run in evidence.runs.values():
        expected |= {run.folder() / name for name in (paths.RUN, paths.SPEC, paths.LOSSES)}
    assert {path.as_posix() for path in expected} <= set(files)
    assert {"config/config.yaml", "constraints.txt", "methods/s2dc/card.yaml", "results/README.md"} <= set(files)
    assert not [name for name in files if name.endswith((".safetensors", "table1.csv")) or "backbone" in name]
    publish(tmp_path / "crate", "full", ("three",), weights=True)
    assert len([name for name in files_of(tmp_path / "crate") if name.endswith(paths.BACKBONE)]) == 6


def test_a_crate_says_who_made_what_with_which_code_and_of_which_data(clone, tmp_path):
    publish(tmp_path / "crate", "full", ("three",))
    entities = crate(tmp_path / "crate")
    commit = git(clone, "rev-parse", "HEAD").strip()
    root, runs = entities["./"], entities["#runs"]
    assert root["datePublished"] == "2026-01-02T03:04:05+00:00"
    assert root["license"] == {"@id": "https://spdx.org/licenses/Apache-2.0"}
    assert entities[root["author"]["@id"]]["name"] == "The voxelbench authors"
    assert runs["instrument"] == {"@id": f"#voxelbench-{commit[:12]}"}
    assert entities[runs["instrument"]["@id"]]["version"] == f"0.1.0+{commit}"
    assert (runs["startTime"], runs["endTime"]) == ("2026-01-02T00:00:00Z", "2026-01-02T00:00:02Z")
    assert len(runs["result"]) == 18 and entities["#publish"]["object"] == {"@id": "#runs"}
    assert entities["#publish"]["name"] == "voxelbench publish --budget full --table three --out FOLDER"
    paper = entities[entities["#method-s2dc"]["citation"]["@id"]]
    assert paper["@type"] == "ScholarlyArticle" and "Tan Pan" in paper["creditText"]
    data = entities["#dataset-oasis3"] if "#dataset-oasis3" in entities else entities["#dataset-btcv"]
    assert data["url"] and data["citation"] and entities[data["license"]["@id"]]["name"]
    assert {"#dataset-btcv", "#dataset-adni", "#dataset-tcia_covid19"} <= set(entities)


def test_the_same_results_are_the_same_bytes(clone, tmp_path):
    publish(tmp_path / "first", "full", ("one",))
    publish(tmp_path / "second", "full", ("one",))
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")


def test_subjects_that_may_not_be_listed_are_not_in_the_crate(clone, tmp_path):
    publish(tmp_path / "crate", "full", ())
    files = files_of(tmp_path / "crate")
    assert not [name for name, held in files.items() if b"adni0" in held or b"adni/x" in held]
    assert not [name for name in files if "adni-classification" in name and name.endswith(paths.CASES)]
    cases = files["results/full/cases_three.csv"].decode().splitlines()
    assert len(cases) == 1 + 4 * 6 and all(",btcv," in line for line in cases[1:])
    record = json.loads(files["results/full/contamination/pet_udpet_adni/adni-classification-fold0.json"])
    assert record["cases"] == [] and record["n_withheld"] == 4
    page = files[paths.CRATE_README].decode()
    assert "- `results/full/cases_three.csv`: without the subjects of adni, which may not be listed" in page
    assert "adni" in files["results/full/three.csv"].decode()  # means over subjects name none


def test_pictures_of_cases_that_may_not_be_passed_on_are_left_out(results):
    for name, numbers in (("three", "dataset,value\nbtcv,1\n"), ("one", "dataset,case_id\nbtcv,img0061\n")):
        for suffix, text in ((".png", "picture"), (".svg", "picture"), (".csv", numbers)):
            write_text(paths.figure("full", name, suffix), text)
    kept, said = withhold(contents(gather("full", ()), weights=False), gather("full", ()))
    figures = [item.place for item in kept if paths.FIGURES in item.place]
    assert figures == [f"results/full/figures/three.{suffix}" for suffix in ("csv", "png", "svg")]
    why = "not here, it shows cases of btcv, which may not be passed on"
    assert {said[f"results/full/figures/one.{suffix}"] for suffix in ("csv", "png", "svg")} == {why}


@pytest.mark.parametrize("budget", ["full", "demo"])
def test_our_leaderboard_is_in_the_crate_of_its_own_budget(results, budget):
    write_text(paths.own_leaderboard(__version__), f"method,budget\ns2dc,{budget}\n")
    places = [item.place for item in contents(gather("full", ("one",)), weights=False)]
    assert (paths.own_leaderboard(__version__).as_posix() in places) == (budget == "full")


def test_cells_without_a_value_are_listed_with_their_reason(clone, tmp_path):
    publish(tmp_path / "crate", "full", ("three",))
    page = (tmp_path / "crate" / paths.CRATE_README).read_text()
    assert "- three, udpet, s2dc.code, scratch: gated: udpet needs " in page


def test_a_crate_of_ours_is_replaced_and_nothing_else_is(clone, tmp_path):
    out = tmp_path / "crate"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(PublicationRefused, match="holds no crate of voxelbench; name another folder"):
        publish(out, "full", ("one",))
    assert files_of(out) == {"thesis.txt": b"mine"}
    (out / "thesis.txt").unlink()
    publish(out, "full", ("one",))
    publish(out, "full", ("three",))
    assert "results/full/three.csv" in files_of(out) and [path.name for path in tmp_path.iterdir()] == ["crate"]


def test_a_crate_that_cannot_be_finished_leaves_the_former_one(clone, tmp_path, monkeypatch):
    publish(tmp_path / "crate", "full", ("one",))
    before = files_of(tmp_path / "crate")
    monkeypatch.setattr("voxelbench.publish.crate.write_metadata", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish(tmp_path / "crate", "full", ("three",))
    assert files_of(tmp_path / "crate") == before and [path.name for path in tmp_path.iterdir()] == ["crate"]


def test_a_changed_tree_is_refused_in_a_sentence_at_the_command_line(clone, tmp_path, capsys):
    changed = clone / "src" / "new.py"
    changed.parent.mkdir()
    changed.write_text("")
    try:
        assert main(["publish", "--out", str(tmp_path / "crate"), "--budget", "full"]) == 1
    finally:
        shutil.rmtree(changed.parent)
    commit = git(clone, "rev-parse", "HEAD")[:12]
    assert capsys.readouterr().err == (
        f"voxelbench: not published:\n- commit {commit} is not what is here, "
        "1 changed in src, methods, datasets, config; commit or undo it.\n"
    )
    assert not (tmp_path / "crate").exists()


# Every reason by itself; a results folder that nothing was done to has none.


def reasons(budget="full", tree=TREE, several_commits=""):
    return refusals(gather(budget, ("three",)), tree, several_commits)


def some_run(results, protocol="evaluate"):
    return min(results.joinpath(protocol).rglob(paths.RUN)).parent


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_scores(results, edit):
    """Write what `edit` makes of the scores of the table."""
    path = results / "scores_three.csv"
    edit(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False, lineterminator="\n")


def without_scores(results, status, reason):
    """Leave one run without scores."""

    def edit(rows):
        is_run = (rows["column"] == "btcv") & (rows["method"] == "scratch") & (rows["seed"] == "0")
        empty = ["metric", "value", "low", "high", "n_cases", "space", "value_clean", "n_clean"]
        only = rows[is_run].head(1).assign(**dict.fromkeys(empty, ""), status=status, reason=reason)
        return pd.concat([rows[~is_run], only])

    edit_scores(results, edit)


def unmatched(results):
    """Leave the runs of one pretraining unmatched."""

    def edit(rows):
        said = {"contamination": "unknown: not matched yet", "value_clean": "", "n_clean": ""}
        is_run = (rows["column"] == "btcv") & (rows["method"] == "s2dc")
        return pd.concat([rows[~is_run], rows[is_run].assign(**said)])

    edit_scores(results, edit)


def test_nothing_speaks_against_finished_results(results):
    assert reasons() == []


def test_no_commit_is_refused(results):
    assert reasons(tree=CodeVersion(None, None)) == ["git knows no commit of this checkout; publish from a clone."]


def test_phantoms_are_refused(results):
    edit_scores(results, lambda rows: rows.assign(data=rows["data"].where(rows["column"] != "btcv", "phantom")))
    (said,) = reasons()
    assert said.startswith("three: 6 runs, the first results/full/evaluate/btcv-") and "on synthetic data" in said


def test_a_demo_is_refused(clone, tmp_path, monkeypatch):
    budget = config.read_budget("full").model_copy(update={"data": "phantom"})
    monkeypatch.setattr("voxelbench.publish.refusals.read_budget", lambda name: budget)
    assert reasons()[0] == ("budget full runs on synthetic twins and ranks no method; publish a budget on real data.")


def test_fewer_than_three_seeds_are_refused(results):
    edit_scores(results, lambda rows: rows[rows["seed"] != "2"])
    lacking, few = reasons()
    assert "asked for by the config and not in its scores; make it again." in lacking
    assert few.startswith("three: its seeds are 0, 1, and 3 are the fewest; add to `seeds` of ")


def test_a_run_that_was_not_run_is_refused_and_a_failed_or_gated_one_is_not(results):
    without_scores(results, "missing", "not run")
    (said,) = reasons()
    assert said.startswith("three: results/full/evaluate/btcv-segmentation/") and "/scratch/" in said
    assert said.endswith("/seed0-fold0 is missing; run what is missing, or take its row or column out.")
    for status in ("failed", "gated"):
        without_scores(results, status, "total loss is nan")
        assert reasons() == []


def test_an_unknown_overlap_is_refused(results):
    unmatched(results)
    (said,) = reasons()
    assert said.startswith("three: 3 runs, the first results/full/evaluate/btcv-segmentation/")
    assert said.endswith(" are not matched with its corpus (unknown: not matched yet); see docs/contamination.md.")


@pytest.mark.parametrize("left", [paths.CHECKPOINT, paths.FAILED, f"{paths.CASES}.partial"])
def test_an_unfinished_run_is_refused(results, left):
    (some_run(results) / left).write_text("")
    (said,) = reasons()
    assert said.endswith(f"/{left} tells of a run that is not finished; let it finish, or delete it.")


def test_a_missing_file_is_refused(results):
    (some_run(results) / paths.LOSSES).unlink()
    (results / "three.csv").unlink()
    table, run = reasons()
    assert table == "three: results/full/three.csv is missing; make the table again."
    assert run.endswith("/losses.csv is missing; run it again.")


def test_runs_of_another_spec_than_the_scores_and_the_weights_are_refused(results):
    for protocol in ("evaluate", "pretrain"):
        spec = some_run(results, protocol) / paths.SPEC
        spec.write_text(spec.read_text() + "# edited\n")
    evaluated, pretrained = reasons()
    assert evaluated.endswith(" is of another spec than its scores; make the table again.")
    assert pretrained.endswith(" is of another spec than the evaluations of its weights; run these again.")


def test_runs_of_unknown_or_changed_code_are_refused(results):
    rewrite(some_run(results) / paths.RUN, code={"commit": None, "n_changed": None})
    rewrite(some_run(results, "pretrain") / paths.RUN, code={"commit": "b" * 40, "n_changed": 2})
    unknown, changed, several = reasons()
    assert unknown.endswith(" is of no known commit; run it in a clone.")
    assert changed.endswith(" is of code that no commit holds (`code` in run.json); commit it, run again.")
    assert "runs were made by 2 commits" in several


def test_runs_of_several_commits_are_refused_unless_it_is_said_why_they_agree(results):
    rewrite(some_run(results) / paths.RUN, code={"commit": "b" * 40, "n_changed": 0})
    (said,) = reasons()
    assert said.startswith("runs were made by 2 commits, ") and "1 by bbbbbbbbbbbb" in said
    assert reasons(several_commits="only words of a page differ") == []


def test_all_reasons_are_said_at_once(results):
    without_scores(results, "missing", "not run")
    unmatched(results)
    assert len(reasons(tree=CodeVersion("a" * 40, 3))) == 3
