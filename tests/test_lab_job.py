"""The desk: in order, the newest wins, what is cancelled is never delivered, no thread is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from toyflows.lab._job import Cancelled, Desk, Job, Slot

WAIT = 20.0  # seconds: a thread that never answers fails the test


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk(1)
    yield made
    made.close()
    for thread in made.threads:
        thread.join(WAIT)
        assert not thread.is_alive()


class Asked:
    """A visitor's place that notes what is delivered to it."""

    def __init__(self, desk: Desk):
        self.slot = Slot(desk)
        self.told: list[Any] = []
        self.done: list[Any] = []
        self.failed: list[Exception] = []
        self.news = threading.Event()

    def ask(self, work: Any) -> Job:
        self.news.clear()
        return self.slot.ask(work, self.told.append, self._note(self.done), self._note(self.failed))

    def _note(self, where: list[Any]) -> Any:
        def note(what: Any) -> None:
            where.append(what)
            self.news.set()

        return note

    def wait(self) -> None:
        assert self.news.wait(WAIT)


class Gate:
    """Work that says when it runs, and ends when it is let."""

    def __init__(self, value: Any = None):
        self.began, self.let, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.value = value

    def __call__(self, job: Job) -> Any:
        self.began.set()
        try:
            while not self.let.wait(0.001):
                job.check()
            return self.value
        finally:
            self.ended.set()


def test_jobs_come_in_order(desk: Desk) -> None:
    gate, order, people = Gate(), list[int](), [Asked(desk) for _ in range(5)]
    people[0].ask(gate)
    assert gate.began.wait(WAIT)
    jobs = [p.ask(lambda job, k=k: order.append(k)) for k, p in enumerate(people[1:])]
    assert [desk.before(job) for job in jobs] == [0, 1, 2, 3]
    gate.let.set()
    people[-1].wait()
    assert order == [0, 1, 2, 3]


def test_the_newest_of_a_visitor_wins_and_keeps_the_place_in_the_line(desk: Desk) -> None:
    gate, order = Gate(), list[str]()
    first, second, third = (Asked(desk) for _ in range(3))
    first.ask(gate)
    assert gate.began.wait(WAIT)
    for k in range(20):
        second.ask(lambda job, k=k: order.append(f"second {k}"))
        if k == 10:
            third.ask(lambda job: order.append("third"))
    assert len(desk.line) == 2
    gate.let.set()
    third.wait()
    assert order == ["second 19", "third"]
    assert len(second.done) == 1


def test_running_work_that_is_cancelled_ends_and_delivers_nothing(desk: Desk) -> None:
    visitor, gate = Asked(desk), Gate("old")
    old = visitor.ask(gate)
    assert gate.began.wait(WAIT)
    visitor.ask(lambda job: "new")
    visitor.wait()
    assert gate.ended.is_set()
    assert visitor.done == ["new"]
    assert old.cancelled
    assert not old.busy
    assert not visitor.failed


def test_work_that_does_not_look_is_not_delivered_either(desk: Desk) -> None:
    visitor, went_on = Asked(desk), threading.Event()

    def deaf(job: Job) -> str:
        visitor.slot.leave()  # cancelled in the middle, by the visitor
        went_on.set()
        return "deaf"

    visitor.ask(deaf)
    assert went_on.wait(WAIT)
    visitor.ask(lambda job: "new")
    visitor.wait()
    assert visitor.done == ["new"]


def test_a_part_is_told_only_while_it_is_wanted(desk: Desk) -> None:
    visitor, caught = Asked(desk), list[bool]()

    def work(job: Job) -> None:
        job.tell(1)
        visitor.slot.leave()
        try:
            job.tell(2)
        except Cancelled:
            caught.append(True)
            raise

    visitor.ask(work)
    visitor.ask(lambda job: None) if caught else None
    other = Asked(desk)
    other.ask(lambda job: None)
    other.wait()
    assert visitor.told == [1]
    assert caught == [True]
    assert not visitor.done


def test_who_leaves_leaves_the_line(desk: Desk) -> None:
    gate, people = Gate(), [Asked(desk) for _ in range(3)]
    people[0].ask(gate)
    assert gate.began.wait(WAIT)
    people[1].ask(lambda job: 1)
    people[2].ask(lambda job: 2)
    people[1].slot.leave()
    assert len(desk.line) == 1
    gate.let.set()
    people[2].wait()
    assert not people[1].done


@pytest.mark.parametrize("error", [ValueError("x"), MemoryError(), RecursionError(), KeyError(1)])
def test_failing_work_tells_and_the_next_is_served(desk: Desk, error: Exception) -> None:
    visitor = Asked(desk)

    def fail(job: Job) -> None:
        raise error

    visitor.ask(fail)
    visitor.wait()
    assert visitor.failed == [error]
    visitor.ask(lambda job: "on")
    visitor.wait()
    assert visitor.done == ["on"]


def test_a_page_that_cannot_be_told_costs_no_thread(desk: Desk, capfd: Any) -> None:
    visitor, gone = Asked(desk), Slot(desk)

    def broken(_: Any) -> None:
        raise RuntimeError("the page has gone")

    gone.ask(lambda job: 1, broken, broken, broken)
    visitor.ask(lambda job: "on")
    visitor.wait()
    assert visitor.done == ["on"]
    assert "the page has gone" in capfd.readouterr().err


def test_a_long_job_lets_others_go_first_and_goes_on(desk: Desk) -> None:
    """On one core, two that never end by themselves and one that is short."""
    endless = [Gate(k) for k in range(2)]
    greedy = [Asked(desk) for _ in endless]
    jobs = [person.ask(gate) for person, gate in zip(greedy, endless, strict=True)]
    for gate in endless:
        assert gate.began.wait(WAIT)  # the second begins although the first does not end
    short = Asked(desk)
    short.ask(lambda job: "short")
    short.wait()
    assert short.done == ["short"]
    assert len(desk.running) == 2
    greedy[0].slot.leave()
    assert endless[0].ended.wait(WAIT)
    assert jobs[1].busy
    endless[1].let.set()
    greedy[1].wait()
    assert greedy[1].done == [1]
    assert not greedy[0].done


def test_closing_cancels_what_waits_and_what_runs() -> None:
    desk = Desk(1)
    running, waiting = Asked(desk), Asked(desk)
    gate = Gate()
    jobs = [running.ask(gate)]
    assert gate.began.wait(WAIT)
    jobs.append(waiting.ask(lambda job: 1))
    desk.close()
    desk.threads[0].join(WAIT)
    assert not desk.threads[0].is_alive()
    assert gate.ended.is_set()
    assert all(job.cancelled for job in jobs)
    assert not waiting.done
    assert waiting.ask(lambda job: 2).cancelled  # it is closed for ever


def test_many_visitors_who_change_their_minds_get_their_last_wish_and_only_once() -> None:
    """Without a deadlock, on two threads; each computation takes a random while."""
    desk, rng = Desk(2), np.random.default_rng(0)
    people = [Asked(desk) for _ in range(12)]
    spins = rng.integers(0, 400, (12, 60))

    def work(k: int, n: int) -> Any:
        def compute(job: Job) -> tuple[int, int]:
            for _ in range(n):
                job.check()
            return k, n

        return compute

    def visit(k: int) -> None:
        for n in spins[k].tolist():
            people[k].ask(work(k, n))
        people[k].wait()

    threads = [threading.Thread(target=visit, args=(k,)) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    desk.close()
    for thread in desk.threads:
        thread.join(WAIT)
    for k, person in enumerate(people):
        assert person.done[-1] == (k, int(spins[k][-1]))
        assert not person.failed
        assert {found[0] for found in person.done} == {k}
    assert not desk.line
    assert not desk.running
