"""Findings about what the rows lack, in words: labels, experts, second opinions, and personal data too many."""

import shlex

from assay.datasets.audit.balance import RARE
from assay.datasets.audit.finding import Finding
from assay.datasets.audit.parts import Parts
from assay.datasets.audit.personal import MAX_ROWS
from assay.datasets.audit.table import AuditTable

SHOWN_IDS = 20
EXPERT_ROWS = 100
_BUDGET = 200  # labels to begin with
_MOST = 0.5
_OPTIONAL_HARM = 0.05


def balance(table: AuditTable, parts: Parts, name: str) -> list[Finding]:
    """Labels absent, rare or uneven."""
    found: list[Finding] = []
    measured = parts.balance
    absent = [label for label, rows in measured.labels.items() if not rows]
    if absent:
        found.append(
            Finding(
                kind="missing",
                title=f"No row has the label {', '.join(f'“{label}”' for label in absent)}",
                harm=0.6,
                why="A judge never learns an answer that it has not seen.",
                advice="Collect examples of it, or take the level out of the scale under a new version.",
                command=f"assay data import FILE --criterion {name}",
            )
        )
    if measured.rarest.high < RARE:
        rarest = min(
            (label for label in measured.labels if measured.labels[label]), key=lambda one: measured.labels[one]
        )
        found.append(
            Finding(
                kind="imbalance",
                title=f"Only {measured.rarest.value:.1%} of the rows are “{rarest}” ({measured.labels[rarest]:,})",
                harm=0.25,
                why="The judge sees few examples of what it is to find, and every figure about them has a wide "
                "interval.",
                advice="Label where that answer is likelier; keep a uniform part, or rates cannot be estimated.",
                command=f"{_draw(name)} --by uncertainty --judge {name}@candidate",
                estimate=measured.rarest,
                rows=measured.labels[rarest],
            )
        )
    for key in measured.slices:
        if key.alarming and key.shares:
            low = min(key.shares, key=lambda one: one.share.value)
            high = max(key.shares, key=lambda one: one.share.value)
            found.append(
                Finding(
                    kind="slice-imbalance",
                    title=f"“{high.label}” is {low.share.value:.0%} of {key.key} = “{low.value}” and "
                    f"{high.share.value:.0%} of {key.key} = “{high.value}”",
                    harm=key.v / 3,
                    why="A judge may learn the slice instead of the content, and its figures differ by slice.",
                    advice="Collect the scarce label in the slices that lack it; read the card by slice.",
                    command=f"{_draw(name)} --by coverage --slice {shlex.quote(key.key)}",
                    rows=sum(one.n for one in key.shares),
                )
            )
    return found


def missing(table: AuditTable, parts: Parts, name: str) -> list[Finding]:
    """Fields, experts, second opinions and decisions that are missing."""
    found = []
    for field, rows in table.blank.items():
        if rows:
            found.append(
                Finding(
                    kind="missing",
                    title=f"{rows:,} rows have no {field}, which the criterion reads",
                    harm=_harm_of_blanks(rows / len(table)),
                    why="The judge is asked about something it is not shown, unless the field may be absent.",
                    advice="Import the rows with the field under new ids (an id stands for one content), or take it "
                    "out of `reads` under a new version.",
                    command=f"assay data import FILE --criterion {name} --field {field}=COLUMN",
                    rows=rows,
                )
            )
    experts = sum(source == "expert" for source in table.decided_by)
    if experts < EXPERT_ROWS * len(table.criterion.labels):
        found.append(
            Finding(
                kind="missing",
                title=f"Experts decided {experts:,} of the {len(table):,} rows",
                harm=0.15,
                why=f"A test set needs {EXPERT_ROWS} rows of each answer decided by an expert; without, "
                "promotion takes a waiver.",
                advice="Let an expert label a random part, or import labels with --label-source expert.",
                command=_draw(name, EXPERT_ROWS * len(table.criterion.labels) - experts),
                rows=experts,
            )
        )
    if not parts.agreement:
        found.append(
            Finding(
                kind="missing",
                title="Nobody has measured whether two people agree on these labels",
                harm=0.14,
                why="Without it the ceiling of the judge is unknown, and the agreement gate does not pass.",
                advice="Let a second person label a tenth of the rows without seeing the first labels.",
                command=_twice(table, experts, name),
            )
        )
    if table.undecided:
        found.append(
            Finding(
                kind="missing",
                title=f"{table.undecided:,} examples have tied labels and no target",
                harm=min(0.4, table.undecided / (len(table) + table.undecided)),
                why="They are left out of every dataset until someone decides them.",
                advice="Let someone decide them, or freeze them for a training with soft targets (--ties train).",
                command=f"assay data consensus {name} --ties ties.jsonl && "
                f"assay label queue make {name} --ids ties.jsonl",
                rows=table.undecided,
            )
        )
    return found


def _twice(table: AuditTable, experts: int, name: str) -> str:
    """A tenth of the rows once more, by somebody else; where experts have labelled too few for that, by two of them."""
    tenth = max(EXPERT_ROWS, len(table) // 10)
    if experts >= tenth:
        return f"{_draw(name, tenth)} --pool labelled --overlap 0"
    return f"{_draw(name, tenth)} --overlap 1"


def _draw(name: str, budget: int = _BUDGET) -> str:
    return f"assay data next --criterion {name} --budget {budget}"


def _harm_of_blanks(share: float) -> float:
    """A field that most rows lack and some have is most likely one that may be absent; one that no row has is not."""
    return _OPTIONAL_HARM if _MOST <= share < 1 else share / 2


def personal(table: AuditTable, parts: Parts, name: str) -> list[Finding]:
    """Personal data found."""
    if not parts.personal:
        return []
    ids = tuple(dict.fromkeys(id_ for rows in parts.personal.values() for id_ in rows))
    kinds = ", ".join(f"{kind} ({len(rows):,})" for kind, rows in parts.personal.items())
    looked = min(len(table), MAX_ROWS)
    drawn = "" if looked == len(table) else " drawn from all"
    return [
        Finding(
            kind="personal-data",
            title=f"{len(ids):,} of {looked:,} rows{drawn} hold what looks like personal data: {kinds}",
            harm=min(0.4, 0.1 + len(ids) / looked),
            why="It ends up in a frozen dataset that is never changed, and in whatever the judge was trained on.",
            advice="Turn redaction on in assay.toml and import the rows anew into a fresh workspace.",
            command=f"assay data import FILE --criterion {name}",
            rows=len(ids),
            examples=ids[:SHOWN_IDS],
        )
    ]
