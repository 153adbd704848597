"""Contrast sets of a workspace: fixed rows on which judges are compared, and which nothing is trained on.

    contrast = here.contrast
    contrast.register(here.criterion("safety"), Path("pairs.jsonl"), name="pairs")
    contrast.compare("safety-3f2a91c0", "safety@candidate", "pairs").change

Each method is one command. It computes nothing itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assay.datasets.contrast import (
    ContrastRow,
    counts_by_label,
    in_contrast,
    read_contrast,
    read_texts_only,
    rows_from_bytes,
    rows_to_bytes,
    texts_apart,
)
from assay.datasets.frozen_rows import load_rows
from assay.ingest.mapping import FieldMapping
from assay.schema.criterion import Criterion
from assay.schema.errors import IntegrityError, NotFoundError, RefusedError, shown
from assay.schema.example import Example
from assay.schema.ids import utc_now
from assay.schema.judge_version import JudgeVersion
from assay.store import contrast_sets, datasets
from assay.store.blobs import Blobs
from assay.store.contrast_sets import ContrastSet
from assay.store.database import Database

if TYPE_CHECKING:
    from assay.api.loaded_judge import LoadedJudge
    from assay.validation.contrast import ContrastComparison, OnJudged


class Contrast:
    """Made by `Workspace.contrast`."""

    def __init__(self, database: Database, blobs: Blobs, load: "Callable[[str], LoadedJudge]") -> None:
        self._database = database
        self._blobs = blobs
        self._load = load

    def register(
        self,
        criterion: Criterion,
        file: Path,
        *,
        name: str | None = None,
        mapping: FieldMapping | None = None,
        texts_only: bool = False,
    ) -> ContrastSet:
        """Register a file. From then on neither a mined queue nor a freeze of the criterion takes what equals or nearly
        equals one of its rows. `texts_only` reads no labels: such a set compares nothing.

        Raises NotFoundError, InputError (the file), ConflictError (the name stands for other rows, or for a set of
        another criterion).
        """
        read = read_texts_only if texts_only else read_contrast
        rows = read(file, criterion, mapping or FieldMapping(label_source="author"))
        registered = ContrastSet(
            name=name or file.name.split(".")[0],
            criterion=criterion.name,
            rows_blob=self._blobs.put_bytes(rows_to_bytes(rows)),
            rows=len(rows),
            by_label=counts_by_label(rows),
            created_at=utc_now(),
        )
        with self._database.begin() as connection:
            contrast_sets.add(connection, registered)
            return contrast_sets.get(connection, registered.name)

    def sets(self, criterion: Criterion) -> tuple[ContrastSet, ...]:
        """The contrast sets of a criterion, oldest first."""
        with self._database.read() as connection:
            return contrast_sets.of_criterion(connection, criterion.name)

    def compare(
        self,
        before: str,
        after: str,
        contrast: str,
        *,
        recall: float | None = None,
        seed: int = 0,
        on_judged: "OnJudged | None" = None,
    ) -> "ContrastComparison":
        """Two judges on a contrast set. Raises NotFoundError, RefusedError (a set without labels, or a judge that was
        trained on rows of it), and as `validation.contrast.compare_on_contrast`.
        """
        from assay.validation.contrast import compare_on_contrast  # noqa: PLC0415 - loads scikit-learn

        rows = self.rows(contrast)
        judges = [self._load(ref) for ref in (before, after)]
        versions = {judge.id: judge.version for judge in judges}
        known = {id_: self._check_untrained(version, contrast) for id_, version in versions.items()}
        running = [judge.running for judge in judges]
        found = compare_on_contrast(running[0], running[1], rows, recall=recall, seed=seed, on_judged=on_judged)
        return replace(found, unchecked=tuple(id_ for id_, here in known.items() if not here))

    def _check_untrained(self, version: JudgeVersion, contrast: str) -> bool:
        """False where the judge's dataset is not here (a judge made elsewhere). Raises RefusedError where it was
        trained, chosen or calibrated on what equals or nearly equals a row of the set.
        """
        try:
            with self._database.read() as connection:
                frozen = datasets.get(connection, version.dataset)
            rows = load_rows(self._blobs, frozen, tied=True)
        except (NotFoundError, IntegrityError):
            return False
        seen = [row.example for row in rows if row.split != "test"]
        similar = float(frozen.settings["near_duplicates"]["jaccard"])  # the freeze's own: a new one leaves these out
        apart = texts_apart(self._stored(contrast), version.criterion)
        count = int(in_contrast(seen, version.criterion, apart, similar).sum())
        if count:
            raise RefusedError(
                f"{version.id} was trained on rows of the contrast set {shown(contrast)}: it shows nothing there.",
                required="judges that saw no row of the set, nor its near copies",
                got=f"{count:,} such rows among the {len(seen):,} of {frozen.id} that it learnt from",
                next_step=f"freeze again, train again: assay data freeze {version.criterion.name}, then assay train",
            )
        return True

    def _stored(self, name: str) -> Sequence[ContrastRow]:
        with self._database.read() as connection:
            found = contrast_sets.get(connection, name)
        return rows_from_bytes(self._blobs.read(found.rows_blob))

    def rows(self, name: str) -> list[tuple[Example, str]]:
        """The rows of a contrast set with their labels. Raises NotFoundError, RefusedError (a set without labels)."""
        stored = self._stored(name)
        rows = [(row.example, row.label) for row in stored if row.label is not None]
        if not rows:
            raise RefusedError(
                f"The contrast set {shown(name)} has no labels: it only keeps its texts out of training.",
                required="a set that was registered with labels",
                next_step="register it with its labels under another name (without --texts-only)",
            )
        return rows
