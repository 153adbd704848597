"""DeviceThread: the one thread of this process that computes on a device, for all of its engines.

    thread = thread_of("cpu")
    thread.join(engine)         # from now on the thread takes its steps, the most urgent of all engines first
    thread.wake()               # there is something to do
    thread.leave(engine)

Passes of two engines on the same cores gain nothing from running at once, and lose much: each thread that multiplies on
a CPU gets a pool of workers (OpenMP), and with more workers than cores the OpenMP of PyTorch's wheels stops spinning,
so that every small product waits for a wake-up (docs/LOG.md). And what is urgent goes first, whatever its model. The
thread ends with its last engine, and its workers with it.
"""

import threading
from typing import Protocol, TypeAlias

Urgency: TypeAlias = tuple[int, float, int]  # the priority, the deadline in monotonic seconds, the number: least first


class Steps(Protocol):
    """An engine, as its device sees it."""

    def urgency(self) -> Urgency | None:
        """Of its most urgent work; None while it has none."""
        ...

    def step(self) -> None:
        """Do some of it, the most urgent included. It must not raise."""
        ...


class DeviceThread:
    """See the module. All methods may be called from any thread."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._changed = threading.Condition()  # guards what follows; engines' own locks are taken inside it
        self._engines: list[Steps] = []
        self._runs = False

    def join(self, engine: Steps) -> None:
        """Take the steps of an engine from now on."""
        with self._changed:
            self._engines.append(engine)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._loop, name=f"assay-engine-{self._device}", daemon=True).start()

    def leave(self, engine: Steps) -> None:
        """Take no more of them; one that has begun goes on."""
        with self._changed:
            if engine in self._engines:
                self._engines.remove(engine)
            self._changed.notify()

    def wake(self) -> None:
        """Look again at who has work."""
        with self._changed:
            self._changed.notify()

    def _loop(self) -> None:
        while (engine := self._next()) is not None:
            engine.step()
            del engine  # a thread that waits must hold no model

    def _next(self) -> Steps | None:
        """Who has the most urgent work, once there is some; None where all engines have left."""
        with self._changed:
            while self._engines:
                waiting = [(urgency, engine) for engine in self._engines if (urgency := engine.urgency()) is not None]
                if waiting:
                    return min(waiting, key=lambda one: one[0])[1]
                self._changed.wait()
            self._runs = False
            return None


_threads: dict[str, DeviceThread] = {}


def thread_of(device: str) -> DeviceThread:
    """The one of this process."""
    return _threads.setdefault(device, DeviceThread(device))
