"""From profiles to problems: what is derived, what is widened, what others use, and that all of it is marked."""

from __future__ import annotations

import pytest

from mapper import costs, estimates
from mapper.problem import Problem
from mapper.registry import solve
from mapper.topology import SINK, SOURCE
from runtime import handling
from runtime.errors import UsageError
from runtime.profiles import LinkRow
from tests.unit.mapper import known
from tests.unit.mapper.known import NOW_S, WAKE_S, chain, exec_s

SPEEDS = {"home": 10.0, "node1": 10.0, "node2": 5.0}


def test_home_is_a_pinned_source_and_sink() -> None:
    app = chain("a", "b")
    seconds = {(task, node): 1.0 for task in "ab" for node in SPEEDS}
    stated = costs.state(app, known.table(SPEEDS, seconds), NOW_S)
    problem = stated.problem
    assert problem.tasks == (SOURCE, SINK, "a", "b")
    assert problem.nodes == ("home", "node1", "node2")
    assert problem.allowed[:2].tolist() == [[True, False, False]] * 2
    assert problem.exec_s[:2, 0].tolist() == [handling.ROUNDS_PER_INPUT / 10e6, 0.0]
    edges = [(problem.tasks[edge.source], problem.tasks[edge.target]) for edge in problem.edges]
    assert edges == [(SOURCE, "a"), ("a", "b"), ("b", SINK)]
    assert stated.uncertain == {}
    assert costs.without_home({SOURCE: 0, "a": 1}) == {"a": 1}


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
