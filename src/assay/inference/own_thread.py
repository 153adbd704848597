"""A thread for work that multiplies beside an engine, so that it leaves no idle workers behind."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_a_thread_of_its_own(work: Callable[[], T]) -> T:
    """Run something that multiplies in a thread that ends with it.

    Each thread that multiplies on a CPU gets a pool of workers (OpenMP) that lives as long as the thread does. With
    more workers than cores the OpenMP of PyTorch's wheels stops spinning, and every small product waits for a
    wake-up: a text of 128 tokens took 30 ms on two cores beside one idle pool, and 16 ms without it.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="assay-engine-load")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
