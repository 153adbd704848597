"""BatchSettings: how a file is read, judged and written. What the options of `assay judge` become."""

from dataclasses import dataclass, field

from assay.ingest.mapping import FieldMapping, meant
from assay.ingest.rows import Format
from assay.schema.errors import InputError, shown
from assay.schema.example import CONTENT_FIELDS
from assay.schema.ids import digest_json
from assay.schema.verdict import Mode

JUDGED_FIELDS = (*CONTENT_FIELDS, "messages")


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How a file is judged.

    `format_in` and `format_out` None are told from the suffix. Of `mapping` only `columns` is read, and only for judged
    fields: labels and provenance are carried along, not looked at. `carry` names the input columns that go to the
    output (None: all). `verdict_field` is the key of the verdict in JSONL and the prefix of its columns in CSV and
    Parquet. `window_rows` rows are read, judged and written together. When more than `max_failed_share` of the rows is
    set aside or failed, the run ends in a refusal. `mode` is the judge's in this run. `overwrite` replaces an output
    that is there, `restart` forgets what an interrupted run has left.
    """

    format_in: Format | None = None
    format_out: Format | None = None
    mapping: FieldMapping = field(default_factory=FieldMapping)
    carry: tuple[str, ...] | None = None
    verdict_field: str = "verdict"
    window_rows: int = 2048
    max_failed_share: float = 1.0
    mode: Mode = "single-token"
    overwrite: bool = False
    restart: bool = False

    def __post_init__(self) -> None:
        for name in self.mapping.columns:
            if name not in JUDGED_FIELDS:
                raise InputError(
                    "Judging reads only what is judged.", required=meant(name, JUDGED_FIELDS), got=shown(name)
                )
        if not self.verdict_field.isidentifier():
            raise InputError("The verdict's field is a name.", required="letters, digits and '_'")
        if self.window_rows < 1:
            raise InputError("Rows are judged by windows.", required="window_rows ≥ 1", got=shown(self.window_rows))
        if not 0 <= self.max_failed_share <= 1:
            raise InputError(
                "max_failed_share is a share.", required="a number from 0 to 1", got=shown(self.max_failed_share)
            )

    def digest(self, format_in: Format, format_out: Format) -> str:
        """SHA-256 over what decides the content of the output; an interrupted run goes on only under the same one."""
        return digest_json(
            {
                "format_in": format_in,
                "format_out": format_out,
                "columns": dict(self.mapping.columns),
                "carry": self.carry if self.carry is None else list(self.carry),
                "verdict_field": self.verdict_field,
                **({} if self.mode == "single-token" else {"mode": self.mode}),
            }
        )
