"""One list of pins: the ranges of pyproject.toml, constraints.txt and workflow/envs/*.yaml agree."""

import tomllib
from pathlib import Path

import pytest
import rattler
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

EXTRAS_OF_ENVIRONMENT = {"base": [], "engine": ["engine"], "nnunet": ["engine", "nnunet"]}
NOT_IN_JOBS = {"snakemake", "pygments", "rocrate"}
"""Needed by the process that starts the jobs, or that publishes what they made, not inside of them."""
PINNED_BESIDES = {"nnunet": {"torchvision"}}
"""Not named in pyproject.toml, but a free choice of it would replace torch."""


def _pins(lines):
    requirements = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    for requirement in requirements:
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], f"{requirement} is no exact pin"
    return {canonicalize_name(item.name): next(iter(item.specifier)).version for item in requirements}


def _ranges(extras):
    listed = PROJECT["dependencies"] + [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    return {canonicalize_name(item.name): item for item in map(Requirement, listed)}


CONSTRAINTS = _pins((ROOT / "constraints.txt").read_text().splitlines())


def _environment(name):
    return yaml.safe_load((ROOT / "workflow" / "envs" / f"{name}.yaml").read_text())


def _pip_part(environment):
    (part,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    return part


def test_every_range_has_a_pin_inside_it():
    for name, requirement in _ranges(PROJECT["optional-dependencies"]).items():
        assert name in CONSTRAINTS, f"constraints.txt has no pin of {name}"
        assert CONSTRAINTS[name] in requirement.specifier, f"{name}=={CONSTRAINTS[name]} is outside of {requirement}"


def test_pyproject_holds_ranges_and_no_pin():
    for requirement in _ranges(PROJECT["optional-dependencies"]).values():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators & {">=", ">"}, f"{requirement} has no lower bound"
        assert not operators & {"==", "==="}, f"{requirement} is a pin; pins belong to constraints.txt"


def test_no_pin_names_a_build():
    assert not [name for name, version in CONSTRAINTS.items() if "+" in version]


def test_every_environment_file_is_checked_here():
    assert {path.stem for path in (ROOT / "workflow" / "envs").glob("*.yaml")} == set(EXTRAS_OF_ENVIRONMENT)


@pytest.mark.parametrize("name", EXTRAS_OF_ENVIRONMENT)
def test_an_environment_pins_what_its_extras_need_as_the_constraints_do(name):
    pins = _pins(_pip_part(_environment(name)))
    needed = set(_ranges(EXTRAS_OF_ENVIRONMENT[name])) - NOT_IN_JOBS | PINNED_BESIDES.get(name, set())
    assert set(pins) == needed
    assert pins == {package: CONSTRAINTS[package] for package in pins}


@pytest.mark.parametrize("name", EXTRAS_OF_ENVIRONMENT)
def test_an_environment_is_conda_forge_alone_and_its_specs_parse(name):
    environment = _environment(name)
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    specs = [item for item in environment["dependencies"] if isinstance(item, str)]
    assert {rattler.MatchSpec(spec).name.normalized for spec in specs} == {"python", "pip"}
