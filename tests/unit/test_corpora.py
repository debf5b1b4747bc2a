"""Corpora: as large as their sources count, one a modality for all rows of the full budget, gated with a reason."""

import pytest
import yaml

from voxelbench import config, expand, registry, resolve
from voxelbench.cli import main
from voxelbench.errors import ConfigError
from voxelbench.report.scores import run_scores
from voxelbench.runs import NO_CORPUS, EvalRun, MethodId, PretrainRun

# Sums of the lists of S2DC's and VoCo's code (LIDC's is not published), Alice's paper, and SwinMM's code and paper.
COUNTS = {"ct_1k": 746, "ct_1k6": 1589, "ct_10k": 9863, "flare22": 2000, "swinmm_2639": 2639, "swinmm_5833": 5833}


def on(corpus, dataset="msd_lung", budget="full"):
    pretrain = PretrainRun(budget, corpus, MethodId.parse("s2dc"), "swin48v2-legacy", 0)
    return EvalRun(dataset, registry.dataset_card(dataset).tasks[0].name, 0, pretrain)


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_members_add_up_to_what_the_source_counts(checkout, name, count):
    assert sum(member.n or 0 for member in config.read_config().corpora[name].members) == count


def test_no_member_counts_more_than_its_dataset_has(checkout):
    for corpus in config.read_config().corpora.values():
        assert corpus.source
        for member in corpus.members:
            n_cases = registry.dataset_card(member.dataset).n_cases
            assert member.n is None or n_cases is None or member.n <= n_cases


def test_the_counts_of_a_corpus_do_not_move_its_identity(checkout):
    spec = resolve.pretrain_spec(on("ct_1k").pretrain)
    assert [member.n for member in spec.members] == [24, 722]
    assert all("n" not in member for member in yaml.safe_load(resolve.spec_yaml(spec))["members"])


def test_the_full_budget_compares_on_one_corpus_a_modality(checkout):
    used = {
        (registry.dataset_card(column.dataset).modality, run.pretrain.corpus)
        for column, run in expand.table_runs("table1", "full")
        if run.pretrain.corpus != NO_CORPUS
    }
    assert used == {("CT", "ct_1k"), ("MRI", "mri_oasis3"), ("PET", "pet_udpet_adni")}
    assert config.modality_corpus("CT", "demo") == "ct"


def test_a_budget_with_an_unknown_corpus_is_refused(checkout):
    file = checkout / "config" / "budgets" / "full.yaml"
    file.write_text(file.read_text().replace("ct_1k", "ct_1l"))
    with pytest.raises(ConfigError, match=r"full\.yaml: there is no corpus 'ct_1l'\. Did you mean 'ct_1k'"):
        config.modality_corpus("CT", "full")


@pytest.mark.parametrize("name", [name for name in COUNTS if name.startswith("ct_")])
def test_a_corpus_that_is_not_there_is_a_reason_and_no_error(checkout, name):
    reason = expand.gate(on(name))
    assert reason.startswith("gated: btcv needs registration (") and reason.endswith(f" (corpus {name})")
    (checkout / "data" / "raw" / "btcv").mkdir(parents=True)
    assert expand.gate(on(name)).startswith("gated: tcia_covid19 needs manual download (")


def test_a_private_corpus_stays_gated(checkout, capsys):
    reason = "gated: gvsl_cta needs private access (302 volumes of GVSL's authors, who publish none)"
    assert expand.gate(on("gvsl_cta")).startswith(reason)
    assert main(["download", "gvsl_cta", "--raw", "there"]) == 1
    assert "1. There is no way to the data" in capsys.readouterr().err


def test_a_gated_table_is_planned_and_scored_with_its_reasons(checkout):
    (row,) = run_scores("table1", config.table_config("table1").columns[2], on("ct_10k"))
    assert (row["corpus"], row["status"]) == ("ct_10k", "gated") and "btcv needs registration" in row["reason"]
