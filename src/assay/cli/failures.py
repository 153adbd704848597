"""From an exception to a sentence and an exit status.

0 done · 1 a check said no (`gate --check`, `doctor`) · 2 a refusal with a sentence · 70 a mistake of ours · 130 stopped
"""

import sys
import traceback
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from assay.cli.screen import print_json, printable
from assay.config import debug_wanted
from assay.schema.errors import AssayError

REFUSED = 2
BROKEN = 70
STOPPED = 130


def report_failure(error: Exception, arguments: list[str]) -> int:
    """Say what went wrong, as JSON too where `--json` is among the arguments. Returns the exit status."""
    described, status = _described(error)
    if status == BROKEN and ("--debug" in arguments or debug_wanted()):
        traceback.print_exception(error, file=sys.stderr)
    if "--json" in arguments:
        print_json({"error": described})
    else:
        print_block(described)
    return status


def report_stop(arguments: list[str]) -> int:
    """Say what the same command would do now. Returns the exit status."""
    goes_on = "goes on from here" if _resumes(arguments) else "begins at the first row"
    print(f"\nStopped. Nothing is half-written; the same command {goes_on}.", file=sys.stderr)
    return STOPPED


def _resumes(arguments: list[str]) -> bool:
    """Whether a command finds what it has done: not what it read from standard input, or printed instead of writing."""
    if next((word for word in arguments if not word.startswith("-")), None) != "judge":
        return True
    return "-" not in arguments and any(word.startswith(("-o", "--out")) for word in arguments)


def _described(error: Exception) -> tuple[dict[str, Any], int]:
    if isinstance(error, AssayError):
        return error.to_dict(), REFUSED
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "assay"
        return {
            "code": "bad-usage",
            "problem": error.format_message(),
            "next_step": f"{path} --help",
        }, REFUSED
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return {
            "code": "system",
            "problem": f"The system refused: {error.strerror}{where}.",
            "next_step": "check the disk's room and who may write there, then run the same command again",
        }, REFUSED
    return {
        "code": "internal",
        "problem": f"Assay made a mistake: {type(error).__name__}: {str(error)[:200]}",
        "next_step": "run it again with --debug and report what it prints",
    }, BROKEN


def print_block(described: dict[str, Any]) -> None:
    """Say on stderr what is wrong, what was required, what came and what to do next."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(Text(printable(described["problem"])), style="bold red")
    for part, heading in (("required", "Required"), ("got", "Got"), ("next_step", "Next")):
        if described.get(part):
            console.print(Text(f"  {heading}: {printable(described[part])}"))
