"""WAVE among agents: what they agree on, whatever the bus does to their messages and whoever dies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.wave_messages import Ask, Message, Take, Told, decode, encode
from agents.wave_node import WaveNode
from agents.wave_placement import Send
from runtime.mapper_options import MapperOptions, WaveWeights
from runtime.mapping import BY_HAND, TaskMapping
from tests.unit.agents.wave_world import Machines, World, app

DIAMOND = {"split": ("count", "length"), "count": ("merge",), "length": ("merge",), "merge": ("sum",), "sum": ()}
NODES = ("home", "node1", "node2")


def machines(
    edges: Mapping[str, tuple[str, ...]] = DIAMOND,
    nodes: tuple[str, ...] = NODES,
    mapper: str = "wave_greedy",
    **seconds: float,
) -> Machines:
    """All linked; a task takes a second, or what is said of `task_node`."""
    found = {(task, node): seconds.get(f"{task}_{node}", 1.0) for task, node in product(edges, nodes)}
    links = {(source, target): 1e6 for source, target in product(nodes, nodes) if source != target}
    return Machines(app(edges, mapper), found, links, nodes)


@st.composite
def all_machines(draw: st.DrawFn, *, whole: bool) -> Machines:
    """Any small graph on any few nodes. With `whole` everything runs everywhere and all links are there."""
    names = draw(st.permutations([f"t{index}" for index in range(draw(st.integers(1, 7)))]))
    edges = {name: tuple(draw(st.sets(st.sampled_from(names[place + 1 :])))) for place, name in enumerate(names[:-1])}
    edges = {name: tuple(sorted(edges.get(name, ()))) for name in draw(st.permutations(names))}
    nodes = ("home", "node1", "node2", "node3")[: draw(st.integers(1, 4))]
    seconds = {
        (task, node): draw(st.sampled_from([0.0, 1e-3, 0.1, 0.11, 0.3, 5.0]))
        for task, node in product(sorted(edges), nodes)
        if whole or draw(st.integers(0, 3))
    }
    links = {
        (source, target): draw(st.sampled_from([1e3, 1e4, 1e6]))
        for source, target in product(nodes, nodes)
        if source != target and (whole or draw(st.integers(0, 3)))
    }
    sizes = {edge: draw(st.sampled_from([0.0, 100.0, 5000.0])) for edge in app(edges).graph.edges()}
    return Machines(
        app(edges, draw(st.sampled_from(["wave", "wave_greedy", "wave_random"]))), seconds, links, nodes, sizes
    )


def placed(world: World) -> Mapping[str, str]:
    mapping = world.run()
    assert mapping is not None, world.said()
    assert world.machines.is_feasible(mapping.assignment)
    return mapping.assignment


@given(all_machines(whole=True), st.integers(0, 9), st.sampled_from([0.0, 0.05]))
@settings(max_examples=100, deadline=None)
def test_the_agents_agree_with_the_mapper_that_knows_everything(found: Machines, seed: int, loss: float) -> None:
    assert placed(World(found, seed, loss=loss)) == found.by_the_mapper()


@given(
    st.booleans().flatmap(lambda whole: st.tuples(all_machines(whole=whole), st.just(whole))),
    st.integers(0, 9),
    st.sampled_from([0.0, 0.3]),
    st.booleans(),
    st.data(),
)
@settings(max_examples=120, deadline=None)
def test_whoever_dies_whenever_it_ends_with_a_mapping_that_can_run_or_says_why_not(
    drawn: tuple[Machines, bool], seed: int, loss: float, says_absent: bool, data: st.DataObject
) -> None:
    found, is_whole = drawn
    world = World(found, seed, loss=loss, says_absent=says_absent)
    world.begin()
    for name in found.nodes[1:]:
        if data.draw(st.booleans()):
            world.flow(data.draw(st.integers(0, 30)))
            world.kill(name)
            if data.draw(st.booleans()):
                world.flow(data.draw(st.integers(0, 10)))
                world.revive(name)
    mapping = world.run(gives_up=not is_whole)
    if mapping is None:
        assert "cannot place: " in world.said()[0] and len(world.said()[0]) > len("cannot place: ")
    else:
        assert found.is_feasible(mapping.assignment)


@pytest.mark.parametrize("after", range(0, 40, 2))
@pytest.mark.parametrize("says_absent", [True, False])
def test_a_node_that_dies_at_any_step_is_left_out_and_the_rest_is_placed(after: int, says_absent: bool) -> None:
    quick = {f"{task}_node1": 0.1 for task in DIAMOND}
    world = World(machines(**quick), says_absent=says_absent)
    world.begin()
    world.flow(after)
    world.kill("node1")
    world.live(20.0)
    assert world.mapping is not None, world.said()
    assert "node1" not in world.mapping.assignment.values()
    assert world.machines.is_feasible(world.mapping.assignment)


@pytest.mark.parametrize("after", [0, 3, 5, 9])
def test_who_the_bus_says_is_not_there_is_not_waited_for(after: int) -> None:
    quick = {f"{task}_node1": 0.1 for task in DIAMOND}
    world = World(machines(**quick))
    world.begin()
    world.flow(after)
    world.kill("node1")
    assert "node1" not in placed(world).values()
    assert world.now_s - world.dead_since_s["node1"] < 1.0


@pytest.mark.parametrize("after", range(0, 30, 3))
def test_home_that_is_started_again_begins_again(after: int) -> None:
    world = World(machines(count_node1=0.1, merge_node2=0.1))
    expected = world.machines.by_the_mapper()
    world.begin()
    world.flow(after)
    world.revive("home")
    assert placed(world) == expected
    world.live(10.0)
    assert world.sequence == 8 and not any(node.is_busy for nodes in world.nodes.values() for node in nodes)


def test_who_answers_and_then_does_nothing_is_left_out() -> None:
    class Idle(WaveNode):
        def heard(self, sender: str, message: Message, now_s: float) -> list[Send]:
            return [] if isinstance(message, Take) else super().heard(sender, message, now_s)

    world = World(machines(count_node1=0.1))
    world.nodes["node1"] = [Idle(world.around["node1"])]
    assert "node1" not in placed(world).values()


@pytest.mark.parametrize("seed", range(10))
def test_late_answers_to_other_questions_do_not_count(seed: int) -> None:
    names = [f"t{index}" for index in range(6)]
    chain = {name: (child,) for name, child in pairwise(names)} | {names[-1]: ()}
    quick = {f"{name}_{NODES[index % 3]}": 1e-3 for index, name in enumerate(names)}
    expected = {name: NODES[index % 3] for index, name in enumerate(names)}
    assert placed(World(machines(chain, **quick), seed, loss=0.05)) == expected


def test_what_other_nodes_send_does_not_count_in_the_price() -> None:
    # Of join's parents, late places it; early is elsewhere by then, and sends much.
    edges = {"a": ("early", "late"), "early": ("join",), "late": ("b", "join"), "b": (), "join": ()}
    found = machines(edges, a_home=0.01, early_node1=0.1, late_home=0.01, b_home=0.01, join_node2=0.5)
    found.sizes = {("early", "join"): 5e6}
    assigned = placed(World(found))
    assert assigned == found.by_the_mapper()
    assert (assigned["early"], assigned["late"], assigned["join"]) == ("node1", "home", "node2")


def test_what_can_run_nowhere_is_not_tried_from_everywhere() -> None:
    names = [f"t{index}" for index in range(9)]
    chain = {name: (child,) for name, child in pairwise(names)} | {names[-1]: ()}
    found = machines(chain)
    found.seconds = {key: value for key, value in found.seconds.items() if key[0] != "t8"}
    world = World(found)
    assert world.run() is None and world.delivered < 100


def test_a_mapping_says_who_chose_and_why() -> None:
    world = World(machines(count_node1=0.01))
    assigned = placed(world)
    assert assigned["count"] == "node1"
    mapping = world.mapping
    assert mapping is not None and (mapping.algorithm, mapping.digest) == ("wave_greedy", "d")
    assert "split on home at 1 s before node1 at 1 s, by home; count on node1 at 1" in mapping.why
    assert re.search(r"count on node1 at [\d.]+ ms before node2 at 1 s, by home", mapping.why)


def test_what_cannot_be_placed_is_said_by_name() -> None:
    def said(found: Machines) -> str:
        world = World(found)
        assert world.run() is None
        return world.said()[0]

    nowhere = machines()
    nowhere.seconds = {key: value for key, value in nowhere.seconds.items() if key[0] != "merge"}
    assert "task merge can run on no node: on home it cannot run; on node1" in said(nowhere)
    lonely = machines(nodes=("home", "node1"))
    lonely.seconds = {key: value for key, value in lonely.seconds.items() if (key[0] == "merge") == (key[1] == "node1")}
    lonely.bandwidths = {("home", "node1"): 1e6}
    assert "has the links it needs: node1>home" in said(lonely)
    pinned = replace(machines(), app=app(DIAMOND, pins={"count": "node9"}))
    assert "task count is pinned to node9, which is not there" in said(pinned)


def test_a_dead_end_below_is_tried_from_another_node() -> None:
    # The entry is cheapest on node1, from where nobody reaches the only node that can run its child.
    found = machines({"first": ("second",), "second": ()}, first_node1=0.1)
    found.seconds = {key: value for key, value in found.seconds.items() if key[0] == "first" or key[1] == "node2"}
    found.bandwidths = {key: value for key, value in found.bandwidths.items() if key != ("node1", "node2")}
    assert placed(World(found)) == {"first": "home", "second": "node2"}


def test_who_is_still_measuring_is_waited_for() -> None:
    world = World(machines(split_node2=0.01))
    local = world.machines.local("node2")
    measuring = [replace(local, executions={}, is_profiled=False)]
    around = replace(world.around["node2"], statistics=lambda *_: measuring[0] if measuring else local)
    world.around["node2"] = around
    world.revive("node2")
    world.live(5.0)
    assert world.mapping is None and world.said()[0] == "split: waiting for node2 (measures split)"
    measuring.clear()
    assert placed(world)["split"] == "node2"


@pytest.mark.parametrize(("slow", "after_s"), [(("node2",), 22.0), (NODES, 40.0)])
def test_who_measures_for_long_is_left_out_only_if_another_can_take_the_task(
    slow: tuple[str, ...], after_s: float
) -> None:
    world = World(machines())
    for name in slow:
        local = replace(world.machines.local(name), executions={}, is_profiled=False)
        done = world.machines.local(name)
        late = replace(
            world.around[name],
            statistics=lambda *_, local=local, done=done: done if world.now_s > 130.0 else local,
        )
        world.around[name] = late
        world.revive(name)
    assert ("node2" in placed(world).values()) == (slow == NODES)
    assert 18.0 < world.now_s - 100.0 < after_s


def test_a_mapping_given_by_hand_stays_and_one_of_another_version_does_not() -> None:
    everything = dict.fromkeys(DIAMOND, "elsewhere")
    world = World(machines())
    world.mapping = TaskMapping(assignment=everything, algorithm=BY_HAND)
    world.live(5.0)
    assert world.mapping.assignment == everything and world.sequence == 7
    world.mapping = TaskMapping(assignment=dict.fromkeys(DIAMOND, "home"), algorithm="wave_greedy", digest="older")
    world.live(5.0)
    assert world.mapping.digest == "d" and world.sequence == 8


def test_of_two_homes_one_puts_its_mapping_and_the_other_lets_it_be() -> None:
    world = World(machines())
    world.move_home()
    first = placed(world)
    world.live(10.0)
    assert world.mapping is not None and world.mapping.assignment == first and world.sequence == 8


def test_the_legacy_price_never_keeps_a_child_where_its_parent_is() -> None:
    found = machines({"first": ("second",), "second": ()})
    options = MapperOptions(distributed=True, wave=WaveWeights(legacy=True))
    found.app = replace(found.app, mapper_options=options)
    assigned = placed(World(found))
    assert assigned == found.by_the_mapper() and assigned["first"] != assigned["second"]


def test_a_take_that_was_given_twice_or_by_a_stranger_changes_nothing() -> None:
    world = World(machines())
    take = Take(placement="p1", app="waved", digest="d", task="split", placed={"split": "node1"})
    node = world.nodes["node1"][0]
    first = node.heard("home", take, 100.0)
    assert [send.node for send in first].count("home") >= 1
    again = node.heard("home", take, 100.1)
    assert [type(send.message) for send in again] == [Told]
    assert node.heard("node2", take, 100.2) == []
    node.tick(104.0)
    assert not node.is_busy, "nobody asked about it any more"


@pytest.mark.parametrize(
    "record",
    [
        b"[]",
        b'{"kind": "nonsense"}',
        b'{"kind": "ask"}',
        b'{"kind": "take", "placement": "p", "app": "a", "digest": "d", "task": 7}',
        b'{"kind": "take", "placement": "p", "app": "a", "digest": "d", "task": "\\ud800"}',
        b'{"kind": "take", "placement": "p", "app": "a", "digest": "d", "task": "t", "placed": [1]}',
        b'{"kind": "answer", "placement": "p", "number": 1, "state": "able", "exec_s": NaN}',
        b'{"kind": "answer", "placement": "p", "number": 1, "state": "able", "exec_s": -1}',
        b'{"kind": "told", "placement": "p", "state": "done", "decisions": [["t", "n"]]}',
        b'{"kind": "told", "placement": "p", "state": "done", "is_hopeless": "yes"}',
        b'{"kind": "told", "placement": "p", "state": "done", "stranger": 1}',
    ],
)
def test_what_is_no_message_is_refused(record: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(record)


def test_messages_survive_the_wire() -> None:
    for message in (
        Ask(placement="p", number=2, app="a", digest="d", task="t", promised=("x",)),
        Take(placement="p", app="a", digest="d", task="t", placed={"t": "Knoten ä.1"}, left_out=("n",)),
    ):
        assert decode(encode(message)) == message
