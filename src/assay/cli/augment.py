"""`assay data augment [make] | sample | accept | show | list`."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from typer.core import TyperGroup

from assay.cli.augment_standing import (
    cost_values,
    say_decisions,
    say_next,
    say_plan,
    say_standing,
    standing_values,
    state_of,
)
from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, WorkspaceOption, words
from assay.cli.progress import progress
from assay.cli.screen import Screen
from assay.schema.errors import InputError, RefusedError, shown

if TYPE_CHECKING:
    from assay.api.augment_plan import Planned
    from assay.api.augmenting import SamplePlan
    from assay.llm.prices import Price

ReceiptArgument: TypeAlias = Annotated[str, typer.Argument(metavar="RECEIPT", help="Such as advice-augment-3f2a91c0.")]
SampleOption: TypeAlias = Annotated[int, typer.Option(metavar="N", help="Texts of each kind that experts answer.")]
OverlapOption: TypeAlias = Annotated[float, typer.Option(metavar="SHARE", help="Of the sample that goes to several.")]
EachOption: TypeAlias = Annotated[int, typer.Option("--labellers-each", metavar="K", help="To how many of them.")]
SHOWN_REASONS = 5


class AugmentGroup(TyperGroup):
    """`assay data augment advice …` is `assay data augment make advice …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As ever, with `make` put in front where no command is named."""
        named = not args or args[0] in self.commands or args[0] in ctx.help_option_names
        return super().parse_args(ctx, args if named else ["make", *args])


def make(
    criterion: Annotated[str, typer.Argument(metavar="CRITERION", help="The name of a file in criteria/.")],
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            metavar="KINDS",
            help="paraphrase, flip, corrupt, policy-flip, swap, reference-drop; comma between.",
        ),
    ],
    per_kind: Annotated[int, typer.Option("--per-kind", metavar="N", help="Texts of each kind, at most.")] = 100,
    dataset: Annotated[
        str | None, typer.Option(metavar="ID", help="Whose train rows they are made from; by default the newest.")
    ] = None,
    good: Annotated[str | None, typer.Option(metavar="LABEL", help="Of a good answer, for corrupt and swap.")] = None,
    bad: Annotated[str | None, typer.Option(metavar="LABEL", help="Of a spoilt one.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="A table llm.NAME of assay.toml; by default the only one.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Another model than the table's.")] = None,
    price_per_million: Annotated[
        str | None,
        typer.Option("--price-per-million", metavar="IN,OUT", help="US dollars a million tokens, where no table says."),
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option("--budget-usd", metavar="X", help="Spend up to so much without asking.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Spend up to what is printed as the most, without asking.")
    ] = False,
    sample: SampleOption = 50,
    overlap: OverlapOption = 0.0,
    labellers_each: EachOption = 2,
    seed: Annotated[int, typer.Option(help="Of the choice of rows.")] = 0,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Make rows from train rows, for experts to decide on. The cost is printed, and agreed to, before it is spent.

    Killed at any moment, the same command goes on without paying twice. At the end a sample is queued for experts.

    Example: assay data augment make advice --kind flip,paraphrase --per-kind 100 --budget-usd 2
    """
    from assay.api.augmenting import AugmentRequest  # noqa: PLC0415

    screen = Screen(json_wanted=json)
    request = AugmentRequest(
        kinds=words(kind),
        per_kind=per_kind,
        seed=seed,
        dataset=dataset,
        good=good,
        bad=bad,
        endpoint=endpoint,
        model=model,
        price=None if price_per_million is None else _price(price_per_million),
    )
    plan = _sample_plan(sample, overlap, labellers_each)
    with open_workspace(workspace) as here:
        planned = here.augmenting.plan(criterion, request)
        say_plan(screen, planned)
        limit = _agreed_limit(screen, planned, budget_usd, yes=yes)
        with progress(f"augmenting {criterion}", unit="texts") as report:
            unanswered = here.augmenting.make(planned, limit_usd=limit, on_made=report)
        standing = here.augmenting.standing(planned.record.id)
        if not unanswered and not standing.samples:
            here.augmenting.sample(planned.record.id, plan)
            standing = here.augmenting.standing(planned.record.id)
    say_standing(screen, standing)
    say_next(screen, standing, unanswered)
    screen.done({**standing_values(standing), "cost": cost_values(planned), "unanswered": unanswered})


def sample(
    receipt: ReceiptArgument,
    size: Annotated[int, typer.Option("--sample", metavar="N", help="Texts of each kind that experts answer.")] = 50,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KINDS", help="Only these; by default all that need one.")
    ] = "",
    overlap: OverlapOption = 0.0,
    labellers_each: EachOption = 2,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Queue a random sample for experts: of kinds that have none yet (this ends their making), or were refused.

    Example: assay data augment sample advice-augment-3f2a91c0 --kind flip --sample 40
    """
    screen = Screen(json_wanted=json)
    plan = _sample_plan(size, overlap, labellers_each)
    with open_workspace(workspace) as here:
        queue = here.augmenting.sample(receipt, plan, words(kind))
        standing = here.augmenting.standing(receipt)
    screen.say(f"{queue.record.name}: {queue.record.size:,} texts for experts, blind", style="bold")
    say_next(screen, standing, 0)
    screen.done({**standing_values(standing), "queue": queue.record.name, "queued": queue.record.size})


def accept(
    receipt: ReceiptArgument,
    agreement_floor: Annotated[
        float,
        typer.Option(metavar="SHARE", help="The lower bound of the share of experts' answers that must agree."),
    ] = 0.80,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Keep the kinds that experts agree with, and refuse the others with numbers. Kept rows enter the next freeze.

    Example: assay data augment accept advice-augment-3f2a91c0 --agreement-floor 0.8
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        standing = here.augmenting.accept(receipt, floor=agreement_floor)
    say_standing(screen, standing)
    say_decisions(screen, standing)
    screen.done(standing_values(standing))


def show(receipt: ReceiptArgument, workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """Show a receipt: what was asked for, what became of it, what experts said, what it cost.

    Example: assay data augment show advice-augment-3f2a91c0
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        standing = here.augmenting.standing(receipt)
    say_standing(screen, standing)
    say_decisions(screen, standing)
    for one in standing.kinds:
        for reason, count in list(one.set_aside.items())[:SHOWN_REASONS]:
            screen.say(f"set aside of {one.kind}: {count:,}, {reason}")
    screen.done(standing_values(standing))


def list_receipts(workspace: WorkspaceOption = None, json: JsonOption = False) -> None:
    """List the augmentations, oldest first.

    Example: assay data augment list
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here:
        found = here.augmenting.every()
    rows = [
        (
            one.record.id,
            one.record.dataset,
            ", ".join(f"{kind.kind} ({state_of(kind)})" for kind in one.kinds),
            f"{one.receipt.usd:,.4f}",
        )
        for one in found
    ]
    if rows:
        screen.table(("receipt", "made from", "kinds", "US dollars"), rows, numbers_from=3)
    else:
        screen.say("There is none yet: assay data augment CRITERION --kind KINDS")
    screen.done({"augmentations": [standing_values(one) for one in found]})


def _sample_plan(size: int, overlap: float, labellers_each: int) -> "SamplePlan":
    from assay.api.augmenting import SamplePlan  # noqa: PLC0415

    return SamplePlan(per_kind=size, overlap_share=overlap, labellers_each=labellers_each)


def _price(text: str) -> "Price":
    from assay.llm.prices import Price  # noqa: PLC0415

    try:
        into, out = (float(word) for word in words(text))
    except ValueError:
        into = out = -1.0
    if not (0 <= into < float("inf") and 0 <= out < float("inf")):
        raise InputError(
            "--price-per-million takes two prices.", required="US dollars as IN,OUT, such as 0.15,0.60", got=shown(text)
        )
    return Price(input=into, output=out)


def _agreed_limit(screen: Screen, planned: "Planned", budget_usd: float | None, *, yes: bool) -> float | None:
    """What may be spent on the receipt in all; None for what the plan costs at most. Raises RefusedError."""
    cost = planned.cost
    if budget_usd is not None and not 0 <= budget_usd < float("inf"):
        raise InputError("--budget-usd is an amount.", required="US dollars, 0 or more", got=str(budget_usd))
    if budget_usd is not None or yes or cost.usd_at_most == 0:
        return budget_usd
    question = f"Spend up to ${cost.usd_at_most:,.4f}?"
    if not screen.json_wanted and sys.stdin.isatty() and typer.confirm(question, err=True):
        return None
    raise RefusedError(
        "Nothing was spent: nobody agreed to the cost.",
        required="--budget-usd X, or --yes for the most that is printed",
        got=f"{cost.calls:,} calls, about ${cost.usd:,.4f}, at most ${cost.usd_at_most:,.4f}",
        next_step=f"the same command with --budget-usd {max(cost.usd * 2, 0.01):.2f}",
    )
