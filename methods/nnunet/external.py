"""nnU-Net as an external method: plan and preprocess, train one configuration on our split, predict."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

import voxelbench.external
from voxelbench.external import Case, ExternalJob
from voxelbench.training.complexity import measure
from voxelbench.validation import Strict

from .labels import Labels
from .raw import write_raw

DATASET_ID, DATASET = 1, "Dataset001_voxelbench"
FOLD = 0
"""The split in splits_final.json, which has ours alone."""


class Config(Strict):
    """`normalisation` is nnU-Net's scheme by the unit of a channel; a patch is planned to fit into `gpu_memory_gb`."""

    configuration: Literal["3d_fullres"]
    gpu_memory_gb: float = Field(gt=0)
    base_features: int = Field(gt=0)
    normalisation: dict[str, str]
    epochs: int = Field(gt=0)
    iterations: int = Field(gt=0)
    validation_iterations: int = Field(gt=0)
    checkpoint_epochs: int = Field(gt=0)
    tile_step: float = Field(gt=0, le=1)
    mirroring: bool


class External(voxelbench.external.External):
    """nnU-Net on one job. Its three folders lie in the job's; nnunetv2 is imported where it is used."""

    def __init__(self, job: ExternalJob) -> None:
        super().__init__(job)
        self.config: Config = job.settings
        self.labels = Labels.of(job.classes, job.is_exclusive)
        self.folders = {name: job.folder.absolute() / name for name in ("raw", "preprocessed", "results")}
        _tell(def_n_proc=job.threads, **self.folders)

    def prepare(self) -> None:
        """Write the raw folder, extract the fingerprint, plan, and preprocess for one configuration."""
        from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner
        from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprint_dataset, preprocess_dataset

        write_raw(self.folders["raw"] / DATASET, self.job, self.labels, self.config.normalisation)
        extract_fingerprint_dataset(DATASET_ID, num_processes=self.job.threads)
        planner = ExperimentPlanner(DATASET_ID, gpu_memory_target_in_gb=self.config.gpu_memory_gb)
        planner.UNet_base_num_features = self.config.base_features
        planner.plan_experiment()
        preprocess_dataset(DATASET_ID, configurations=(self.config.configuration,), num_processes=(self.job.threads,))

    def train(self) -> Mapping[str, Any]:
        """Train to the last epoch, from the latest checkpoint if there is one."""
        folder = Path(self.trainer.output_folder)
        checkpoints = [folder / f"checkpoint_{name}.pth" for name in ("final", "latest")]
        found = next((path for path in checkpoints if path.is_file()), None)
        if found is not None:
            self.trainer.load_checkpoint(str(found))
        if found != checkpoints[0]:
            self.trainer.run_training()
        plan = self.trainer.configuration_manager
        return {
            **measure(self.trainer.network, len(self.job.inputs), plan.patch_size),
            "plan": {
                "patch": self._in_our_axes(plan.patch_size),
                "spacing_mm": self._in_our_axes(plan.spacing),
                "batch": plan.batch_size,
            },
        }

    def _in_our_axes(self, planned: Sequence[float]) -> list[float]:
        """Return what nnU-Net planned for its own, permuted axes as X, Y, Z."""
        return [planned[axis] for axis in self.trainer.plans_manager.transpose_backward][::-1]

    def predict(self, case: Case) -> np.ndarray:
        """Return the label map of a case, by nnU-Net's sliding window and resampling."""
        volume = case.read(self.job.inputs).transpose(0, 3, 2, 1)  # nnU-Net's axes are Z, Y, X
        properties = {"spacing": list(case.spacing_mm)[::-1]}
        answer = self.predictor.predict_single_npy_array(np.ascontiguousarray(volume), properties)
        return self.labels.to_native(answer.transpose(2, 1, 0))

    @cached_property
    def trainer(self) -> Any:
        """The trainer of our split, at its beginning."""
        import torch

        from .trainer import Trainer

        _tell(n_proc_DA=self.job.workers)  # not before: planning wants at least one
        folder = self.folders["preprocessed"] / DATASET
        plans, dataset = (json.loads((folder / name).read_text()) for name in ("nnUNetPlans.json", "dataset.json"))
        plans["continue_training"] = False
        config = self.config
        trainer = Trainer(plans, config.configuration, FOLD, dataset, torch.device(self.job.device))
        trainer.follow(
            config.epochs, config.iterations, config.validation_iterations, config.checkpoint_epochs, self.job.seed
        )
        return trainer

    @cached_property
    def predictor(self) -> Any:
        """The predictor of the trained network, with nnU-Net's own inference."""
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        trainer = self.trainer
        trainer.set_deep_supervision_enabled(False)
        predictor = nnUNetPredictor(
            tile_step_size=self.config.tile_step, use_mirroring=self.config.mirroring, device=trainer.device
        )
        predictor.manual_initialization(
            trainer.network,
            trainer.plans_manager,
            trainer.configuration_manager,
            [trainer.network.state_dict()],
            trainer.dataset_json,
            type(trainer).__name__,
            trainer.inference_allowed_mirroring_axes,
        )
        return predictor


def _tell(**settings: object) -> None:
    """Set what nnU-Net reads from its environment variables."""
    os.environ.update({f"nnUNet_{name}": str(value) for name, value in settings.items()})
