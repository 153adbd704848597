"""Experiment trackers (TensorBoard, Weights & Biases, MLflow, …) that a training reports its losses to.

`check_trackers(names)` refuses what transformers does not know or what is not installed. Trackers get losses, learning
rates and settings, never rows; where they send them is theirs to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import TrainerCallback
from transformers.integrations.integration_utils import (
    INTEGRATION_TO_CALLBACK,
    TensorBoardCallback,
    get_available_reporting_integrations,
)

from assay.ingest.mapping import meant
from assay.schema.errors import InputError, shown

TRACKERS = tuple(sorted(name for name in INTEGRATION_TO_CALLBACK if name != "flyte"))  # flyte tells nothing of itself
_PACKAGES = {"azure_ml": "azureml-mlflow", "comet_ml": "comet-ml", "dagshub": "dagshub mlflow"}


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Which trackers, the run's name there, and the folder for those that write files beside the workspace's own."""

    trackers: tuple[str, ...] = ()
    run_name: str = ""
    folder: Path = Path()

    @property
    def reported_to(self) -> list[str]:
        """The trackers that the Trainer starts itself."""
        return [name for name in self.trackers if name != "tensorboard"]

    def callbacks(self) -> list[TrainerCallback]:
        """Those that need to be told where to write: TensorBoard's default is the run folder, which is deleted."""
        if "tensorboard" not in self.trackers:
            return []
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - only there with the package

        writer = SummaryWriter(log_dir=str(self.folder / "tensorboard" / self.run_name))
        return [TensorBoardCallback(writer)]  # type: ignore[no-untyped-call]


def check_trackers(names: Sequence[str]) -> None:
    """Refuse an unknown tracker, and one whose package is missing. Raises InputError."""
    for name in names:
        if name not in TRACKERS:
            raise InputError("There is no such tracker.", required=meant(name, TRACKERS), got=shown(name))
    there = get_available_reporting_integrations()  # type: ignore[no-untyped-call]
    for name in names:
        if name not in there:
            raise InputError(
                f"The package of the tracker {name!r} is not installed.",
                required=_PACKAGES.get(name, name),
                got="no such package here",
                next_step=f"pip install {_PACKAGES.get(name, name)}, or leave --report-to out",
            )
