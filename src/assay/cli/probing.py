"""`assay probe`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli.opening import open_workspace
from assay.cli.options import JsonOption, Ref, WorkspaceOption, words
from assay.cli.progress import progress
from assay.cli.screen import Screen, estimate

if TYPE_CHECKING:
    from assay.validation.probes import Probed

SHOWN = 3


def probe(
    ref: Ref,
    rows: Annotated[int, typer.Option(help="Test rows to probe, at most.")] = 300,
    probes: Annotated[
        str, typer.Option("--probes", metavar="NAMES", help="Only these, such as padding-after,upper-case.")
    ] = "",
    remove: Annotated[
        list[str] | None, typer.Option(metavar="WORDS", help="Also: the texts without these words.")
    ] = None,
    workspace: WorkspaceOption = None,
    json: JsonOption = False,
) -> None:
    """Change what should not matter in test rows (padding, case, order, wording) and count how often the judge flips.

    Example: assay probe advice@candidate --rows 200
    """
    screen = Screen(json_wanted=json)
    with open_workspace(workspace) as here, progress(f"probing {ref}", unit="verdicts") as report:
        done = 0

        def on_batch(size: int) -> None:
            nonlocal done
            done += size
            report(done, None)

        judge, found = here.probe(ref, rows=rows, names=words(probes), remove=tuple(remove or ()), on_batch=on_batch)
    screen.say(f"{judge}: share of answers that flip")
    made = [one for one in found if one.changed]
    screen.table(("probe", "what", "rows", "flips", "how"), [_probe_row(one) for one in made], numbers_from=2)
    if len(made) < len(found):
        screen.say(f"Nothing to change in these rows for: {', '.join(one.probe for one in found if not one.changed)}")
    troubling = [one for one in found if one.troubling]
    for one in troubling:
        screen.say(f"{one.probe}: more than 5 % of the answers flip though the meaning stays.", style="yellow")
        for flip in one.worst[:SHOWN]:
            screen.say(f"  {flip.example}: {flip.before} → {flip.after} ({flip.shift:+.2f} for {flip.label})")
    if not troubling:
        screen.say("No harmless change is shown to flip more than 5 % of the answers.")
    screen.done({"judge": judge, "probes": [_probe_values(one) for one in found]})


def _probe_row(one: "Probed") -> tuple[str, ...]:
    how = ", ".join(f"{count} {way}" for way, count in one.directions.items())
    flips = "-" if one.flips is None else estimate(one.flips.value, one.flips.low, one.flips.high)
    return (one.probe, one.what + ("" if one.harmless else " (may matter)"), f"{one.changed:,}", flips, how)


def _probe_values(one: "Probed") -> dict[str, Any]:
    return {
        "probe": one.probe,
        "what": one.what,
        "harmless": one.harmless,
        "rows": one.changed,
        "flips": None if one.flips is None else one.flips.to_dict(),
        "directions": dict(one.directions),
        "mean_shift": one.mean_shift,
        "troubling": one.troubling,
        "worst": [
            {
                "example": flip.example,
                "before": flip.before,
                "after": flip.after,
                "label": flip.label,
                "shift": flip.shift,
            }
            for flip in one.worst
        ],
    }
