"""Workspace: one folder with its settings, its criteria, its database and its judges.

    with Workspace.open() as here:              # the workspace around the current folder
        here.import_data(Path("labelled.jsonl"), here.criterion("advice"), FieldMapping(label_source="expert"))
        here.freeze("advice")
        trained = here.train("advice")
        here.evaluate("advice@candidate").decision.because

Each method is one command of the command line. It computes nothing itself.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from assay.api.criteria import criterion_names, read_criterion
from assay.api.extras import needs_models
from assay.api.loaded_judge import LoadedJudge, loaded
from assay.api.summaries import VersionSummary, summary_of
from assay.config import Settings, find_workspace, read_settings
from assay.datasets.freezing import freeze
from assay.datasets.frozen_rows import load_rows
from assay.datasets.minimums import ACCEPTED_LABELS, MIN_TEST_PER_CLASS, FreezeSettings
from assay.datasets.splits import DEFAULT_SHARES
from assay.ingest.checking import FileCheck, check_file
from assay.ingest.importing import ImportResult, import_file
from assay.ingest.labelled import MAX_MALFORMED_SHARE, ImportSettings
from assay.ingest.mapping import FieldMapping
from assay.ingest.rows import Format
from assay.registry import Promotion, Registry, Resolved, verify
from assay.schema.criterion import Criterion
from assay.schema.dataset import DatasetVersion, Split
from assay.schema.errors import InputError, RefusedError, shown
from assay.schema.judge_version import JudgeVersion
from assay.schema.label import LabelSource
from assay.store import datasets
from assay.store.blobs import Blobs
from assay.store.database import Database, open_database

if TYPE_CHECKING:
    from assay.api.evaluation import OnJudged
    from assay.api.reports import Evaluation
    from assay.training.train import OnProgress, TrainedJudge, TrainingRequest

# Imports inside methods: torch and scikit-learn take seconds to load, and a small install has no torch at all.


class Workspace:
    """An open workspace. Close it, or use it in a `with` statement."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.registry = Registry(database, settings.judges)
        self._database = database
        self._blobs = Blobs(settings.blobs)

    @classmethod
    def open(cls, path: Path | None = None) -> Self:
        """The workspace in this very folder, or, without one, around the current folder.

        Raises NotFoundError (no assay.toml), InputError (its content), AssayError (the database).
        """
        settings = read_settings(find_workspace(Path.cwd()) if path is None else path)
        settings.data.mkdir(exist_ok=True)
        return cls(settings, open_database(settings.database_url))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def criterion(self, name: str) -> Criterion:
        """The criterion in `criteria/<name>.toml`. Raises NotFoundError, InputError."""
        return read_criterion(self.settings.criteria, name)

    def criteria(self) -> list[str]:
        """The names of the criteria files."""
        return criterion_names(self.settings.criteria)

    def import_data(
        self,
        file: Path,
        criterion: Criterion,
        mapping: FieldMapping | None = None,
        *,
        format: Format | None = None,  # noqa: A002 - the word users write
        max_malformed_share: float = MAX_MALFORMED_SHARE,
        on_row: Callable[[int], None] | None = None,
    ) -> ImportResult:
        """Import a file, all of it or nothing. Errors as `ingest.importing.import_file`."""
        settings = self._import_settings(mapping, format, max_malformed_share)
        return import_file(self._database, criterion, file, settings, on_row)

    def check_data(
        self,
        file: Path,
        criterion: Criterion,
        mapping: FieldMapping | None = None,
        *,
        format: Format | None = None,  # noqa: A002 - the word users write
        max_malformed_share: float = MAX_MALFORMED_SHARE,
    ) -> FileCheck:
        """What an import of the file would bring; writes nothing. Errors as `ingest.checking.check_file`."""
        return check_file(criterion, file, self._import_settings(mapping, format, max_malformed_share))

    def freeze(
        self,
        criterion: str,
        *,
        seed: int = 0,
        shares: dict[Split, float] | None = None,
        accept_labels: Sequence[LabelSource] = ACCEPTED_LABELS,
        min_test_per_class: int | None = None,
    ) -> DatasetVersion:
        """Freeze the labelled examples of a criterion. None takes assay.toml's value, then the default.

        Errors as `datasets.freezing.freeze`.
        """
        minimum = self.settings.min_test_per_class if min_test_per_class is None else min_test_per_class
        settings = FreezeSettings(
            seed=seed,
            shares=shares or self.settings.shares or DEFAULT_SHARES,
            accept_labels=tuple(accept_labels),
            min_test_per_class=MIN_TEST_PER_CLASS if minimum is None else minimum,
        )
        return freeze(self._database, self._blobs, self.criterion(criterion), settings)

    def datasets(self) -> tuple[DatasetVersion, ...]:
        """All frozen datasets, oldest first."""
        with self._database.read() as connection:
            return datasets.every(connection)

    def dataset(self, dataset_id: str) -> DatasetVersion:
        """A frozen dataset. Raises NotFoundError."""
        with self._database.read() as connection:
            return datasets.get(connection, dataset_id)

    def newest_dataset(self, criterion: str) -> DatasetVersion:
        """The dataset that was frozen last for the criterion as its file says it. Raises RefusedError."""
        wanted = self.criterion(criterion)
        with self._database.read() as connection:
            found = datasets.latest(connection, criterion)
        if found is None or found.criterion.digest != wanted.digest:
            raise RefusedError(
                f"No dataset is frozen for criterion {wanted.key!r} as it now stands.",
                required="a frozen dataset",
                got="none" if found is None else f"{found.id}, frozen for {found.criterion.key!r} with other words",
                next_step=f"assay data freeze {criterion}"
                + ("" if found is None else f", or name one: assay train {criterion} --dataset {found.id}"),
            )
        return found

    def train(
        self,
        criterion: str,
        request: "TrainingRequest | None" = None,
        *,
        dataset: str | None = None,
        on_progress: "OnProgress | None" = None,
    ) -> "TrainedJudge":
        """Train a judge on a dataset, by default the newest one, and set the alias `candidate` to it.

        Killed at any moment, the same call goes on. Errors as `training.train.train`.
        """
        with needs_models():
            from assay.training.train import TrainingRequest, train  # noqa: PLC0415

        frozen = self.newest_dataset(criterion) if dataset is None else self._dataset_of(criterion, dataset)
        asked = request or TrainingRequest(backbone=self.settings.backbone)
        rows = load_rows(self._blobs, frozen)
        trained = train(frozen, rows, self.registry, asked, runs=self.settings.runs, on_progress=on_progress)
        self.alias(trained.id, "candidate", reason=f"trained on {frozen.id}")
        return trained

    def evaluate(self, ref: str, *, on_judged: "OnJudged | None" = None) -> "Evaluation":
        """Judge the judge on the test split of its dataset; keeps report, gates and card in its folder.

        Raises NotFoundError, IntegrityError, ConflictError, RefusedError.
        """
        with needs_models():
            from assay.api.evaluation import evaluate_version  # noqa: PLC0415

        resolved = self.resolve(ref)
        dataset = self.dataset(resolved.version.dataset)
        return evaluate_version(resolved, dataset, self.registry, self.settings, on_judged)

    def gate(self, ref: str) -> "Evaluation":
        """Decide again from the stored report, by the rules in assay.toml as they are now; draws the card anew.

        Raises NotFoundError (not evaluated), IntegrityError (a report that was not measured here).
        """
        from assay.api.reports import decided  # noqa: PLC0415
        from assay.validation.gates import GateRules  # noqa: PLC0415

        rules = GateRules.from_mapping(self.settings.gates)
        return decided(self.resolve(ref), rules, self.registry, self.settings, self._database)

    def card(self, ref: str) -> Path:
        """The judge card, drawn anew from the stored report. Errors as `gate`."""
        return self.gate(ref).card

    def promote(self, ref: str, *, reason: str, waiver: str | None = None) -> Promotion:
        """Make a version champion. Raises RefusedError with the reason of every failed gate."""
        return self.registry.promote(ref, by=self.settings.person, reason=reason, waiver=waiver)

    def rollback(self, name: str, *, reason: str) -> Promotion:
        """Make the champion before the current one champion again. Raises RefusedError, NotFoundError."""
        return self.registry.rollback(name, by=self.settings.person, reason=reason)

    def alias(self, ref: str, alias: str, *, reason: str) -> Promotion:
        """Point candidate, shadow or canary at a version. Raises InputError, RefusedError (champion)."""
        return self.registry.set_alias(ref, alias, by=self.settings.person, reason=reason)

    def history(self, name: str) -> tuple[Promotion, ...]:
        """The promotions log of a name, oldest first. Raises NotFoundError (no judge of this name)."""
        if not self.registry.versions(name):
            self.resolve(name)
        return self.registry.history(name)

    def versions(self, name: str | None = None) -> tuple[VersionSummary, ...]:
        """All judge versions, or those of one name, oldest first."""
        found = self.registry.versions(name)
        if name is not None and not found:
            self.resolve(name)
        return tuple(summary_of(version, self.registry, self.settings.judges) for version in found)

    def resolve(self, ref: str, *, check_files: bool = True) -> Resolved:
        """The version a reference means, and its verified folder. Raises NotFoundError, IntegrityError, InputError."""
        return self.registry.resolve(ref, check_files=check_files)

    def load(self, ref: str) -> LoadedJudge:
        """A judge in memory, verified. Raises as `resolve`, and MissingExtraError."""
        resolved = self.resolve(ref)
        return loaded(resolved.version, resolved.folder)

    @staticmethod
    def verify(folder: Path) -> JudgeVersion:
        """Check any judge folder against its own digests. Raises NotFoundError, IntegrityError."""
        return verify(folder)

    def adopt(self, folder: Path) -> JudgeVersion:
        """Take in a judge folder made elsewhere. Raises NotFoundError, IntegrityError."""
        return self.registry.adopt(folder)

    def _dataset_of(self, criterion: str, dataset_id: str) -> DatasetVersion:
        found = self.dataset(dataset_id)
        if found.criterion.name != criterion:
            raise InputError(
                f"The dataset {dataset_id} is about another criterion.",
                required=f"a dataset of {shown(criterion)}",
                got=f"one of {found.criterion.key!r}",
                next_step=f"assay train {found.criterion.name} --dataset {dataset_id}",
            )
        return found

    def _import_settings(
        self, mapping: FieldMapping | None, file_format: Format | None, max_malformed_share: float
    ) -> ImportSettings:
        return ImportSettings(
            mapping=mapping or FieldMapping(),
            set_aside_dir=self.settings.set_aside,
            format=file_format,
            max_malformed_share=max_malformed_share,
        )
