"""From profiles to problems: what is derived, what is widened, what others use, and that all of it is marked."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mapper import costs, estimates
from mapper.period import period
from mapper.problem import Problem
from mapper.registry import solve
from mapper.table import ProfileTable
from mapper.usage import Activity
from runtime import handling
from runtime.errors import UsageError
from runtime.mapping import TaskMapping
from runtime.profiles import LinkRow
from runtime.records import GONE, READY, Beat
from tests.unit.mapper import known
from tests.unit.mapper.known import NOW_S, chain

SPEEDS = {"home": 10.0, "node1": 10.0, "node2": 5.0}
WAKE_S = handling.ROUNDS_PER_WAKE / 20e6
"""At a speed of 20."""


def exec_s(problem: Problem, task: str, node: str) -> float:
    return float(problem.exec_s[problem.tasks.index(task), problem.nodes.index(node)])


def test_home_is_a_pinned_source_and_sink() -> None:
    app = chain("a", "b")
    seconds = {(task, node): 1.0 for task in "ab" for node in SPEEDS}
    stated = costs.state(app, known.table(SPEEDS, seconds), NOW_S)
    problem = stated.problem
    assert problem.tasks == (costs.SOURCE, costs.SINK, "a", "b")
    assert problem.nodes == ("home", "node1", "node2")
    assert problem.allowed[:2].tolist() == [[True, False, False]] * 2
    assert problem.exec_s[:2, 0].tolist() == [handling.ROUNDS_PER_INPUT / 10e6, 0.0]
    edges = [(problem.tasks[edge.source], problem.tasks[edge.target]) for edge in problem.edges]
    assert edges == [(costs.SOURCE, "a"), ("a", "b"), ("b", costs.SINK)]
    assert stated.uncertain == {}
    assert costs.without_home({costs.SOURCE: 0, "a": 1}) == {"a": 1}


def test_an_unmeasured_pair_is_derived_from_the_nodes_speed_and_marked() -> None:
    app = chain("a", "b")
    seconds = {("a", "home"): 1.0, ("a", "node1"): 1.0, ("a", "node2"): 2.0, ("b", "home"): 4.0, ("b", "node1"): 4.0}
    stated = costs.state(app, known.table(SPEEDS, seconds), NOW_S)
    assert exec_s(stated.problem, "b", "node2") == pytest.approx(8.0, rel=1e-3)
    assert stated.uncertain == {"b@node2": "derived"}
    assert stated.uncertain_in({"a": "home", "b": "node2"}) == {"b@node2": "derived"}
    assert stated.uncertain_in({"a": "home", "b": "home"}) == {}


def test_a_node_that_is_slower_than_its_score_is_so_for_the_next_task_too() -> None:
    app = chain("a", "b", "c")
    seconds = {(task, node): 1.0 for task in "abc" for node in ("home", "node1")}
    seconds |= {("a", "node2"): 6.0, ("b", "node2"): 6.0}
    problem = costs.state(app, known.table(SPEEDS, seconds), NOW_S).problem
    assert 3.0 < exec_s(problem, "c", "node2") < 6.0


def test_a_task_that_waits_is_not_slower_on_a_slow_node() -> None:
    app = chain("a")
    table = known.table(SPEEDS, {})
    table.execution(known.execution("a", "home", 2.0, cpu_s=0.0), NOW_S)
    assert exec_s(costs.state(app, table, NOW_S).problem, "a", "node2") == pytest.approx(2.0, rel=1e-3)


def test_in_a_stream_a_quota_counts_even_where_short_calls_did_not_feel_it() -> None:
    table = known.table({}, {})
    table.node(known.node("home", cores=0.25, speed=1e9), NOW_S)
    table.execution(known.execution("a", "home", 1e-3), NOW_S)
    for objective, seconds in (("period", 4e-3), ("makespan", 1e-3)):
        app = chain("a", objective=objective)
        assert exec_s(costs.state(app, table, NOW_S).problem, "a", "home") == pytest.approx(seconds, rel=1e-6)


def test_what_a_worker_does_beside_the_task_counts() -> None:
    app = chain("a", "b")
    seconds = {("a", "home"): 1e-6, ("b", "home"): 1e-6}
    problem = costs.state(app, known.table({"home": 20.0}, seconds), NOW_S).problem
    found = [exec_s(problem, task, "home") - 1e-6 for task in "ab"]
    # Each takes one part; one sends it on (to all its children, as the profiles here have it), and stores it too.
    each = handling.ROUNDS_PER_PART + 8 * handling.ROUNDS_PER_OUTPUT + handling.ROUNDS_PER_RESULT
    each += 100 * handling.ROUNDS_PER_BYTE_IN + 900 * handling.ROUNDS_PER_BYTE_OUT
    pace_s = 2 * (1e-6 + each / 20e6)  # one node does both
    assert found == pytest.approx([each / 20e6 + WAKE_S * handling.WAKES_PER_S * pace_s] * 2)


def test_the_further_apart_items_come_the_more_often_a_worker_wakes_for_one_alone() -> None:
    for task_s, objective, expected_s in (
        (1.0, "period", WAKE_S),
        (4e-3, "period", WAKE_S * handling.WAKES_PER_S * 8e-3),
        (1e-6, "makespan", WAKE_S),
    ):
        app = chain("a", "b", objective=objective)
        seconds = {("a", "home"): task_s, ("b", "home"): task_s}
        problem = costs.state(app, known.table({"home": 20.0}, seconds), NOW_S).problem
        rest_s = handling.rounds_s(handling.rounds(app, known.execution("a", "home", task_s)), 20.0)
        assert exec_s(problem, "a", "home") == pytest.approx(task_s + rest_s + expected_s, rel=1e-3)


def test_nodes_that_share_the_work_make_items_come_sooner() -> None:
    seconds = {(task, node): 4e-3 for task in "ab" for node in ("home", "node1")}
    alone, shared = (
        exec_s(costs.state(chain("a", "b"), known.table(speeds, seconds), NOW_S).problem, "a", "home")
        for speeds in ({"home": 20.0}, {"home": 20.0, "node1": 20.0})
    )
    assert alone - shared == pytest.approx(WAKE_S * handling.WAKES_PER_S * 4e-3, rel=0.02)


def with_quotas(shares: Mapping[str, float], period_s: float) -> ProfileTable:
    """Home and nodes like it with a share of its speed."""
    table = known.table(dict.fromkeys(("home", *shares), 20.0), {})
    for name, share in shares.items():
        table.node(known.node(name, cores=share, speed=20.0 * share, quota_period_s=period_s), NOW_S)
    return table


def test_who_gets_a_quota_anew_begins_anew() -> None:
    def waking_s(period_s: float) -> float:
        table = with_quotas({"node1": 0.2}, period_s)
        table.execution(known.execution("a", "node1", 4e-3, cpu_s=8e-4), NOW_S)
        stated = costs.state(chain("a", node_map={"node1": "there"}), table, NOW_S)
        return float(stated.problem.exec_s[-1, -1] - stated.own_s[-1, -1])

    assert waking_s(0.0) < waking_s(0.02) < waking_s(0.01) == pytest.approx(2 * waking_s(0.02))
    assert waking_s(1e-300) == pytest.approx(WAKE_S * 5)


def test_a_mapping_foretells_what_waking_takes_at_its_own_pace() -> None:
    shares = {"node1": 0.9, "node2": 0.06}
    table = with_quotas(shares, 0.01)
    for name, share in shares.items():
        for task in "ab":
            table.execution(known.execution(task, name, 1e-4 / share, cpu_s=1e-4), NOW_S)
    app = chain("a", "b", node_map={"node1": "there", "node2": "there"})
    stated = costs.state(app, table, NOW_S)
    settled = stated.settled([0, 0, 2, 2]).problem
    found = period(settled, [0, 0, 2, 2]).period_s
    # All that the two workers have of node2 is what is left when both have begun anew in each of its periods.
    left_cores = 0.06 - 2 * WAKE_S / 0.01
    assert found == pytest.approx(0.06 * stated.own_s[2:, 2].sum() / left_cores, rel=0.01)
    assert found > 1.2 * period(stated.problem, [0, 0, 2, 2]).period_s


def test_where_beginning_anew_would_take_more_than_there_is_every_item_comes_alone() -> None:
    table = with_quotas({"node1": 0.01}, 0.01)
    table.execution(known.execution("a", "node1", 1e-2, cpu_s=1e-4), NOW_S)
    stated = costs.state(chain("a", node_map={"node1": "there"}), table, NOW_S)
    settled = stated.settled([0, 0, 1]).problem
    assert settled.exec_s[2, 1] - stated.own_s[2, 1] == pytest.approx(100 * WAKE_S)


def test_items_that_come_many_for_an_input_come_together() -> None:
    def waking_s(outputs: float) -> float:
        table = known.table({"home": 20.0}, {})
        table.execution(known.execution("a", "home", 1e-3, outputs={"b": outputs}), NOW_S)
        table.execution(known.execution("b", "home", 1e-6, outputs={"home": 1.0}), NOW_S)
        stated = costs.state(chain("a", "b"), table, NOW_S).settled([0, 0, 0, 0])
        per_item_s = stated.problem.exec_s[-1, 0] - stated.own_s[-1, 0]
        return float(per_item_s) / period(stated.problem, [0, 0, 0, 0]).period_s

    assert waking_s(1.0) == pytest.approx(10 * waking_s(10.0), rel=0.01)


def test_what_failed_is_not_derived() -> None:
    app = chain("a")
    table = known.table(SPEEDS, {("a", "home"): 1.0})
    table.failed("chained", "a", "node2", "d", "no such module")
    problem = costs.state(app, table, NOW_S).problem
    assert exec_s(problem, "a", "node2") == float("inf")
    assert exec_s(problem, "a", "node1") == pytest.approx(1.0, rel=1e-3)


def test_a_task_that_was_measured_nowhere_is_an_error_by_name() -> None:
    with pytest.raises(UsageError, match="task a can run on no node: on home, node1, node2 it was not measured"):
        costs.state(chain("a"), known.table(SPEEDS, {}), NOW_S)


def test_an_unmeasured_link_is_half_as_bad_again_as_the_others_of_its_ends() -> None:
    nodes = ("home", "node1", "node2")
    links = {
        "home": {"node1": known.link(1e-3, 1e6), "node2": known.link(3e-3, 2e6)},
        "node1": {"home": known.link(1e-3, 1e6), "node2": known.link(5e-3, 4e6)},
    }
    found = estimates.links(nodes, known.table(SPEEDS, {}, links), NOW_S)
    assert found["node1", "home"].source == "measured"
    derived = found["node2", "home"]  # nothing leaves node2; what enters home is the link from node1
    assert (derived.source, derived.latency_s) == ("derived", pytest.approx(1.5e-3))
    assert derived.inverse_bandwidth_s_per_byte == pytest.approx(1.5e-6)
    assert estimates.links(nodes, known.table(SPEEDS, {}, {}), NOW_S) == {}


def test_a_link_that_is_down_is_no_path_and_nothing_is_derived_for_it() -> None:
    links = {"home": {"node1": known.link(state="down")}, "node1": {"home": known.link()}}
    found = estimates.links(("home", "node1"), known.table(SPEEDS, {}, links), NOW_S)
    assert set(found) == {("node1", "home")}


@pytest.mark.parametrize(("age_s", "state"), [(0.0, "stale"), (120.0, "ok"), (1e6, "stale")])
def test_a_stale_link_is_taken_at_its_bad_end(age_s: float, state: str) -> None:
    links = {"home": {"node1": known.link(1e-3, 1e6, state=state)}}
    table = known.table(SPEEDS, {}, links, age_s=age_s)
    found = estimates.links(("home", "node1"), table, NOW_S)["home", "node1"]
    assert found.source == "stale"
    widening = {0.0: 1.0, 120.0: 2.0, 1e6: 3.0}[age_s]
    assert found.latency_s == pytest.approx(1e-3 + widening * 1e-3)
    assert found.inverse_bandwidth_s_per_byte == pytest.approx(1e-6 + widening * 1e-6)


def test_old_times_are_widened_by_their_spread_and_marked() -> None:
    app = chain("a")
    table = known.table(SPEEDS, {})
    table.execution(known.execution("a", "home", 1.0, spread_s=0.1), NOW_S - 1200.0)
    stated = costs.state(app, table, NOW_S)
    assert exec_s(stated.problem, "a", "home") == pytest.approx(1.0 + 2 * 1.4826 * 0.1, rel=1e-3)
    assert stated.uncertain["a@home"] == "stale"
    table.execution(known.execution("a", "home", 1.0, spread_s=0.1), NOW_S - 600.0)
    assert exec_s(costs.state(app, table, NOW_S).problem, "a", "home") == pytest.approx(1.0, rel=1e-3)


def test_what_other_applications_use_is_taken_off() -> None:
    app = chain("a", "b")
    table = known.table(SPEEDS, {(task, node): 1.0 for task in "ab" for node in SPEEDS})
    stated = costs.state(app, table, NOW_S, {"node1": 0.75, "node2": 9.0})
    assert stated.problem.cores == (1.0, 0.25, pytest.approx(0.1))
    assert [load.busy_cores_ratio for load in stated.problem.load] == [0.0, 0.75, 1.0]
    alone = solve(costs.state(app, table, NOW_S).problem, "throughput")
    beside = solve(stated.problem, "throughput")
    assert beside.period_s > alone.period_s
    assert "node2" not in {beside.assignment["a"], beside.assignment["b"]}


def beat(app: str, task: str, node: str, busy_ratio: float, **optional: str) -> Beat:
    values = {"state": READY, "incarnation": f"{task}-1"} | optional
    return Beat(app=app, task=task, node=node, rates={"busy_ratio": busy_ratio}, **values)


def test_usage_is_what_workers_say_and_else_what_was_foretold() -> None:
    activity = Activity()
    mappings = {
        "one": TaskMapping(assignment={"a": "n1", "b": "n2"}, period_s=2.0, task_s={"a": 1.0, "b": 5.0}),
        "two": TaskMapping(assignment={"c": "n1"}),
    }
    assert activity.used_cores(mappings, "two") == {"n1": 0.5, "n2": 1.0}
    activity.heard(beat("one", "a", "n1", 0.2))
    activity.heard(beat("two", "c", "n1", 0.4))
    assert activity.used_cores(mappings, "two") == {"n1": 0.2, "n2": 1.0}
    assert activity.used_cores(mappings, "one") == {"n1": 0.4}
    activity.heard(beat("two", "c", "n1", 0.0))
    assert activity.used_cores(mappings, "one")["n1"] == pytest.approx(0.36)
    activity.heard(beat("two", "c", "n1", 0.0, state=GONE))
    assert activity.used_cores(mappings, "one") == {}


def test_the_form_of_a_stated_problem_can_be_read_again() -> None:
    app = chain("a")
    stated = costs.state(app, known.table(SPEEDS, {("a", "home"): 1.0}), NOW_S)
    form = stated.to_form()
    assert form["uncertain"] == {"a@node1": "derived", "a@node2": "derived"}
    again = Problem.from_form(form)
    assert solve(again, "auto").to_json() == solve(stated.problem, "auto").to_json()


def test_a_row_replaces_the_row_before() -> None:
    table = known.table(SPEEDS, {})
    table.links(LinkRow(source="home", links={}), NOW_S)
    assert ("home", "node1") not in table.links_among(SPEEDS)
