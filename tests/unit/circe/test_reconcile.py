"""What the dispatcher decides, picture by picture."""

from __future__ import annotations

from dataclasses import replace

from circe.reconcile import decide, is_ready_to_drain, leaving_queues
from runtime.app import App, SourceTask
from runtime.graph import Task, TaskGraph
from runtime.mapping import TaskMapping
from runtime.network import HOME
from runtime.records import DRAINING, READY, Beat, EdgeRecord


def app(digest: str = "d1") -> App:
    tasks = [
        Task(name="first", script="first.py", children=("last",)),
        Task(name="last", script="last.py", children=(HOME,)),
    ]
    return App(name="demo", graph=TaskGraph({task.name: task for task in tasks}, ("first",)), digest=digest)


def beat(task: str, node: str, number: int, digest: str = "d1", state: str = READY) -> Beat:
    return Beat(app="demo", task=task, incarnation=f"{task}-{number}", node=node, state=state, digest=digest)


def mapping(first: str = "node1", last: str = "node2", digest: str = "") -> TaskMapping:
    return TaskMapping(assignment={"first": first, "last": last}, digest=digest)


GATEWAY = beat(HOME, "home", 1)
RUNNING = [GATEWAY, beat("first", "node1", 1), beat("last", "node2", 1)]


def settled() -> EdgeRecord:
    return decide(app(), mapping(), 7, RUNNING, None).edges


def test_nothing_runs_without_a_mapping() -> None:
    decision = decide(app(), None, 0, [GATEWAY], None)
    assert decision.workers is None
    assert decision.edges.workers == {}
    assert decision.message == "waiting for a mapping"


def test_nobody_reads_inputs_before_it_is_known_which_tasks_they_are_for() -> None:
    """They became dead letters: no task took them."""
    before = decide(app(), None, 0, [GATEWAY], None).edges
    assert before.gateway is None
    assert decide(app(), mapping(), 7, [GATEWAY], before).edges.gateway == "home-1"


def test_an_application_that_was_deleted_and_is_there_again_begins_anew() -> None:
    edges = settled()
    again = decide(app(), None, 0, RUNNING, edges, run="another").edges
    assert (again.run, again.workers, again.heads) == ("another", {}, {})
    assert again.revision > edges.revision


def test_every_task_is_wanted_on_its_node() -> None:
    decision = decide(app(), mapping(), 7, [], None)
    assert [(worker.task, worker.node, worker.digest, worker.epoch) for worker in decision.workers] == [
        ("first", "node1", "d1", 7),
        ("last", "node2", "d1", 7),
    ]
    assert decision.message == "waiting for first, last"


def test_ready_workers_and_the_gateway_enter_the_record() -> None:
    edges = settled()
    assert edges.workers == {"first": ("first-1",), "last": ("last-1",)}
    assert (edges.gateway, edges.entries, edges.digest, edges.epoch) == ("home-1", ("first",), "d1", 7)
    assert edges.segments == {HOME: ("first", "last")}
    assert edges.nodes == {"first-1": "node1", "last-1": "node2", "home-1": "home"}


def test_the_same_picture_changes_nothing() -> None:
    edges = settled()
    assert decide(app(), mapping(), 7, RUNNING, edges).edges == edges


def test_a_moved_task_stays_where_it_is_until_its_replacement_is_ready() -> None:
    edges = settled()
    moving = decide(app(), mapping(last="node3"), 8, RUNNING, edges)
    assert moving.edges.workers["last"] == ("last-1",)
    assert moving.message == "waiting for last"
    moved = decide(app(), mapping(last="node3"), 8, [*RUNNING, beat("last", "node3", 2)], moving.edges)
    assert moved.edges.workers["last"] == ("last-2",)
    assert moved.edges.revision > moving.edges.revision


def test_a_dead_worker_leaves_the_record_at_once() -> None:
    assert decide(app(), mapping(), 7, RUNNING[:2], settled()).edges.workers["last"] == ()


def test_a_worker_that_drains_is_not_sent_to() -> None:
    beats = [*RUNNING[:2], replace(RUNNING[2], state=DRAINING), beat("last", "node2", 2)]
    assert decide(app(), mapping(), 7, beats, settled()).edges.workers["last"] == ("last-2",)


def test_new_code_is_switched_for_all_tasks_at_once() -> None:
    half = [*RUNNING, beat("first", "node1", 2, "d2")]
    waiting = decide(app("d2"), mapping(), 8, half, settled())
    assert waiting.edges.workers == {"first": ("first-1",), "last": ("last-1",)}
    assert waiting.edges.digest == "d1"
    switched = decide(app("d2"), mapping(), 8, [*half, beat("last", "node2", 2, "d2")], waiting.edges)
    assert switched.edges.workers == {"first": ("first-2",), "last": ("last-2",)}
    assert switched.edges.digest == "d2"


def test_a_second_gateway_waits_for_the_first_to_end() -> None:
    second = beat(HOME, "home", 0)
    assert decide(app(), mapping(), 7, [second, *RUNNING], settled()).edges.gateway == "home-1"
    assert decide(app(), mapping(), 7, [second, *RUNNING[1:]], settled()).edges.gateway == "home-0"


def test_a_mapping_that_misses_a_task_is_refused_and_the_old_one_stays() -> None:
    decision = decide(app(), TaskMapping(assignment={"first": "node1"}), 8, RUNNING, settled())
    assert decision.message == "the mapping names no node for last"
    assert decision.workers is None
    assert decision.edges == settled()


def test_a_mapping_for_another_version_is_refused() -> None:
    assert "another version" in decide(app("d2"), mapping(digest="d1"), 8, RUNNING, settled()).message


def test_a_pinned_task_is_not_put_elsewhere() -> None:
    graph = app().graph
    pinned = replace(graph.tasks["last"], pin="node9")
    pinned_app = replace(app(), graph=TaskGraph({**graph.tasks, "last": pinned}, graph.entries))
    assert "pinned to node9" in decide(pinned_app, mapping(), 8, RUNNING, None).message


def test_a_source_is_wanted_on_its_host_and_what_it_feeds_is_known_to_the_head() -> None:
    source = SourceTask(name="camera", script="camera.py", host="node5", children=("last",))
    with_source = replace(app(), sources=(source,))
    decision = decide(with_source, mapping(), 7, RUNNING, None)
    assert decision.workers is not None
    assert [(worker.task, worker.node) for worker in decision.workers][-1] == ("camera", "node5")
    assert decision.edges.fed == ("last",)
    assert decision.message == ""


def queued(replicas: int = 1) -> App:
    graph = app().graph
    last = replace(graph.tasks["last"], edge="queued", replicas=replicas)
    return replace(app(), graph=TaskGraph({**graph.tasks, "last": last}, graph.entries))


def test_a_queue_is_read_by_one_of_its_task_for_as_long_as_that_one_is_there() -> None:
    both = [*RUNNING, beat("last", "node2", 0)]
    edges = decide(queued(2), mapping(), 7, RUNNING, None).edges
    assert edges.heads == {HOME: "home-1", "last": "last-1"}
    assert edges.segments == {HOME: ("first",), "last": ("last",)}
    edges = decide(queued(2), mapping(), 7, both, edges).edges
    assert (edges.heads["last"], edges.workers["last"]) == ("last-1", ("last-1", "last-0"))
    draining = [GATEWAY, both[1], replace(both[2], state=DRAINING), both[3]]
    assert decide(queued(2), mapping(), 7, draining, edges).edges.heads["last"] == "last-0"
    assert decide(queued(2), mapping(), 7, both[:2], edges).edges.heads == {HOME: "home-1"}


def test_the_head_of_a_moved_task_is_replaced_when_the_task_is() -> None:
    edges = decide(queued(), mapping(), 7, RUNNING, None).edges
    moving = decide(queued(), mapping(last="node3"), 8, RUNNING, edges).edges
    assert moving.heads["last"] == "last-1"
    moved = decide(queued(), mapping(last="node3"), 8, [*RUNNING, beat("last", "node3", 2)], moving).edges
    assert (moved.heads["last"], moved.workers["last"]) == ("last-2", ("last-2",))


def draining_picture() -> tuple[App, list[Beat], EdgeRecord]:
    """A version without the queue before `last`, all of which is ready, and the record of the one with it."""
    without = app("d2")
    old = [*RUNNING, beat("first", "node1", 2, "d2"), beat("last", "node2", 2, "d2")]
    return without, old, decide(queued(), mapping(), 7, RUNNING, None).edges


def gateway(in_flight: int, is_head: bool) -> Beat:
    return replace(GATEWAY, rates={"in_flight": in_flight, "is_head": is_head})


def test_a_version_without_a_queue_takes_over_when_the_queue_is_empty_and_nothing_enters_it() -> None:
    without, beats, edges = draining_picture()
    waiting = decide(without, mapping(), 8, beats, edges)
    assert waiting.message == "the new version has no queue for last: waiting until nothing is in the old one's"
    assert (waiting.edges.digest, waiting.edges.workers) == ("d1", edges.workers)
    assert waiting.edges.heads == {"last": "last-1"}  # what is in it goes on, nothing more is read from the ingress
    assert decide(without, mapping(), 8, beats, waiting.edges).edges == waiting.edges
    taken = decide(without, mapping(), 8, beats, waiting.edges, is_drained=True).edges
    assert (taken.digest, taken.heads) == ("d2", {HOME: "home-1"})
    assert taken.segments == {HOME: ("first", "last")}


def test_the_old_queues_are_looked_at_only_when_no_gateway_can_end_an_input_any_more() -> None:
    without, beats, edges = draining_picture()
    waiting = decide(without, mapping(), 8, beats, edges).edges
    assert leaving_queues(without, waiting) == ["last"]
    assert not is_ready_to_drain("demo", [gateway(0, False)], edges)  # it is named still
    assert not is_ready_to_drain("demo", [GATEWAY], waiting)  # it has not said
    assert not is_ready_to_drain("demo", [gateway(0, True)], waiting)  # it has not heard
    assert not is_ready_to_drain("demo", [gateway(3, False)], waiting)
    assert is_ready_to_drain("demo", [gateway(0, False)], waiting)


def test_a_version_with_a_further_queue_takes_over_at_once() -> None:
    edges = decide(app(), mapping(), 7, RUNNING, None).edges
    beats = [*RUNNING, beat("first", "node1", 2, "d2"), beat("last", "node2", 2, "d2")]
    taken = decide(replace(queued(), digest="d2"), mapping(), 8, beats, edges).edges
    assert (taken.digest, taken.heads) == ("d2", {HOME: "home-1", "last": "last-2"})
