"""Asked and Account: what an import wants of another tool's file, and what became of it beside the rows.

Knows no format.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from assay.ingest.mapping import FieldMapping, meant
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.schema.label import LabelSource


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is wanted: labels for a criterion, read by a mapping that may name the tool's question for them."""

    criterion: Criterion
    mapping: FieldMapping

    @property
    def question(self) -> str | None:
        """The question that was named; None chooses where there is no doubt."""
        return self.mapping.question


@dataclass(kw_only=True)
class Account:
    """What became of a file, filled while its rows are read.

    `question` is the one that gave the labels. `left_out` counts what has no place in Assay, by name. `columns` holds
    the fields that were found under another name (field → column).
    """

    format: str
    question: str | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    columns: dict[str, str] = field(default_factory=dict)


def choose_question(found: Iterable[str], asked: Asked, account: Account) -> str | None:
    """The question that gives the labels: the one asked for, the one named like the criterion, or the only one.

    None where the file has none. Kept in the account. Raises InputError: several, or not the one asked for.
    """
    names = sorted(set(found))
    if asked.question is not None and asked.question not in names:
        raise InputError(
            f"The file answers no question {shown(asked.question)}.",
            required=meant(asked.question, names) if names else "a file with answers",
            got=f"questions {shown(names, 200)}",
        )
    wanted = (asked.question, asked.criterion.name, *(names if len(names) == 1 else ()))
    account.question = next((name for name in wanted if name in names), None)
    if account.question is None and names:
        raise InputError(
            f"The file answers {len(names)} questions; which of them is criterion {asked.criterion.name!r}?",
            required=f"one of {shown(names, 300)}",
            next_step=f"give --question {shown(names[0])}",
        )
    return account.question


def people_source(asked: Asked) -> LabelSource:
    """What labels given by people count as; the tools do not say it. Raises InputError where nobody said it."""
    if asked.mapping.label_source is None:
        raise InputError(
            "The file has labels given by people, and does not say who they are.",
            required="--label-source expert, crowd, author or user",
            next_step="give --label-source; labels that models and rules gave keep their own source",
        )
    return asked.mapping.label_source
