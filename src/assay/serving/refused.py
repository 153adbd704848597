"""Refused verdicts: rows that the database does not take, each in a file of its own until it does.

    place = RefusedVerdicts(settings.serving_files)
    place.add(row, Refusal.of(error))         # the recorder, when a row is refused for good
    for one in place.every(): …               # `assay verdicts refused`, and recovering

A row has one file, named by its id, which comes and goes whole. So nothing has to be locked: a server may add rows
while somebody brings others back, and a process that is killed leaves every row in its file, in the database, or in
both.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from assay.schema.errors import AssayError, InputError
from assay.schema.ids import digest_bytes, utc_now

FOLDER = "refused"
_MAX_DETAIL = 200
_LINES = "*.refused"  # where a server set rows aside, a line each, before they had files of their own
_NOT_KNOWN = "The reason was not written down."


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a row is not in the database: a sentence, and what the database said of this very row."""

    problem: str
    detail: str

    @classmethod
    def of(cls, error: Exception) -> Self:
        """What stands in an error; of one that is no refusal of ours, its kind and its first line."""
        if isinstance(error, InputError):
            return cls(problem=error.problem, detail=error.got)
        first = str(error).strip().partition("\n")[0]  # Postgres shows the row in the lines below
        detail = first[:_MAX_DETAIL].encode("utf-8", "backslashreplace").decode()
        return cls(problem=type(error).__name__, detail=detail)


@dataclass(frozen=True, kw_only=True)
class RefusedVerdict:
    """A row of `store.verdicts`, why it is not there, since when (ISO 8601, UTC), and the file that it waits in."""

    path: Path
    row: Mapping[str, Any]
    refusal: Refusal
    since: str

    @property
    def id(self) -> str:
        """The verdict's."""
        return str(self.row["id"])


@dataclass(frozen=True, kw_only=True)
class RefusedFor:
    """How many are refused for one reason, since when, and what the database said of the first."""

    problem: str
    detail: str
    verdicts: int
    since: str


@dataclass(frozen=True, kw_only=True)
class RefusedSummary:
    """All refused verdicts of a workspace: how many, since when (None where there is none), and the reasons, commonest
    first. `unreadable` files hold no row that could be read; they stay for somebody to look at.
    """

    folder: Path
    verdicts: int
    since: str | None
    reasons: tuple[RefusedFor, ...]
    unreadable: int


class RefusedVerdicts:
    """The refused verdicts of one workspace, below `folder`, the one of its serving processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER

    def add(self, row: Mapping[str, Any], refusal: Refusal, since: str | None = None) -> Path:
        """Set a row aside, since now unless told; one that is there already stays as it is. Returns its file.

        Raises AssayError where the disk does not take it.
        """
        path = self._path(str(row["id"]))
        if _read(path) is None:
            self._put(RefusedVerdict(path=path, row=row, refusal=refusal, since=since or utc_now()))
        return path

    def take_in_lines(self) -> None:
        """Give rows that stand as lines in a `NAME.refused` files of their own; a line that is no row gets one too, as
        it is. Raises AssayError (the disk).
        """
        for old in sorted(self.folder.parent.glob(_LINES)):
            since = datetime.fromtimestamp(old.stat().st_mtime, UTC).isoformat(timespec="microseconds")
            for line in old.read_bytes().splitlines():
                row = _row(line)
                if row is None:
                    self._write(self._path(line.decode("utf-8", "backslashreplace")), line)
                else:
                    self.add(row, Refusal(problem=_NOT_KNOWN, detail=""), since)
            old.unlink(missing_ok=True)

    def refuse_again(self, verdict: RefusedVerdict, refusal: Refusal) -> None:
        """It stays, with the newest reason. Raises AssayError (the disk)."""
        if verdict.refusal != refusal:
            self._put(replace(verdict, refusal=refusal))

    def remove(self, verdict: RefusedVerdict) -> None:
        """It is in the database."""
        verdict.path.unlink(missing_ok=True)

    def count(self) -> int:
        """How many files there are."""
        return len(self._files())

    def every(self) -> Iterator[RefusedVerdict]:
        """All that can be read, in the order of their files' names; what others bring back meanwhile is left out."""
        return (verdict for path in self._files() if (verdict := _read(path)) is not None)

    def summary(self) -> RefusedSummary:
        """How many there are, why, and since when."""
        counts: Counter[str] = Counter()
        firsts: dict[str, RefusedVerdict] = {}
        unreadable = 0
        for path in self._files():
            verdict = _read(path)
            if verdict is None:
                unreadable += path.exists()
                continue
            problem = verdict.refusal.problem
            counts[problem] += 1
            if problem not in firsts or verdict.since < firsts[problem].since:
                firsts[problem] = verdict
        reasons = tuple(
            RefusedFor(problem=problem, detail=one.refusal.detail, verdicts=count, since=one.since)
            for problem, count in counts.most_common()
            for one in (firsts[problem],)
        )
        return RefusedSummary(
            folder=self.folder,
            verdicts=counts.total(),
            since=min((one.since for one in reasons), default=None),
            reasons=reasons,
            unreadable=unreadable,
        )

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[!.]*.json"))

    def _path(self, verdict_id: str) -> Path:
        """An id is no path: it may be the very thing that was refused."""
        return self.folder / f"{digest_bytes(verdict_id.encode('utf-8', 'surrogatepass'))[:32]}.json"

    def _put(self, verdict: RefusedVerdict) -> None:
        values = {
            "since": verdict.since,
            "problem": verdict.refusal.problem,
            "detail": verdict.refusal.detail,
            "row": dict(verdict.row),
        }
        self._write(verdict.path, json.dumps(values, ensure_ascii=True).encode())

    def _write(self, path: Path, data: bytes) -> None:
        partial = path.with_name(f".{path.name}.part")  # one that a kill left is written anew
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial.touch(mode=0o600)
            partial.write_bytes(data)
            partial.replace(path)
        except OSError as error:
            raise AssayError(
                f"A verdict that the database refuses could not be set aside: {error.strerror}.",
                next_step="make room on the disk of the workspace",
            ) from error


def _read(path: Path) -> RefusedVerdict | None:
    """What a file holds; None where it is gone, or what the power left of it is no row."""
    try:
        values = json.loads(path.read_bytes())
        if not _is_row(values["row"]):
            return None
        refusal = Refusal(problem=str(values["problem"]), detail=str(values["detail"]))
        return RefusedVerdict(path=path, row=values["row"], refusal=refusal, since=str(values["since"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _row(line: bytes) -> Mapping[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if _is_row(row) else None


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str)
