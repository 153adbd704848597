"""Runs a command line and kills it, with SIGKILL, right before the n-th file event whose path holds a text.

`python killed_at.py EVENT TEXT N WORD…`, EVENT being `open`, `os.rename` or another audit event of Python.
"""

import os
import signal
import sys

from assay.cli.app import app


def main(event: str, text: str, number: int, words: list[str]) -> None:
    left = number

    def count(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if name == event and any(text in str(argument) for argument in arguments[:2]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    app(words)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
