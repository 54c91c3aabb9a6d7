"""The executor's decisions: level-triggered, make-before-break, and patient with what crashes."""

from hypothesis import given
from hypothesis import strategies as st

from agents.plan import HEALTHY_AFTER_S, LONGEST_DELAY_S, Backoff, Running, Start, Stop, pause_s, plan
from runtime.records import DesiredWorker, EdgeRecord

TASKS = ("a", "b")
DIGESTS = ("old", "new")


def wanted(task: str = "a", digest: str = "new", replicas: int = 1) -> DesiredWorker:
    return DesiredWorker(app="app", task=task, node="n", digest=digest, epoch=1, replicas=replicas)


def worker(incarnation: str, task: str = "a", digest: str = "new", is_stopping: bool = False) -> Running:
    return Running(app="app", task=task, digest=digest, incarnation=incarnation, is_stopping=is_stopping)


def edges(*incarnations: str) -> dict[str, EdgeRecord]:
    return {"app": EdgeRecord(app="app", revision=1, workers={"a": incarnations})}


desired_workers = st.lists(
    st.builds(wanted, st.sampled_from(TASKS), st.sampled_from(DIGESTS), st.integers(0, 3)),
    unique_by=lambda each: each.task,
)
running_workers = st.lists(
    st.builds(worker, st.uuids().map(str), st.sampled_from(TASKS), st.sampled_from(DIGESTS), st.booleans()),
    max_size=6,
)


@given(desired_workers, running_workers, st.data())
def test_obeying_the_plan_reaches_what_is_desired(
    desired: list[DesiredWorker], running: list[Running], data: st.DataObject
) -> None:
    names = [each.incarnation for each in running]
    listed = edges(*data.draw(st.lists(st.sampled_from(names), unique=True) if names else st.just([])))
    actions = plan(desired, running, listed, {}, 0.0)
    stopped = {action.incarnation for action in actions if isinstance(action, Stop)}
    assert not stopped & listed["app"].incarnations()
    started = [action.worker for action in actions if isinstance(action, Start)]
    after = [each for each in running if each.incarnation not in stopped and not each.is_stopping]
    after += [worker(f"new-{n}", each.task, each.digest) for n, each in enumerate(started)]
    assert plan(desired, after, listed, {}, 0.0) == []
    for each in desired:
        current = [one for one in after if (one.task, one.digest) == (each.task, each.digest)]
        assert len(current) >= each.replicas
    # Once the senders were switched, exactly what is desired is left.
    ended = {action.incarnation for action in plan(desired, after, {}, {}, 0.0) if isinstance(action, Stop)}
    left = sorted((one.task, one.digest) for one in after if one.incarnation not in ended)
    assert left == sorted((each.task, each.digest) for each in desired for _ in range(each.replicas))


def test_new_code_starts_before_the_old_one_stops() -> None:
    running = [worker("a-1", digest="old")]
    assert plan([wanted()], running, edges("a-1"), {}, 0.0) == [Start(wanted())]
    running.append(worker("a-2"))
    assert plan([wanted()], running, edges("a-1"), {}, 0.0) == []
    assert plan([wanted()], running, edges("a-2"), {}, 0.0) == [Stop("a-1")]


def test_a_task_moved_away_stays_until_nobody_sends_to_it() -> None:
    assert plan([], [worker("a-1")], edges("a-1"), {}, 0.0) == []
    assert plan([], [worker("a-1")], edges("elsewhere"), {}, 0.0) == [Stop("a-1")]
    assert plan([], [worker("a-1")], {}, {}, 0.0) == [Stop("a-1")]


def test_fewer_replicas_end_the_one_that_senders_dropped() -> None:
    running = [worker("a-1"), worker("a-2")]
    assert plan([wanted()], running, edges("a-1", "a-2"), {}, 0.0) == []
    assert plan([wanted()], running, edges("a-2"), {}, 0.0) == [Stop("a-1")]


def test_a_crashed_worker_waits_and_new_code_does_not() -> None:
    backoffs = {("app", "a", "old"): Backoff(0.1, 5.0)}
    assert plan([wanted(digest="old")], [], {}, backoffs, 4.9) == []
    assert plan([wanted(digest="old")], [], {}, backoffs, 5.0) == [Start(wanted(digest="old"))]
    assert plan([wanted()], [], {}, backoffs, 4.9) == [Start(wanted())]


def test_the_pause_doubles_up_to_a_bound_and_a_long_life_forgives() -> None:
    backoff = Backoff()
    delays = []
    for _ in range(10):
        backoff = backoff.after_crash(lived_s=0.1, now_s=100.0)
        delays.append(backoff.delay_s)
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert delays[-1] == LONGEST_DELAY_S
    assert backoff.after_crash(lived_s=HEALTHY_AFTER_S, now_s=0.0).delay_s == 0.1


@given(st.floats(0, 1e6), st.lists(st.floats(0, 1e6), max_size=4))
def test_a_start_that_is_put_off_is_never_forgotten(now_s: float, ends_s: list[float]) -> None:
    backoffs = {("app", f"t{index}", "new"): Backoff(1.0, until_s) for index, until_s in enumerate(ends_s)}
    put_off = [
        wanted(kind[1]) for kind, each in backoffs.items() if not plan([wanted(kind[1])], [], {}, backoffs, now_s)
    ]
    pause = pause_s(backoffs.values(), now_s)
    assert (pause is None) == (not put_off)
