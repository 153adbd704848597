"""Options that every command has, and the texts that stand for pairs and lists."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from assay.schema.errors import InputError, shown

WorkspaceOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--workspace", metavar="DIR", help="The workspace; by default the one around the current folder."),
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout; everything for people goes to stderr.")
]
CriterionArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="CRITERION", help="The name of a file in criteria/.")
]
Ref: TypeAlias = Annotated[str, typer.Argument(metavar="REF", help="A judge: NAME, NAME@ALIAS or NAME-DIGEST.")]


def pairs(texts: list[str], option: str, *, last: bool = False) -> dict[str, str]:
    """`A=B` texts as a mapping, cut at the first `=`, or with `last` at the last one. Raises InputError.

    >>> pairs(["output=reply", "group=meta.trace"], "--field")
    {'output': 'reply', 'group': 'meta.trace'}
    """
    found: dict[str, str] = {}
    for text in texts:
        left, sign, right = text.rpartition("=") if last else text.partition("=")
        if not sign or not left:
            raise InputError(f"{option} takes a pair.", required=f"{option} FROM=TO", got=shown(text))
        if found.setdefault(left, right) != right:
            raise InputError(
                f"{option} gives {shown(left)} two meanings.", got=f"{shown(found[left])} and {shown(right)}"
            )
    return found


def words(text: str) -> tuple[str, ...]:
    """A comma-separated list.

    >>> words("author, crowd")
    ('author', 'crowd')
    """
    return tuple(word.strip() for word in text.split(",") if word.strip())
