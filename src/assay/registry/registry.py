"""Registry: adds judge versions, resolves references, moves aliases.

Every move is one write transaction that keeps other movers out from its first look to its last row: however many
processes promote at once, the log is a chain and each alias points where its last row says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from assay.registry.folder import JUDGE_FILE, copy_in, move_in, verify, write_judge_file
from assay.registry.promotion import check_said, needed_waiver, no_rollback, rollback_target
from assay.registry.refs import CHAMPION, Ref, check_alias, check_name, parse_ref
from assay.registry.unknown import no_alias, no_judge, no_version
from assay.schema.errors import ConflictError, InputError, NotFoundError, RefusedError, shown
from assay.schema.gate import GateDecision
from assay.schema.judge_version import JudgeVersion
from assay.store import aliases, gates, judges
from assay.store.aliases import Promotion
from assay.store.database import Connection, Database


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A version and the folder it lies in."""

    version: JudgeVersion
    folder: Path


class Registry:
    """The judge versions of a project. `root` holds one folder for each version, named by its id."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self._root = root

    def add(self, staged: Path, version: JudgeVersion) -> str:
        """Take in a finished folder: write its `judge.json` if absent, verify it, move it to its place, record it.

        Returns the id. A version that is there already stays as it is, and `staged` is left where it is; a run that
        was killed between moving and recording is completed. Raises IntegrityError, ConflictError.
        """
        check_name(version.name)
        if staged.is_dir() and not (staged / JUDGE_FILE).exists():
            write_judge_file(staged, version)
        found = verify(staged)
        if found.digest != version.digest:
            raise ConflictError(
                f"The folder {shown(str(staged))} holds another judge.", required=version.id, got=found.id
            )
        target = self._root / found.id
        move_in(staged, target)
        return self._record(target, found)

    def adopt(self, folder: Path) -> JudgeVersion:
        """Take in a copy of a folder made elsewhere. Returns its version. Raises NotFoundError, IntegrityError."""
        found = verify(folder)
        check_name(found.name)
        target = self._root / found.id
        if folder.resolve() != target.resolve():
            copy_in(folder, target)
        self._record(target, found)
        return found

    def resolve(self, ref: str, *, check_files: bool = True) -> Resolved:
        """The version that a reference (`name`, `name@alias`, `name-digest`) means, and its folder, verified.

        With `check_files=False` only the presence of the folder is checked. Raises InputError (no reference at all),
        NotFoundError (with what there is), IntegrityError.
        """
        parsed = parse_ref(ref)
        with self._database.read() as connection:
            version = _find(connection, parsed)
        return Resolved(version=version, folder=self._folder(version, check_files=check_files))

    def set_alias(self, ref: str, alias: str, *, by: str, reason: str) -> Promotion:
        """Point candidate, shadow or canary (not champion: RefusedError) at a version; no gate stands before these."""
        moved = check_alias(alias)
        if moved == CHAMPION:
            raise RefusedError(
                "The champion alias moves by promotion only.",
                required="candidate, shadow or canary",
                next_step=f"assay promote {ref}",
            )
        version = self.resolve(ref).version
        asked = Promotion(name=version.name, alias=moved, move="set", version=version.id, by=by, reason=reason)
        with self._database.begin() as connection:
            return _move(connection, asked)

    def promote(self, ref: str, *, by: str, reason: str, waiver: str | None = None) -> Promotion:
        """Make a version champion: its newest gate decision passed, or `waiver` says why not and stays in the log.

        Promoting the champion again changes nothing and returns its row. Raises RefusedError with the reason of every
        failed gate.
        """
        version = self.resolve(ref).version
        with self._database.begin() as connection:
            aliases.lock_log(connection)
            used = needed_waiver(gates.newest_of(connection, version.id), version.id, waiver)
            asked = Promotion(
                name=version.name, alias=CHAMPION, move="promote", version=version.id, by=by, reason=reason, waiver=used
            )
            return _move(connection, asked)

    def rollback(self, name: str, *, by: str, reason: str) -> Promotion:
        """Point the champion at the one before it; again, further back. Raises RefusedError, NotFoundError."""
        with self._database.begin() as connection:
            aliases.lock_log(connection)
            champion = _find(connection, Ref(name=check_name(name), alias=CHAMPION, digest=None))
            target = rollback_target(aliases.history(connection, name, CHAMPION))
            if target is None:
                raise no_rollback(champion.id)
            self._folder(_find(connection, parse_ref(target)), check_files=True)
            asked = Promotion(name=name, alias=CHAMPION, move="rollback", version=target, by=by, reason=reason)
            return _move(connection, asked)

    def record_gates(self, decision: GateDecision, report_digest: str) -> None:
        """Record what the gates said of a version, as its newest decision. Raises NotFoundError."""
        with self._database.begin() as connection:
            version = _find(connection, parse_ref(decision.judge))
            if version.id != decision.judge:
                raise InputError(
                    "A gate decision is about one version.", required=version.id, got=shown(decision.judge)
                )
            gates.add(connection, decision, report_digest)

    def gates(self, ref: str) -> GateDecision | None:
        """The newest gate decision of a version; None when its gates have not been measured."""
        with self._database.read() as connection:
            return gates.newest_of(connection, _find(connection, parse_ref(ref)).id)

    def history(self, name: str) -> tuple[Promotion, ...]:
        """The promotions log of a name, all aliases, oldest first."""
        with self._database.read() as connection:
            return aliases.history(connection, name)

    def versions(self, name: str | None = None) -> tuple[JudgeVersion, ...]:
        """All versions, or those of one name, oldest first."""
        with self._database.read() as connection:
            return judges.every(connection, name)

    def aliases(self, name: str) -> Mapping[str, str]:
        """Alias → version id, for the aliases of this name that are set."""
        with self._database.read() as connection:
            return aliases.pointing(connection, name)

    def pointing(self) -> Mapping[str, Mapping[str, str]]:
        """Name → alias → version id, for every name: one look at all aliases."""
        with self._database.read() as connection:
            return aliases.every_pointing(connection)

    def _record(self, target: Path, version: JudgeVersion) -> str:
        placed = verify(target)
        if placed.digest != version.digest:
            raise ConflictError(
                f"Two different judges have the name {version.id}.", next_step="train again with another seed"
            )
        with self._database.begin() as connection:
            judges.add(connection, placed)
        return placed.id

    def _folder(self, version: JudgeVersion, *, check_files: bool) -> Path:
        folder = self._root / version.id
        if not folder.is_dir():
            raise NotFoundError(
                f"{version.id} is recorded, but its folder is not on this machine.",
                required=str(folder),
                next_step="copy the folder there from the machine that has it, or train again with the same command",
            )
        if check_files:
            verify(folder)
        return folder


def _find(connection: Connection, ref: Ref) -> JudgeVersion:
    digest = ref.digest
    if ref.alias is not None:
        pointing = aliases.pointing(connection, ref.name)
        if ref.alias not in pointing:
            _check_known(connection, ref.name)
            raise no_alias(ref.name, ref.alias, pointing, judges.every(connection, ref.name)[-1].id)
        digest = pointing[ref.alias].rpartition("-")[2]
    version = judges.find(connection, ref.name, digest or "")
    if version is None:
        _check_known(connection, ref.name)
        raise no_version(ref, [known.id for known in judges.every(connection, ref.name)])
    return version


def _check_known(connection: Connection, name: str) -> None:
    names = judges.names(connection)
    if name not in names:
        raise no_judge(name, names)


def _move(connection: Connection, asked: Promotion) -> Promotion:
    """Move and log; the row that is there where the alias was last moved to this version with the same waiver."""
    check_said(asked.by, "The name of who moves the alias")
    check_said(asked.reason, "The reason")
    aliases.lock_log(connection)
    log = aliases.history(connection, asked.name, asked.alias)
    if log and log[-1].version == asked.version and asked.waiver in (None, log[-1].waiver):
        return log[-1]
    return aliases.move(connection, asked)
