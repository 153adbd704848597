"""A program that kills a run at every step it takes in the file system, and finishes each by the same command.

`python kill_steps.py IN FOLDER SUFFIX`: for k = 1, 2, … a forked child judges IN and is killed by SIGKILL right before
its k-th opening, renaming, cutting or removing of a file in the folder, until a child ends unkilled. Prints the number
of steps as its last line. Every finished output is `FOLDER/k/outSUFFIX`.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from plain_judge import PlainJudge, do_nothing

from assay.serving.batch import BatchSettings, judge_file, part_files

STEPS = ("open", "os.rename", "os.remove", "os.truncate")
MAX_STEPS = 300


def kill_at(step: int, folder: Path) -> None:
    """From now on, die at the step-th change in the folder."""
    left = step

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in STEPS and str(arguments[0]).startswith(str(folder)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def in_child(work: Callable[[], object]) -> int:
    """Do it in a forked process; its status as `os.waitpid` gives it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def main() -> None:
    source, root, suffix = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    part_files.COMMIT_EVERY_S = 0.0  # every row is a commit: more steps to die at
    os.fsync = do_nothing
    settings = BatchSettings(window_rows=2)
    for step in range(1, MAX_STEPS):
        folder = root / str(step)
        folder.mkdir()
        out = folder / f"out{suffix}"

        def dies(step: int = step, folder: Path = folder, out: Path = out) -> None:
            kill_at(step, folder)
            judge_file(PlainJudge(), source, out, settings)

        died = in_child(dies)
        over = out.exists() and not out.with_name(out.name + ".part.json").exists()
        if not over and in_child(lambda out=out: judge_file(PlainJudge(), source, out, settings)) != 0:
            sys.exit(f"step {step}: the second run failed")
        if died == 0:
            print(step)
            return
    sys.exit(f"more than {MAX_STEPS} steps")


if __name__ == "__main__":
    main()
