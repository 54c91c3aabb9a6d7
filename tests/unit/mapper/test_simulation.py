"""The evaluator against a simulation of the pipeline, event by event: they agree within one per cent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.heft import schedule as heft
from mapper.period import period
from mapper.problem import Problem
from mapper.registry import solve
from mapper.schedule import evaluate
from tests.unit.mapper import problems
from tests.unit.mapper.simulation import replayed_makespan_s, simulated_period_s

AGREEMENT = 0.01


@st.composite
def pipelines(draw: st.DrawFn) -> dict[str, Any]:
    """Problems whose times are of one order of magnitude: a simulation has to come to its steady state."""
    tasks = [f"t{index}" for index in range(draw(st.integers(1, 7)))]
    nodes = [f"n{index}" for index in range(draw(st.integers(1, 4)))]
    pairs = [(source, target) for index, source in enumerate(tasks) for target in tasks[index + 1 :]]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=9)) if pairs else []
    moderate = st.floats(0.1, 3.0)
    form = problems.form(
        {task: {node: draw(moderate) for node in nodes} for task in tasks},
        [(source, target, draw(st.sampled_from([0.0, 0.5, 2.0, 5.0]))) for source, target in sorted(chosen)],
        nodes=nodes,
        cores=draw(st.dictionaries(st.sampled_from(nodes), st.sampled_from([0.5, 1, 2, 3.5]))),
        replicas=draw(st.dictionaries(st.sampled_from(tasks), st.integers(1, 3))),
        rates=draw(st.dictionaries(st.sampled_from(tasks), st.sampled_from([0.5, 1.0, 2.0]))),
        links={
            source: {
                target: {"latency_s": draw(st.floats(0.0, 1.0)), "bandwidth_bytes_per_s": draw(st.floats(0.8, 10.0))}
                for target in nodes
                if target != source
            }
            for source in nodes
        },
    )
    form["assignment"] = [draw(st.integers(0, len(nodes) - 1)) for _ in tasks]
    return form


@settings(max_examples=15, deadline=None)
@given(pipelines())
def test_the_period_is_that_of_a_simulated_pipeline(form: dict[str, Any]) -> None:
    problem = Problem.from_form(form)
    predicted_s = period(problem, form["assignment"]).period_s
    assert simulated_period_s(problem, form["assignment"]) == pytest.approx(predicted_s, rel=AGREEMENT)


@pytest.mark.parametrize("make", [problems.topcuoglu2002, problems.arabnejad2014])
@pytest.mark.parametrize("name", ["heft", "throughput", "auto"])
def test_so_are_the_periods_of_the_mappers(make: Any, name: str) -> None:
    problem = make()
    result = solve(problem, name)
    measured_s = simulated_period_s(problem, result.schedule.assignment)
    assert measured_s == pytest.approx(result.period_s, rel=AGREEMENT)


@settings(max_examples=60, deadline=None)
@given(pipelines())
def test_the_makespan_is_that_of_a_node_by_node_replay(form: dict[str, Any]) -> None:
    problem = Problem.from_form(form)
    for schedule in (heft(problem), evaluate(problem, form["assignment"])):
        assert replayed_makespan_s(problem, schedule) == pytest.approx(schedule.makespan_s, rel=AGREEMENT)
