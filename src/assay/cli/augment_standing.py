"""What `assay data augment` shows: a plan and its cost, how an augmentation stands, what comes next."""

from typing import TYPE_CHECKING, Any

from assay.cli.screen import Screen, estimate

if TYPE_CHECKING:
    from assay.api.augment_plan import Planned
    from assay.datasets.augmentation.standing import KindStanding, Standing


def say_plan(screen: Screen, planned: "Planned") -> None:
    """What would be made and what it would cost."""
    record, cost = planned.record, planned.cost
    made = ", ".join(f"{count:,} {kind}" for kind, count in planned.by_kind.items())
    screen.say(f"{record.id}: {made}, from train rows of {record.dataset}", style="bold")
    done = len(planned.tasks) - len(planned.open)
    if done:
        screen.say(f"{done:,} of {len(planned.tasks):,} are there already; ${planned.spent_usd:,.4f} spent so far.")
    writer = record.generator
    if writer is None or cost.price is None:
        screen.say("No language model is asked: $0." if writer is None else "Nothing is left to ask for.")
        return
    screen.say(
        f"{cost.calls:,} calls to {writer.model} at {writer.endpoint}, which is sent the rows' text: "
        f"about {cost.tokens_in:,} tokens in and {cost.tokens_out:,} out"
    )
    screen.say(
        f"about ${cost.usd:,.4f}, at most ${cost.usd_at_most:,.4f} "
        f"(${cost.price.input:g} in, ${cost.price.output:g} out, a million tokens)",
        style="bold",
    )


def say_standing(screen: Screen, standing: "Standing") -> None:
    """A table of the kinds."""
    screen.say(f"{standing.record.id}: ${standing.receipt.usd:,.4f}", style="bold")
    columns = ("kind", "state", "asked for", "made", "set aside", "sampled", "answered", "experts agree", "Gwet's AC1")
    rows = [
        (
            one.kind,
            state_of(one),
            f"{one.asked:,}",
            f"{one.made:,}",
            f"{sum(one.set_aside.values()):,}",
            f"{one.found.sampled:,}",
            f"{one.found.sampled - one.found.pending - one.found.unanswered:,}",
            _share(one, "share"),
            _share(one, "gwet_ac1"),
        )
        for one in standing.kinds
    ]
    screen.table(columns, rows, numbers_from=2)


def say_decisions(screen: Screen, standing: "Standing") -> None:
    """What was kept, what was refused and what could change that."""
    for one in standing.kinds:
        if one.decided is None:
            continue
        low, floor = one.decided.agreement["share"]["low"], one.decided.floor
        if one.decided.kept:
            screen.say(f"{one.kind} is kept: the lower bound {low:.3f} reaches the floor {floor:.3f}.")
        elif one.needed is not None:
            screen.say(f"{one.kind} is refused: the lower bound {low:.3f} is under {floor:.3f}. {_needed(one)}")
    kept = [one.kind for one in standing.kinds if one.kept]
    if kept:
        name = standing.record.criterion.partition("/")[0]
        screen.say(f"Next: assay data freeze {name} (the rows of {', '.join(kept)} enter train)")


def _needed(one: "KindStanding") -> str:
    best, same = one.needed or (None, None)
    if best is None or best > one.left:
        return f"The {one.left:,} texts that are left cannot change that."
    often = "however many there are, not as often as until now" if same is None else f"{same:,} as often as until now"
    return f"{best:,} more answers could pass if all agree; {often} ({one.left:,} texts are left)."


def say_next(screen: Screen, standing: "Standing", unanswered: int) -> None:
    """The next command."""
    id_ = standing.record.id
    if unanswered:
        screen.say(f"{unanswered:,} calls brought no answer: the same command asks again,", style="yellow")
        screen.say(f"or go on with what there is: assay data augment sample {id_}")
        return
    waiting = any(one.found.pending for one in standing.kinds)
    first = f"assay label serve (queue {standing.samples[-1]}), then: " if waiting else ""
    screen.say(f"Next: {first}assay data augment accept {id_}")


def state_of(one: "KindStanding") -> str:
    """Where a kind is: being made, made, with experts, to accept, kept or refused."""
    if one.undecided:
        return "with experts" if one.found.pending else "to accept"
    if one.decided is not None:
        return "kept" if one.kept else "refused"
    return "being made" if one.open else "made"


def _share(one: "KindStanding", name: str) -> str:
    found = None if one.decided is None else one.decided.agreement.get(name)
    return "-" if found is None else estimate(found["value"], found["low"], found["high"])


def cost_values(planned: "Planned") -> dict[str, Any]:
    """The cost as plain JSON values."""
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    return {**to_jsonable(planned.cost), "spent_usd_before": planned.spent_usd}


def standing_values(standing: "Standing") -> dict[str, Any]:
    """The standing as plain JSON values."""
    from assay.schema.records import to_jsonable  # noqa: PLC0415

    return {
        "id": standing.record.id,
        "receipt": {**to_jsonable(standing.receipt), "digest": standing.receipt.digest},
        "samples": list(standing.samples),
        "kinds": [
            {
                "kind": one.kind,
                "state": state_of(one),
                "asked": one.asked,
                "open": one.open,
                "made": one.made,
                "set_aside": dict(one.set_aside),
                "sampled": one.found.sampled,
                "pending": one.found.pending,
                "agreed": one.found.agreed,
                "tied": one.found.tied,
                "unanswered": one.found.unanswered,
                "left": one.left,
                "answers_needed": None
                if one.needed is None
                else {"if_all_agree": one.needed[0], "if_as_often": one.needed[1]},
            }
            for one in standing.kinds
        ],
    }
