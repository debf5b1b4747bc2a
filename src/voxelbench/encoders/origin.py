"""Where a backbone comes from: the run in whose folder it lies, or the upstream checkpoint it was imported from."""

import json
from pathlib import Path
from typing import Any

from voxelbench import PROTOCOL, __version__, paths
from voxelbench.encoders.publish import Published
from voxelbench.errors import TrainingError
from voxelbench.resolve import PretrainSpec
from voxelbench.validation import parse, read_yaml

_PREPARATION = ("intensity", "grid", "crop")
"""The settings that say what the encoder saw: whoever uses it has to prepare volumes in the same way."""


def origin(weights: Path, published: Published) -> dict[str, Any]:
    """Return what is known of a backbone, for its card; of weights of unknown origin that is the encoder alone."""
    folder = next((each for each in (weights.parent, weights.parent.parent) if (each / paths.SPEC).is_file()), None)
    facts = _of_run(folder, weights, published) if folder else _of_import(published)
    known = {name: value for name, value in facts.items() if value not in (None, "")}
    return known | {"encoder": published.encoder.model_dump(mode="json")}


def _of_run(folder: Path, weights: Path, published: Published) -> dict[str, Any]:
    """Return the facts of a pretraining run. Raises TrainingError if the weights are not of its encoder."""
    path = folder / paths.SPEC
    spec = parse(PretrainSpec, read_yaml(path), str(path))
    if spec.encoder != published.encoder:
        raise TrainingError(
            f"{weights}: is of encoder {published.encoder.name}, and {path} of {spec.encoder.name}; "
            "export it from the folder of its own run."
        )
    record = folder / paths.RUN
    run = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    method, variant, ablation, *_ = [*spec.method.split("."), "", ""]
    return {
        "method": method,
        "variant": variant,
        "ablation": ablation,
        "method_version": spec.method_version,
        "corpus": spec.corpus,
        "datasets": spec.datasets,
        "data": spec.data,
        "budget": spec.budget,
        "seed": spec.seed,
        "steps": spec.settings.get("steps"),
        "preparation": {key: spec.settings[key] for key in _PREPARATION if key in spec.settings},
        "backbone": weights.relative_to(folder).as_posix(),
        "protocol": spec.protocol,
        "voxelbench": run.get("voxelbench"),
        "spec_sha256": run.get("spec_sha256"),
    }


def _of_import(published: Published) -> dict[str, Any]:
    source = dict(published.source)
    return {"method": source.pop("method", None), "imported": source, "protocol": PROTOCOL, "voxelbench": __version__}
