"""The breaker: opens after failures in a row, tries one request after a while, never by the wall clock."""

from assay.serving.breaker import Breaker, Breakers


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def failing(breaker, times):
    for _ in range(times):
        assert breaker.admits()
        breaker.failed()


def test_it_opens_after_failures_in_a_row_and_not_before():
    breaker = Breaker(failures=3, open_s=10, clock=Clock())
    failing(breaker, 2)
    assert breaker.admits()
    breaker.succeeded()
    failing(breaker, 3)
    assert breaker.state == "open"
    assert not breaker.admits()


def test_one_request_is_the_trial():
    clock = Clock()
    breaker = Breaker(failures=1, open_s=10, clock=clock)
    failing(breaker, 1)
    clock.now = 9.99
    assert not breaker.admits()
    clock.now = 10.0
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.failed()
    assert not breaker.admits()
    clock.now = 20.0
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.state == "closed"


def test_a_trial_that_was_given_up_is_free_again():
    clock = Clock()
    breaker = Breaker(failures=1, open_s=10, clock=clock)
    failing(breaker, 1)
    clock.now = 10.0
    assert breaker.admits()
    breaker.gave_up()
    assert breaker.admits()


def test_a_name_has_one_breaker():
    breakers = Breakers(lambda: Breaker(failures=1))
    breakers.of("llm/a").failed()
    breakers.of("llm/b")
    assert breakers.of("llm/a") is breakers.of("llm/a")
    assert breakers.states() == {"llm/a": "open", "llm/b": "closed"}
