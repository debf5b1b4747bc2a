"""Every wrong name in a config file is one sentence that says the file, the value, and the nearest known name."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from voxelbench import config, expand, resolve
from voxelbench.errors import ConfigError
from voxelbench.runs import NO_CORPUS, EvalRun, MethodId, PretrainRun


def edit(path, change):
    """Load a YAML file, let `change` alter it in place, and write it back."""
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))


def refused(work):
    with pytest.raises(ConfigError) as caught:
        work()
    return str(caught.value)


def first_column(content):
    return content["tables"]["table1"]["columns"][0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.update(budgett="demo"), "{config}: unknown key 'budgett'. Did you mean 'budget'?"),
        (lambda c: c.pop("seeds"), "{config}: key 'seeds' is missing."),
        (lambda c: c.update(budget="dem"), "There is no budget 'dem' in {root}/config/budgets. Did you mean 'demo'?"),
        (
            lambda c: c.update(methods=["scratsh"]),
            "There is no folder methods/scratsh with a card.yaml. Did you mean 'scratch'?",
        ),
        (
            lambda c: c.update(methods=["s2dc.kode"]),
            "{root}/methods/s2dc/config.yaml: there is no variant 'kode'. Did you mean 'code'?",
        ),
        (
            lambda c: c.update(methods=["scratch.shufled"]),
            "{root}/methods/scratch/config.yaml: there is no variant 'shufled'. Did you mean 'shuffled'?",
        ),
        (
            lambda c: c.update(methods=["s2dc.code.g.h"]),
            "method 's2dc.code.g.h': expected name, name.variant or name.variant.ablation.",
        ),
        (
            lambda c: first_column(c).update(dataset="btvc"),
            "There is no folder datasets/btvc with a card.yaml. Did you mean 'btcv'?",
        ),
        (
            lambda c: first_column(c).update(task="segmentatoin"),
            "btcv has no task 'segmentatoin'. Did you mean 'segmentation'?",
        ),
        (lambda c: first_column(c).update(corpus="ctt"), "{config}: there is no corpus 'ctt'. Did you mean 'ct'?"),
        (lambda c: c["corpus_for"].update(CT="ctt"), "{config}: there is no corpus 'ctt'. Did you mean 'ct'?"),
        (
            lambda c: c["corpora"]["ct"].update(members=[]),
            "{config}: corpus 'ct' is empty; name at least one dataset and channel in `members`.",
        ),
        (
            lambda c: c["corpora"]["ct"]["members"][0].update(channel="cct"),
            "{config}: there is no channel of btcv 'cct'. Did you mean 'ct'?",
        ),
    ],
)
def test_a_wrong_name_is_one_sentence(checkout, change, sentence):
    file = checkout / "config" / "config.yaml"
    edit(file, change)
    assert refused(config.read_config) == sentence.format(config=file, root=checkout)


def test_an_unknown_key_of_a_budget_is_named(checkout):
    file = checkout / "config" / "budgets" / "demo.yaml"
    edit(file, lambda c: c["recipes"]["segmentation"].update(setings={}))
    assert refused(config.read_config) == (
        f"{file}: unknown key 'recipes.segmentation.setings'. Did you mean 'settings'?"
    )


@pytest.mark.parametrize("group", ["variants", "budgets"])
def test_an_unknown_setting_of_a_method_is_named_without_importing_it(checkout, group):
    file = checkout / "methods" / "s2dc" / "config.yaml"
    name = "code" if group == "variants" else "demo"
    edit(file, lambda c: c[group].update({name: {"temprature_token": 1.0}}))
    sentence = refused(lambda: resolve.method_settings(MethodId.parse("s2dc"), "demo"))
    assert sentence.startswith(f"{file} with budget demo: unknown key 'temprature_token'. ")


def test_a_recipe_for_a_dataset_that_does_not_exist_is_named(checkout):
    file = checkout / "config" / "recipes" / "segmentation.yaml"
    edit(file, lambda c: c["datasets"].update(btvc={"steps": 3}))
    task = config.task_card("btcv", "segmentation")
    assert refused(lambda: resolve.recipe("btcv", task, "demo")) == (
        f"{file}: key 'datasets.btvc' names no dataset. Did you mean 'btcv'?"
    )


def test_an_unknown_key_of_a_recipe_names_file_budget_and_dataset(checkout):
    file = checkout / "config" / "recipes" / "segmentation.yaml"
    edit(file, lambda c: c["settings"].update(overlapp=0.5))
    task = config.task_card("btcv", "segmentation")
    assert refused(lambda: resolve.recipe("btcv", task, "demo")) == (
        f"{file} with budget demo, btcv: unknown key 'overlapp'. Did you mean 'overlap'?"
    )


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (lambda: config.read_encoder("swin12demo"), "There is no encoder 'swin12demo' in {root}/config/encoders."),
        (lambda: config.table_config("tabel1"), "{root}/config/config.yaml declares no table 'tabel1'."),
        (
            lambda: resolve.pretrain_spec(PretrainRun("demo", "ctt", MethodId.parse("s2dc"), "swin12-demo", 0)),
            "{root}/config/config.yaml: there is no corpus 'ctt'.",
        ),
    ],
)
def test_wrong_names_on_the_command_line(checkout, read, sentence):
    assert refused(read).startswith(sentence.format(root=checkout) + " Did you mean '")


def test_a_modality_without_a_corpus_is_refused(checkout):
    file = checkout / "config" / "config.yaml"
    edit(file, lambda c: c["corpus_for"].pop("CT"))
    assert refused(lambda: expand.table_runs("table1", "demo")) == (
        f"{file}: `corpus_for` names no corpus for CT; btcv needs one."
    )


def test_a_broken_yaml_file_is_named(checkout):
    file = checkout / "config" / "config.yaml"
    file.write_text("budget: [demo\n")
    assert re.fullmatch(rf"{re.escape(str(file))}: not valid YAML \(.*\)\.", refused(config.read_config))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s2dc", MethodId("s2dc", "code")),
        ("s2dc.code", MethodId("s2dc", "code")),
        ("s2dc.paper.g", MethodId("s2dc", "paper", "g")),
        ("scratch", MethodId("scratch")),
        ("scratch.shuffled", MethodId("scratch", "shuffled")),
    ],
)
def test_method_ids(text, expected):
    assert MethodId.parse(text) == expected
    assert MethodId.parse(str(expected)) == expected


def test_later_settings_win_key_by_key():
    base = {"steps": 9, "crop": [1, 2], "optimiser": {"name": "adamw", "lr": 1.0}}
    merged = resolve.merge(base, {"optimiser": {"lr": 2.0}}, None, {"crop": [3]}, {"optimiser": {"lr": 4.0}})
    assert merged == {"steps": 9, "crop": [3], "optimiser": {"name": "adamw", "lr": 4.0}}
    assert base["optimiser"]["lr"] == 1.0


trees = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)
mappings = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)


@given(mappings, mappings, mappings)
def test_merging_is_idempotent_and_the_last_override_shows_through(base, first, second):
    merged = resolve.merge(base, first, second)
    assert resolve.merge(merged, second) == merged
    assert merged.keys() == base.keys() | first.keys() | second.keys()
    assert all(merged[key] == value for key, value in second.items() if not isinstance(value, dict))


def test_settings_are_laid_over_in_the_documented_order(checkout):
    """numbers < variant < ablation < the budget's < the method's own for that budget."""
    method = MethodId("s2dc", "paper", "toy")
    file, budget = checkout / "methods" / "s2dc" / "config.yaml", checkout / "config" / "budgets" / "demo.yaml"
    edit(file, lambda c: c.update(settings=dict.fromkeys(("steps", "batch", "crop", "grid", "accumulate"), 0)))
    edit(file, lambda c: c.update(variants={"paper": dict.fromkeys(("batch", "crop", "grid", "accumulate"), 1)}))
    edit(file, lambda c: c.update(ablations={"toy": dict.fromkeys(("crop", "grid", "accumulate"), 2)}))
    edit(budget, lambda c: c.update(pretrain=dict.fromkeys(("grid", "accumulate"), 3)))
    edit(file, lambda c: c.update(budgets={"demo": {"accumulate": 4}}))
    assert resolve.method_settings(method, "demo") == {"steps": 0, "batch": 1, "crop": 2, "grid": 3, "accumulate": 4}


def test_a_table_has_a_run_for_each_column_method_seed_and_fold(checkout):
    edit(checkout / "config" / "config.yaml", lambda c: c.update(seeds=[0, 7], methods=["scratch", "s2dc"]))
    runs = expand.table_runs("samples", "demo")
    identities = {(column.name, str(run.pretrain.method), run.pretrain.seed, run.fold) for column, run in runs}
    assert len(runs) == len(identities) == 2 * 2 * 2 * 2
    assert {run.pretrain.corpus for _, run in runs if run.pretrain.method.name == "scratch"} == {NO_CORPUS}
    assert {run.pretrain.corpus for _, run in runs if run.pretrain.method.name == "s2dc"} == {"samples"}


def test_no_two_runs_share_a_folder(checkout):
    runs = [run for _, run in expand.table_runs("table1", "demo")]
    assert len({run.folder() for run in runs}) == len(runs)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(threads=7),
        lambda c: c.update(encoder="swin48v2-legacy"),
        lambda c: c["recipes"]["segmentation"].update(datasets={"btcv": {"optimiser": {"lr": 0.123}}}),
        lambda c: c["recipes"]["segmentation"].update(datasets={"btcv.segmentation": {"steps": 12345}}),
    ],
)
def test_a_setting_of_the_budget_moves_the_identity(checkout, change):
    def identity():
        return resolve.spec_sha256(resolve.eval_spec(expand.table_runs("table1", "demo")[0][1]))

    before = identity()
    edit(checkout / "config" / "budgets" / "demo.yaml", change)
    config.read_budget.cache_clear()
    assert identity() != before


def test_a_pretraining_setting_moves_the_identity_of_what_is_finetuned_from_it(checkout):
    pretrain = PretrainRun("demo", "ct", MethodId.parse("s2dc"), "swin12-demo", 0)
    run = EvalRun("btcv", "segmentation", 0, pretrain)
    before = resolve.spec_sha256(resolve.eval_spec(run))
    edit(checkout / "methods" / "s2dc" / "config.yaml", lambda c: c["budgets"]["demo"].update(steps=12345))
    assert resolve.spec_sha256(resolve.eval_spec(run)) != before


def test_a_budget_that_extends_another_says_only_what_differs(checkout):
    (checkout / "config" / "budgets" / "long.yaml").write_text(
        "extends: demo\ntitle: long\nrecipes: {segmentation: {settings: {batch: 9}}}\n"
    )
    demo, long = config.read_budget("demo"), config.read_budget("long")
    assert (long.name, long.title, long.encoder, long.data) == ("long", "long", demo.encoder, demo.data)
    settings = {name: each.recipes["segmentation"].settings for name, each in (("demo", demo), ("long", long))}
    assert settings["long"] == settings["demo"] | {"batch": 9}
    edit(
        checkout / "methods" / "s2dc" / "config.yaml",
        lambda c: c.update(budgets={"demo": {"steps": 4, "batch": 1}, "long": {"steps": 5}}),
    )
    settings = resolve.method_settings(MethodId.parse("s2dc"), "long")
    assert (settings["steps"], settings["batch"]) == (5, 1)


def test_a_budget_that_extends_itself_is_refused(checkout):
    folder = checkout / "config" / "budgets"
    (folder / "one.yaml").write_text("extends: two\n")
    (folder / "two.yaml").write_text("extends: one\n")
    assert refused(lambda: config.read_budget("one")) == (
        f"{folder}/two.yaml: extends 'one', which extends it; remove one `extends`."
    )


def test_a_table_may_have_a_budget_seeds_and_a_protocol_of_its_own(checkout):
    file = checkout / "config" / "config.yaml"
    own = {"budget": "full", "seeds": [4, 5], "protocol": "token_probe", "methods": ["scratch", "s2dc"]}
    edit(file, lambda c: c["tables"].update(own={"title": "Own", "columns": [first_column(c)], **own}))
    runs = [run for _, run in expand.table_runs("own", "full")]
    assert {run.pretrain.seed for run in runs} == {4, 5} and {run.protocol for run in runs} == {"token_probe"}
    assert config.table_budget("own", None) == "full" and config.table_budget("own", "demo") == "demo"
    assert config.table_budget("table1", None) == config.read_config().budget


def test_on_the_native_track_each_method_has_its_network_and_a_control_has_all(checkout):
    networks = {"s2dc": "swin48v2-legacy", "voco": "swin48v2-legacy", "swinmm": "swin48v1-legacy"}
    for name, encoder in networks.items():
        edit(checkout / "methods" / name / "config.yaml", lambda c, each=encoder: c.update(native={"demo": each}))
    methods = ["scratch", *networks]
    edit(
        checkout / "config" / "config.yaml",
        lambda c: c["tables"].update(own={"title": "Own", "columns": [first_column(c)], "methods": methods}),
    )
    assert {row.encoder for row in expand.table_rows("own", "demo")} == {"swin12-demo"}
    edit(checkout / "config" / "config.yaml", lambda c: c["tables"]["own"].update(track="native"))
    config.read_config.cache_clear()
    rows = [(row.method.name, row.encoder) for row in expand.table_rows("own", "demo")]
    assert rows == [("scratch", "swin48v2-legacy"), ("scratch", "swin48v1-legacy"), *networks.items()]
    assert [run.pretrain.encoder for _, run in expand.table_runs("own", "demo")] == [encoder for _, encoder in rows]
    assert expand.table_rows("own", "learn") == expand.table_rows("own", "demo")


def test_a_method_without_a_network_of_its_own_is_not_on_the_native_track(checkout):
    file = checkout / "methods" / "s2dc" / "config.yaml"
    edit(file, lambda c: c.update(native={"full": "swin48v2-legacy"}))
    assert refused(lambda: config.native_encoder("s2dc", "demo")) == (
        f"{file}: `native` names no encoder for budget demo; add one, a file of {checkout}/config/encoders."
    )


def test_an_unknown_family_of_networks_is_refused(checkout):
    file = checkout / "config" / "encoders" / "odd.yaml"
    file.write_text("family: swim\n")
    assert refused(lambda: config.read_encoder("odd")).startswith(
        f"{file}: there is no family of networks 'swim'. Did you mean 'swin'?"
    )


def test_a_probe_compares_with_the_random_encoder(checkout):
    file = checkout / "config" / "config.yaml"
    edit(file, lambda c: c["tables"]["table1"].update(protocol="token_probe", methods=["s2dc"]))
    assert refused(config.read_config) == (
        f"{file}: table 'table1' compares with the random encoder; add scratch to its methods."
    )


def test_gated_real_data_say_why_and_twins_are_never_gated(checkout):
    run = EvalRun("btcv", "segmentation", 0, PretrainRun("full", NO_CORPUS, MethodId("scratch"), "swin12-demo", 0))
    reason = expand.gate(run)
    assert reason.startswith("gated: btcv needs registration (") and reason.endswith("); put it in data/raw/btcv")
    assert all(expand.gate(run) is None for _, run in expand.table_runs("table1", "demo"))
    (checkout / "data" / "raw" / "btcv").mkdir(parents=True)
    assert expand.gate(run) is None
