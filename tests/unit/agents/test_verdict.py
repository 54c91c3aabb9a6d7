"""Who is charged with the end of a worker's process, and with how much."""

import signal
from typing import Any

import pytest

from agents.hangs import Overdue
from agents.ledger import DOUBTFUL_PER_ATTEMPT, MOST_ITEMS, Ledger
from agents.verdict import INNOCENT, Death, Verdict, judge
from runtime.charges import decode_charges
from runtime.slot import NOTE_BYTES, Call, Step


def call(root: int = 1, slot: int = 0) -> Call:
    return Call(slot, root, 1, f"run-{root}", 10.0 + root)


def death(status: int, *calls: Call, **facts: Any) -> Death:
    return Death(status=status, calls=calls, **facts)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (-signal.SIGSEGV, "the task's process died: segmentation fault"),
        (-signal.SIGABRT, "the task's process died: aborted"),
        (-signal.SIGBUS, "the task's process died: bus error"),
        (-signal.SIGALRM, "the task's process died: it was killed by SIGALRM"),
        (3, "the task's process died: it ended itself with status 3"),
        (0, "the task's process died: it ended itself with status 0"),
    ],
)
def test_the_item_in_user_code_is_guilty(status: int, error: str) -> None:
    assert judge(death(status, call())) == Verdict(guilty=(call(),), error=error)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_nobody_is_charged_with_what_came_from_outside(number: signal.Signals) -> None:
    assert judge(death(-number, call())) == INNOCENT


def test_nobody_is_charged_who_was_not_in_user_code() -> None:
    assert judge(death(-signal.SIGSEGV)) == INNOCENT


def test_who_left_last_is_doubted_when_the_process_died_of_itself() -> None:
    late = judge(death(-signal.SIGSEGV, last_calls=(call(),)))
    assert (late.guilty, late.is_doubtful, late.had_left, late.is_known) == ((call(),), True, True, False)
    assert judge(death(3, last_calls=(call(),))).guilty == (call(),)
    assert judge(death(-signal.SIGKILL, last_calls=(call(),), is_out_of_memory=True)).guilty == (call(),)
    for innocent in (-signal.SIGKILL, -signal.SIGTERM):
        assert judge(death(innocent, last_calls=(call(),))) == INNOCENT
    assert judge(death(1, last_calls=(call(),), is_leaving=True)) == INNOCENT
    assert judge(death(-signal.SIGSEGV, call(2), last_calls=(call(1),))).guilty == (call(2),)


def test_nobody_is_charged_when_the_worker_left_by_itself() -> None:
    assert judge(death(1, call(), is_leaving=True)) == INNOCENT


def test_a_kill_is_doubtful_unless_the_memory_was_gone() -> None:
    killed = judge(death(-signal.SIGKILL, call()))
    assert (killed.guilty, killed.is_doubtful, killed.is_known) == ((call(),), True, False)
    starved = judge(death(-signal.SIGKILL, call(), is_out_of_memory=True))
    assert starved == Verdict(guilty=(call(),), error="killed: out of memory?")
    assert starved.is_known


def test_of_several_the_one_whose_step_it_was_is_guilty() -> None:
    calls = [call(root, root) for root in range(4)]
    assert judge(death(-signal.SIGSEGV, *calls, step=Step(2, 1.0))).guilty == (calls[2],)


def test_of_several_in_nobodys_step_all_are_suspects() -> None:
    calls = (call(1, 1), call(2, 2))
    verdict = judge(death(-signal.SIGSEGV, *calls))
    assert (verdict.guilty, verdict.suspects, verdict.is_known) == ((), calls, True)
    assert judge(death(-signal.SIGKILL, *calls)) == INNOCENT


def test_who_hung_is_guilty_and_not_who_came_after_it() -> None:
    overdue = Overdue((call(1),), True)
    hung = judge(death(-signal.SIGKILL, call(1), overdue=overdue, timeout_s=2.0))
    assert hung == Verdict(guilty=(call(1),), error="took longer than timeout_s 2 s")
    assert judge(death(-signal.SIGKILL, call(2), overdue=overdue)).guilty == ()
    assert judge(death(-signal.SIGKILL, call(1), overdue=Overdue((), True))) == INNOCENT
    calls = (call(1, 1), call(2, 2))
    stuck = judge(death(-signal.SIGKILL, *calls, overdue=Overdue(calls[:1], False), timeout_s=2.0))
    assert (stuck.guilty, stuck.suspects) == ((), calls)


def charges(ledger: Ledger) -> dict[int, tuple[int, bool]]:
    return {found.root: (found.attempts, found.is_suspect) for found in decode_charges(ledger.note()).values()}


def test_a_ledger_counts_the_guilty_alone() -> None:
    ledger = Ledger()
    ledger.take(Verdict(suspects=(call(1), call(2)), error="e"))
    assert charges(ledger) == {1: (0, True), 2: (0, True)}
    for _ in range(2):
        ledger.take(Verdict(guilty=(call(2),), error="e"), "stack")
    assert charges(ledger) == {1: (0, True), 2: (2, False)}
    found = decode_charges(ledger.note())[call(2).key]
    assert (found.error, found.traceback, ledger.attempts(call(2))) == ("e", "stack", 2)


def test_only_many_unexplained_kills_make_an_attempt() -> None:
    ledger = Ledger()
    for number in range(1, 3 * DOUBTFUL_PER_ATTEMPT + 1):
        ledger.take(Verdict(guilty=(call(),), error="killed", is_doubtful=True))
        assert ledger.attempts(call()) == number // DOUBTFUL_PER_ATTEMPT


def test_a_ledger_is_bounded_and_forgets_the_oldest() -> None:
    ledger = Ledger()
    for root in range(MOST_ITEMS + 10):
        ledger.take(Verdict(guilty=(call(root),), error="e"), "t" * 10_000)
        ledger.take(Verdict(guilty=(call(root),), error="e", is_doubtful=True))
    assert ledger.attempts(call(0)) == 0
    assert ledger.attempts(call(MOST_ITEMS + 9)) == 1
    assert len(ledger.note()) <= NOTE_BYTES
    assert MOST_ITEMS + 9 in charges(ledger)
