"""The processes of one training: this one alone, or those that `torchrun` started for it.

All of them read the same rows and compute; the first one alone locks, shows progress, calibrates and writes, and the
others get what came of it. Outside `torchrun` there is one, and nothing here does anything.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

Value = TypeVar("Value")


def _state() -> PartialState:
    return PartialState(cpu=not torch.cuda.is_available())


def is_first() -> bool:
    """True in the process that writes."""
    return bool(_state().is_main_process)


def rows_a_step(batch_size: int) -> tuple[int, int]:
    """Rows of one device and of all devices in a step: `batch_size` shared out, rounded up to whole rows a device."""
    devices = _state().num_processes
    if devices == 1:
        devices = max(1, torch.cuda.device_count())  # the Trainer then splits batches among them itself
    each = -(-batch_size // devices)
    return each, each * devices


@contextmanager
def first_goes_first() -> Iterator[None]:
    """The first process does what stands here, then the others."""
    with _state().main_process_first():
        yield


def from_first(value: Value | None) -> Value:
    """What the first process has, in all of them; the others wait for it."""
    state = _state()
    held = [value]
    if state.num_processes > 1:
        broadcast_object_list(held, from_process=0)
    assert held[0] is not None  # noqa: S101 - the first process gives a value or dies, and torchrun ends the others
    return held[0]
