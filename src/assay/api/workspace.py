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
from assay.api.frozen_datasets import dataset_of, newest_dataset
from assay.api.keys import MadeKey, make_key
from assay.api.loaded_judge import LoadedJudge, loaded
from assay.api.summaries import VersionSummary, summary_of
from assay.config import Settings, find_workspace, read_settings
from assay.datasets.agreement_gate import check_agreement, check_waiver
from assay.datasets.freezing import freeze
from assay.datasets.frozen_rows import load_rows, rows_of
from assay.datasets.minimums import ACCEPTED_LABELS, MIN_TEST_PER_CLASS, Consensus, FreezeSettings, Ties
from assay.datasets.splits import DEFAULT_SHARES
from assay.ingest.checking import FileCheck, check_file
from assay.ingest.exchange.formats import AnyFormat
from assay.ingest.importing import ImportResult, import_file
from assay.ingest.labelled import MAX_MALFORMED_SHARE, ImportSettings
from assay.ingest.mapping import FieldMapping
from assay.registry import Promotion, Registry, Resolved, verify
from assay.schema.criterion import Criterion
from assay.schema.dataset import DatasetVersion, Split, Synthetic
from assay.schema.judge_version import JudgeVersion
from assay.schema.label import LabelSource
from assay.store import datasets, keys
from assay.store.blobs import Blobs
from assay.store.database import Database, open_database
from assay.store.keys import ApiKey

if TYPE_CHECKING:
    from assay.api.augmenting import Augmenting
    from assay.api.certifying import Certified, CertifyRequest
    from assay.api.contrast import Contrast
    from assay.api.evaluation import OnJudged
    from assay.api.hard_negatives import HardNegatives
    from assay.api.labelling import Labelling
    from assay.api.quantizing import Quantised
    from assay.api.reports import Evaluation
    from assay.api.truth import Truth
    from assay.ingest.exporting.formats import ExportFormat, Written
    from assay.serving.recovering import Recovered
    from assay.serving.refused import RefusedSummary
    from assay.serving.rungs import Rungs
    from assay.store.spending import Spent
    from assay.training.train import OnProgress, TrainedJudge, TrainingRequest
    from assay.validation.probes import Probed

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

    @property
    def labelling(self) -> "Labelling":
        """Queues, labellers and what to label next."""
        from assay.api.labelling import Labelling  # noqa: PLC0415

        return Labelling(self._database, self.load)

    @property
    def truth(self) -> "Truth":
        """Agreement, consensus, audits and changes of criteria."""
        from assay.api.truth import Truth  # noqa: PLC0415

        return Truth(self._database, self._blobs, self.settings)

    @property
    def augmenting(self) -> "Augmenting":
        """Rows made from training rows, kept where experts agree."""
        from assay.api.augmenting import Augmenting  # noqa: PLC0415

        return Augmenting(self._database, self._blobs, self.settings, self.newest_dataset)

    @property
    def contrast(self) -> "Contrast":
        """Fixed rows that judges are compared on and never trained on."""
        from assay.api.contrast import Contrast  # noqa: PLC0415

        return Contrast(self._database, self._blobs, self.load)

    @property
    def hard_negatives(self) -> "HardNegatives":
        """Queues mined for what a judge is likely to get wrong."""
        from assay.api.hard_negatives import HardNegatives  # noqa: PLC0415

        return HardNegatives(self._database, self._blobs, self.settings.backbone, self.load)

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
        format: AnyFormat | None = None,  # noqa: A002 - the word users write
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
        format: AnyFormat | None = None,  # noqa: A002 - the word users write
        max_malformed_share: float = MAX_MALFORMED_SHARE,
    ) -> FileCheck:
        """What an import of the file would bring; writes nothing. Errors as `ingest.checking.check_file`."""
        return check_file(criterion, file, self._import_settings(mapping, format, max_malformed_share))

    def export_data(
        self,
        criterion: Criterion,
        format: "ExportFormat",  # noqa: A002 - the word users write
        path: Path,
        *,
        queue: str | None = None,
        on_row: Callable[[int], None] | None = None,
    ) -> "Written":
        """Write labelled examples, or a queue's examples without labels, for another tool.

        Errors as `api.exchange.export_labelled`.
        """
        from assay.api.exchange import export_labelled  # noqa: PLC0415

        return export_labelled(self._database, criterion, format, path, queue=queue, on_row=on_row)

    def freeze(  # noqa: PLR0913 - an argument for each option of the freeze
        self,
        criterion: str,
        *,
        seed: int = 0,
        shares: dict[Split, float] | None = None,
        accept_labels: Sequence[LabelSource] = ACCEPTED_LABELS,
        min_test_per_class: int | None = None,
        consensus: Consensus = "majority",
        ties: Ties = "out",
        accept_synthetic: Synthetic = "none",
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
            consensus=consensus,
            ties=ties,
            accept_synthetic=accept_synthetic,
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
        return newest_dataset(self._database, self.criterion(criterion))

    def train(
        self,
        criterion: str,
        request: "TrainingRequest | None" = None,
        *,
        dataset: str | None = None,
        waive_agreement: str | None = None,
        on_progress: "OnProgress | None" = None,
    ) -> "TrainedJudge":
        """Train a judge on a dataset, by default the newest one, and set the alias `candidate` to it.

        Killed at any moment, the same call goes on. `waive_agreement` says why it is trained although the labellers may
        agree less than the criterion's floor; it stands in the log of the alias. Raises RefusedError (that floor), and
        as `training.train.train`.
        """
        with needs_models():
            from assay.training.processes import is_first  # noqa: PLC0415
            from assay.training.train import TrainingRequest, train  # noqa: PLC0415

        frozen = self.newest_dataset(criterion) if dataset is None else dataset_of(self._database, criterion, dataset)
        asked = request or TrainingRequest(backbone=self.settings.backbone)
        rows = load_rows(self._blobs, frozen, tied=True)
        if waive_agreement is None:
            check_agreement(frozen, rows, self.criterion(criterion))
        else:
            check_waiver(waive_agreement)
        trained = train(frozen, rows, self.registry, asked, runs=self.settings.runs, on_progress=on_progress)
        if is_first():  # under torchrun every process is here
            self.alias(trained.id, "candidate", reason=f"trained on {frozen.id}{_waived(waive_agreement)}")
        return trained

    def evaluate(
        self,
        ref: str,
        *,
        llm_verdicts: Path | None = None,
        slices: tuple[str, ...] | None = None,
        on_judged: "OnJudged | None" = None,
    ) -> "Evaluation":
        """Judge the judge on the test split of its dataset; keeps report, gates and card in its folder.

        `llm_verdicts` is a file with a prompted LLM's verdicts on the test rows, to stand beside the judge; `slices`
        are the keys to cut the test rows by, None finds them. Raises NotFoundError, IntegrityError, ConflictError,
        RefusedError, InputError (that file, a slice key).
        """
        with needs_models():
            from assay.api.evaluation import EvaluationOptions, evaluate_version  # noqa: PLC0415

        resolved = self.resolve(ref)
        dataset = self.dataset(resolved.version.dataset)
        options = EvaluationOptions(llm_verdicts=llm_verdicts, slices=slices)
        return evaluate_version(resolved, dataset, self.registry, self.settings, on_judged, options)

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

    def certify(self, ref: str, request: "CertifyRequest", *, on_judged: "OnJudged | None" = None) -> "Certified":
        """Certify a judge's two thresholds on rows drawn from production, and store the child that has them.

        An infeasible certificate is an answer: `child` is None. Raises NotFoundError, InputError (not binary),
        RefusedError (not certifiable from this sample), MissingExtraError.
        """
        from assay.api.certification_rows import calibration_rows, certification_rows  # noqa: PLC0415
        from assay.api.certifying import certify_version, check_binary, store_certified  # noqa: PLC0415

        resolved = self.resolve(ref)
        check_binary(resolved.version)
        rows = certification_rows(self._database, self._blobs, resolved.version, request, self.settings.person)
        calibration = calibration_rows(self._database, self._blobs, resolved.version)
        made = certify_version(
            loaded(resolved.version, resolved.folder, self.settings.engine),
            rows,
            calibration,
            request,
            on_judged,
        )
        return store_certified(self.registry, resolved, made, self.settings.runs)

    def quantize(
        self,
        ref: str,
        to: str = "int8",
        *,
        on_stage: Callable[[str], None] = lambda stage: None,
        on_judged: "OnJudged | None" = None,
    ) -> "Quantised":
        """A child with 8-bit weights, calibrated and evaluated, and how it stands against its parent.

        Raises InputError, RefusedError (quantised already), UnsupportedJudgeError (decoders, processors without VNNI),
        NotFoundError, IntegrityError.
        """
        with needs_models():
            from assay.api.quantizing import quantise_version  # noqa: PLC0415

        resolved = self.resolve(ref)
        dataset = self.dataset(resolved.version.dataset)
        return quantise_version(
            resolved, to, dataset, self.registry, self.settings, on_stage=on_stage, on_judged=on_judged
        )

    def set_fallback(self, ref: str, chain: str) -> JudgeVersion:
        """A child version with another chain, `llm:NAME,rules:FILE,ACTION`. Raises InputError, NotFoundError."""
        from assay.api.fallback_plans import child_with_fallback  # noqa: PLC0415

        return child_with_fallback(self.registry, self.resolve(ref), chain, self.settings)

    def set_escalation(self, ref: str, to: str | None) -> JudgeVersion:
        """A child version that escalates elsewhere (`llm:NAME=DEFAULT`, `judge:VERSION`, `human`; None: nowhere).

        Raises InputError, NotFoundError.
        """
        from assay.api.fallback_plans import child_with_escalation  # noqa: PLC0415

        return child_with_escalation(self.registry, self.resolve(ref), to, self.settings)

    def spending(self, month: str | None = None) -> "tuple[Spent, ...]":
        """What language models cost in a month (`2026-11`; by default the current one), by purpose and model."""
        from assay.api.language_models import ledger_of  # noqa: PLC0415

        return ledger_of(self._database, self.settings).month(month)

    def rungs(self) -> "Rungs":
        """What fallback chains and escalators are made from. Raises InputError, NotFoundError (prices)."""
        from assay.api.language_models import rungs_of  # noqa: PLC0415

        return rungs_of(self._database, self.settings)

    def probe(
        self,
        ref: str,
        *,
        rows: int = 300,
        names: Sequence[str] = (),
        remove: Sequence[str] = (),
        on_batch: Callable[[int], None] | None = None,
    ) -> "tuple[str, list[Probed]]":
        """Change what should not matter in test rows of the judge's dataset; its id, and how often its answer flips.

        Raises NotFoundError, IntegrityError, InputError (an unknown probe).
        """
        from assay.api.probing import probe_version  # noqa: PLC0415

        resolved = self.resolve(ref)
        frozen = self.dataset(resolved.version.dataset)
        test = rows_of(load_rows(self._blobs, frozen), "test")
        judge = loaded(resolved.version, resolved.folder, self.settings.engine).running
        return judge.id, probe_version(judge, test, rows, names=names, remove=remove, on_batch=on_batch)

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

    def load(self, ref: str, *, backbone: Path | None = None) -> LoadedJudge:
        """A judge in memory, verified. `backbone` is the folder of its backbone, where that is not where it was.

        Raises as `resolve`, and MissingExtraError.
        """
        resolved = self.resolve(ref)
        return loaded(resolved.version, resolved.folder, self.settings.engine, backbone)

    def add_key(
        self, name: str, scopes: Sequence[str], *, requests_per_minute: int | None = None, expires: str | None = None
    ) -> MadeKey:
        """Make an API key for the server. Raises InputError."""
        return make_key(self._database, name, scopes, requests_per_minute=requests_per_minute, expires=expires)

    def keys(self) -> tuple[ApiKey, ...]:
        """The API keys, oldest first."""
        with self._database.read() as connection:
            return keys.every(connection)

    def revoke_key(self, key_id: str) -> None:
        """From now on an API key opens nothing. Raises NotFoundError."""
        with self._database.begin() as connection:
            keys.revoke(connection, key_id)

    def refused_verdicts(self) -> "RefusedSummary":
        """The verdicts that a server gave and the database refused: how many, why, and since when."""
        from assay.serving.refused import RefusedVerdicts  # noqa: PLC0415

        place = RefusedVerdicts(self.settings.serving_files)
        place.take_in_lines()
        return place.summary()

    def recover_verdicts(self, *, on_row: Callable[[int, int | None], None] | None = None) -> "Recovered":
        """Write them again; what is refused again stays. Servers may run, and no verdict is written twice.

        Raises AssayError (the database is away, the disk is full): what was written stays written.
        """
        from assay.serving.recovering import recover  # noqa: PLC0415
        from assay.serving.refused import RefusedVerdicts  # noqa: PLC0415

        return recover(self._database, RefusedVerdicts(self.settings.serving_files), on_row)

    @staticmethod
    def verify(folder: Path) -> JudgeVersion:
        """Check any judge folder against its own digests. Raises NotFoundError, IntegrityError."""
        return verify(folder)

    def adopt(self, folder: Path) -> JudgeVersion:
        """Take in a judge folder made elsewhere. Raises NotFoundError, IntegrityError."""
        return self.registry.adopt(folder)

    def _import_settings(
        self,
        mapping: FieldMapping | None,
        file_format: AnyFormat | None,
        max_malformed_share: float,
    ) -> ImportSettings:
        return ImportSettings(
            mapping=mapping or FieldMapping(),
            set_aside_dir=self.settings.set_aside,
            format=file_format,
            max_malformed_share=max_malformed_share,
        )


def _waived(why: str | None) -> str:
    return "" if why is None else f"; the agreement floor was waived: {why}"
