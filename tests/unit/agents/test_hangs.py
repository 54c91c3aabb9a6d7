"""When an item takes too long, as its worker's parent sees it."""

from hypothesis import given
from hypothesis import strategies as st

from agents.hangs import LONGEST_PAUSE_S, LOOP_GRACE_S, LOST_S, NOBODY, Overdue, Watch, is_lost, pause_s
from runtime.slot import Call, Step

TIMEOUT_S = 2.0
LOOK_S = 0.1


def call(slot: int = 0, started_s: float = 100.0, root: int = 1) -> Call:
    return Call(slot, root, 1, f"run-{root}", started_s)


class Looks:
    """Looks at a worker until something is overdue, or long enough."""

    def __init__(self, timeout_s: float | None = TIMEOUT_S, *, is_loop: bool = False) -> None:
        self.watch = Watch(timeout_s)
        self.is_loop = is_loop
        self.now_s = 100.0

    def look(self, calls: list[Call], step: Step | None = None, *, beats: bool = True) -> Overdue:
        beat_s = self.now_s if beats else 0.0
        found = self.watch.look(self.now_s, calls, is_loop=self.is_loop, step=step, beat_s=beat_s)
        self.now_s += LOOK_S
        return found

    def until_overdue(
        self, calls: list[Call], step: Step | None = None, *, beats: bool = True
    ) -> tuple[float, Overdue]:
        start_s = self.now_s
        for _ in range(200):
            found = self.look(calls, step, beats=beats)
            if found.calls:
                return self.now_s - start_s, found
        return self.now_s - start_s, NOBODY


def test_an_item_is_overdue_after_its_time() -> None:
    after_s, found = Looks().until_overdue([call()])
    assert found == Overdue((call(),), True)
    assert TIMEOUT_S < after_s < TIMEOUT_S + 3 * LOOK_S


def test_without_a_limit_nothing_is() -> None:
    assert Looks(None).until_overdue([call()])[1] == NOBODY


@given(st.lists(st.floats(0.05, 1.9), min_size=1, max_size=20))
def test_items_that_follow_one_another_are_not(lasting_s: list[float]) -> None:
    looks = Looks()
    for root, lasts_s in enumerate(lasting_s):
        started = call(started_s=looks.now_s, root=root)
        ends_s = looks.now_s + lasts_s
        while looks.now_s < ends_s:
            assert looks.look([started]) == NOBODY


def test_time_in_which_nobody_looked_does_not_count() -> None:
    looks = Looks()
    looks.look([call()])
    looks.now_s += 3600
    assert looks.look([call()]) == NOBODY
    after_s, found = looks.until_overdue([call()])
    assert found.calls == (call(),)
    assert after_s > TIMEOUT_S / 2


def test_the_item_that_blocks_a_loop_is_overdue_and_those_behind_it_are_not() -> None:
    looks = Looks(is_loop=True)
    calls = [call(slot, 99.0, slot) for slot in range(4)]
    _, found = looks.until_overdue(calls, Step(2, 100.0), beats=False)
    assert found == Overdue((calls[2],), True)


def test_an_item_that_ignores_the_end_of_its_time_is_overdue_after_a_grace() -> None:
    looks = Looks(is_loop=True)
    for _ in range(int(TIMEOUT_S / LOOK_S)):
        assert looks.look([call(1)]) == NOBODY
    after_s, found = looks.until_overdue([call(1), call(2, started_s=looks.now_s)])
    assert found == Overdue((call(1),), True)
    assert after_s > LOOP_GRACE_S


def test_when_a_loop_is_stuck_in_nobodys_step_it_is_not_known_whose_fault_it_is() -> None:
    looks = Looks(is_loop=True)
    _, found = looks.until_overdue([call(1), call(2, root=2)], beats=False)
    assert found == Overdue((call(1), call(2, root=2)), False)


def test_many_short_steps_are_no_long_one() -> None:
    looks = Looks(is_loop=True)
    for _ in range(100):
        started = call(1, started_s=looks.now_s)
        assert looks.look([started], Step(1, looks.now_s)) == NOBODY


def test_a_worker_that_nobody_hears_any_more_is_lost() -> None:
    assert not is_lost(100.0 + LOST_S, 100.0, 0.0)
    assert is_lost(100.1 + LOST_S, 100.0, 0.0)
    assert not is_lost(100.1 + LOST_S, 100.0, 101.0)
    assert not is_lost(1000.0, 0.0, 0.0)  # it has not begun to speak


def test_looks_are_as_frequent_as_they_need_to_be() -> None:
    assert pause_s(TIMEOUT_S) == LOOK_S
    assert pause_s(0.01) == LOOK_S
    assert pause_s(3600) == pause_s(None) == LONGEST_PAUSE_S
