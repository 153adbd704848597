"""One thread for all engines of a device: the most urgent first, and gone with the last of them."""

import threading

import pytest

from assay.inference.device_thread import DeviceThread, thread_of


class Engine:
    """Its work is a list of urgencies; what was done goes into a list that engines share."""

    def __init__(self, name, done, work=()):
        self.name = name
        self.done = done
        self.work = list(work)
        self.threads = set()
        self.idle = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def urgency(self):
        return min(self.work) if self.work else None

    def step(self):
        self.threads.add(threading.current_thread())
        self.gate.wait(10)
        most = min(self.work)
        self.work.remove(most)
        self.done.append((self.name, most[0]))
        if not self.work:
            self.idle.set()


@pytest.fixture
def thread(request):
    return DeviceThread(request.node.name)


def named(thread_name):
    return [one for one in threading.enumerate() if one.name == f"assay-engine-{thread_name}"]


def test_the_most_urgent_of_all_engines_goes_first_in_one_thread(thread, request):
    done = []
    first = Engine("first", done, [(0, 0.0, 0)])
    first.gate.clear()
    thread.join(first)
    other = Engine("other", done, [(2, 5.0, 1), (0, 1.0, 2)])
    thread.join(other)
    first.work += [(1, 9.0, 3), (3, 0.0, 4)]
    thread.wake()
    first.gate.set()
    assert first.idle.wait(10)
    assert other.idle.wait(10)
    assert done == [("first", 0), ("other", 0), ("first", 1), ("other", 2), ("first", 3)]
    assert first.threads == other.threads == set(named(request.node.name))
    thread.leave(first)
    thread.leave(other)


def test_it_ends_with_its_last_engine_and_begins_again_with_the_next(thread, request):
    one, two = Engine("one", []), Engine("two", [])
    thread.join(one)
    thread.join(two)
    (running,) = named(request.node.name)
    thread.leave(one)
    two.work.append((0, 0.0, 0))
    thread.wake()
    assert two.idle.wait(10)
    thread.leave(two)
    running.join(10)
    assert not running.is_alive()
    three = Engine("three", [], [(0, 0.0, 0)])
    thread.join(three)
    assert three.idle.wait(10)
    thread.leave(three)
    thread.leave(three)  # a second time is nothing


def test_a_device_has_one():
    assert thread_of("a device") is thread_of("a device")
    assert thread_of("a device") is not thread_of("another device")
