"""When a version may become champion, and which one a rollback goes back to. Pure: the registry reads and writes."""

from collections.abc import Sequence

from assay.schema.errors import InputError, RefusedError, shown
from assay.schema.gate import GateDecision
from assay.store.aliases import Promotion
from assay.store.tables import check_key


def needed_waiver(decision: GateDecision | None, judge: str, waiver: str | None) -> str | None:
    """The waiver to store in the log: None when every gate passed.

    Raises RefusedError when no decision was recorded, or when a gate failed and there is no waiver; InputError (an
    empty waiver).
    """
    if waiver is not None:
        check_said(waiver, "A waiver")
    if decision is None:
        raise RefusedError(
            f"{judge} may not be promoted: its gates have not been measured.",
            required="a gate decision for this version",
            next_step=f"assay gate {judge}",
        )
    if decision.passed:
        return None
    if waiver is None:
        reasons = "; ".join(decision.because) or "it has no gate"
        raise RefusedError(
            f"{judge} may not be promoted, because: {reasons}.",
            required="every gate passed, or a waiver in words, which stays in the log",
            next_step="improve the judge or its data, or promote with a waiver that says why",
        )
    return waiver


def rollback_target(log: Sequence[Promotion]) -> str | None:
    """The version before the current one in a champion's log (oldest first); None when there is none.

    A promotion puts a version on a stack and a rollback takes one off, so repeated rollbacks walk further back and
    never return to what was rolled back.

    >>> row = lambda move, id: Promotion(name="a", alias="champion", move=move, version=id, by="b", reason="r")
    >>> rollback_target([row("promote", "a-1"), row("promote", "a-2"), row("promote", "a-3"), row("rollback", "a-2")])
    'a-1'
    """
    stack: list[str | None] = []
    for row in log:
        if row.move == "rollback":
            stack.pop()
        elif not stack or stack[-1] != row.version:
            stack.append(row.version)
    return stack[-2] if len(stack) > 1 else None


def check_said(text: str, what: str) -> str:
    """The text itself if it says something and can be stored. Raises InputError."""
    if text.strip():
        return check_key(text, what)
    raise InputError(f"{what} is empty.", required="a few words for whoever reads the log", got=shown(text))


def no_rollback(champion: str) -> RefusedError:
    """The refusal of a rollback that has nowhere to go. `champion` is the current one's id."""
    name = champion.rpartition("-")[0]
    return RefusedError(
        f"{name} cannot be rolled back: {champion} has no champion before it.",
        required="an earlier promotion in the log",
        next_step=f"promote another version; list them with: assay list {name}",
    )
