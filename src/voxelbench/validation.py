"""Strict reading of YAML into frozen pydantic models, with errors that name the file and the nearest key."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from voxelbench.errors import ConfigError, nearest

# Planning a table reads hundreds of files; libyaml, where PyYAML has it, parses them about eight times faster.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Strict(BaseModel):
    """Base of all cards, configs and specs: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping. Raises ConfigError if the file is missing, not YAML, or not a mapping."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML ({' '.join(str(error).split())}).") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of keys, found {type(content).__name__}.")
    return content


def parse(model: type[Model], values: dict[str, Any], source: str) -> Model:
    """Validate `values` as `model`; `source` names the file in the error. Raises ConfigError, one sentence."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_first_problem(error, model)}") from None


def _first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    problem = error.errors()[0]
    *parents, key = problem["loc"] or ("value",)
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _fields_at(model, parents)
        return f"unknown key '{where}'.{nearest(str(key), known)}"
    if problem["type"] == "missing":
        return f"key '{where}' is missing."
    return f"key '{where}' is {problem['input']!r}: {problem['msg']}."


def _fields_at(model: Any, parents: list[Any]) -> list[str]:
    """Return the field names of the model nested at `parents`, where parts that are no field (indices) are left out."""
    for parent in parents:
        field = model.model_fields.get(parent) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is not None:
            model = _model_inside(field.annotation) or model
    return list(model.model_fields)


def _model_inside(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_inside(part) for part in getattr(annotation, "__args__", ()))
    return next((found for found in inner if found is not None), None)
