"""How often an item is tried: exceptions here and processes elsewhere count together."""

from hypothesis import given
from hypothesis import strategies as st

from circe.job import Job
from circe.retries import LONGEST_RETRY_S, GiveUp, Retries, Retry
from runtime.charges import Charge


def job(root: int = 1, item_id: str = "run-1") -> Job:
    return Job("head", root, 1, item_id, 7, b"1", None, "sender")


def charge(attempts: int, root: int = 1, item_id: str = "run-1") -> Charge:
    return Charge(root=root, item_id=item_id, attempts=attempts, error="died")


@given(st.integers(0, 8), st.integers(0, 8))
def test_it_is_given_up_after_its_retries_whatever_failed(retries: int, charged: int) -> None:
    made, one = Retries(retries), job()
    found = charge(charged)
    made.hear({found.key: found})
    if made.is_over(found):
        assert charged > retries
        return
    answers = []
    while not answers or isinstance(answers[-1], Retry):
        answers.append(made.failed(one))
    assert answers[-1] == GiveUp(retries + 1)
    assert len(answers) + charged == retries + 1
    pauses_s = [answer.pause_s for answer in answers if isinstance(answer, Retry)]
    assert pauses_s == sorted(pauses_s)
    assert all(pause_s <= LONGEST_RETRY_S for pause_s in pauses_s)


def test_the_pauses_of_an_item_that_is_tried_for_ever_stay_numbers() -> None:
    made, one = Retries(10**15), job()
    answers = [made.failed(one) for _ in range(3000)]
    assert answers[-1] == Retry(3000, LONGEST_RETRY_S)


def test_each_item_has_its_own_tries() -> None:
    made, one, other = Retries(1), job(1), job(2)
    assert isinstance(made.failed(one), Retry)
    assert isinstance(made.failed(other), Retry)
    assert made.failed(one) == GiveUp(2)
    assert made.forget(other) == 1
    assert made.forget(other) == 0


def test_a_charge_is_of_the_item_and_of_no_other_with_its_id() -> None:
    made, found = Retries(0), charge(1)
    assert made.charge(job()) is None
    made.hear({found.key: found})
    assert made.charge(job()) == found
    assert made.charge(job(root=2)) is None
    assert made.charge(job(item_id="run-2")) is None


def test_a_long_id_is_recognised() -> None:
    from runtime.slot import slot_id

    made, found = Retries(0), charge(1, item_id=slot_id("x" * 3000))
    made.hear({found.key: found})
    assert made.charge(job(item_id="x" * 3000)) == found
