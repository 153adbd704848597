"""Runs a command line and kills it, with SIGKILL, right before the n-th event that holds a text.

`python killed_at.py EVENT TEXT N WORD…`, EVENT being `open`, `os.rename` or another audit event of Python, whose path
holds the text, or `sql`, a statement that holds it.
"""

import os
import signal
import sys

from sqlalchemy import Engine, event

from assay.cli.app import app


def main(kind: str, text: str, number: int, words: list[str]) -> None:
    left = number

    def count(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if name == kind and any(text in str(argument) for argument in arguments[:2]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    event.listen(
        Engine, "before_cursor_execute", lambda _connection, _cursor, statement, *_: count("sql", (statement,))
    )
    app(words)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
