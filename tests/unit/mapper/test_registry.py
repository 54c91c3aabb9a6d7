"""Mappers by name, and what every result carries."""

from __future__ import annotations

import pytest

from mapper.registry import MAPPERS, find, solve
from runtime.errors import UsageError
from runtime.mapper_options import MAPPER_ALIASES, MAPPER_NAMES, MapperOptions
from runtime.mapping import TaskMapping
from tests.unit.mapper import problems


def test_an_unknown_mapper_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"there is no mapper 'hefty'; the mappers are .*heft"):
        solve(problems.topcuoglu2002(), "hefty")


def test_an_unknown_objective_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="there is no objective 'speed'; the objectives are period, makespan"):
        solve(problems.topcuoglu2002(), "heft", "speed")  # type: ignore[arg-type] # that is the point


def test_applications_may_name_every_mapper() -> None:
    assert sorted(MAPPER_NAMES) == sorted([*MAPPERS, *MAPPER_ALIASES])


def test_aliases_lead_to_mappers() -> None:
    for alias, name in MAPPER_ALIASES.items():
        assert alias not in MAPPERS
        assert find(alias) == (name, MAPPERS[name])


@pytest.mark.parametrize("name", ["throughput", "auto"])
def test_a_time_limit_ends_the_search_and_is_said(name: str) -> None:
    rows = {f"T{index}": dict.fromkeys(problems.NODES, 1.0 + index % 7) for index in range(30)}
    problem = problems.problem(rows)
    hurried = solve(problem, name, options=MapperOptions(limit_s=1.0), clock=iter(range(9999)).__next__)
    assert hurried.to_json()["truncated"] is True
    assert "truncated" in hurried.why
    calm = solve(problem, name, options=MapperOptions(limit_s=1.0), clock=lambda: 0.0)
    assert "truncated" not in calm.to_json()
    assert calm.assignment == solve(problem, name).assignment


def test_the_budget_is_a_number_of_moves() -> None:
    rows = {f"T{index}": dict.fromkeys(problems.NODES, 1.0 + index % 7) for index in range(30)}
    problem = problems.problem(rows)
    found = [solve(problem, "throughput", options=MapperOptions(moves=moves)).period_s for moves in (0, 500, 5000)]
    assert found == sorted(found, reverse=True)


def test_the_json_of_a_result() -> None:
    answer = solve(problems.topcuoglu2002(), "heft", "makespan").to_json()
    keys = ["mapper", "objective", "mapping", "makespan_s", "period_s", "schedule"]
    assert list(answer) == keys
    assert answer["mapper"] == "heft"
    assert answer["objective"] == "makespan"
    assert answer["makespan_s"] == 80.0
    assert answer["period_s"] == 53.0
    assert answer["mapping"]["T10"] == "P2"
    assert answer["schedule"]["T10"] == {"node": "P2", "start_s": 73.0, "finish_s": 80.0}


def test_a_result_goes_on_the_bus_with_its_predictions() -> None:
    mapping = solve(problems.topcuoglu2002(), "heft").to_mapping(digest="d")
    assert mapping.assignment["T1"] == "P3"
    assert mapping.task_s["T1"] == 9.0
    assert mapping.edge_s["T1>T3"] == 0.0
    assert mapping.edge_s["T1>T2"] == 18.0
    assert mapping.bottleneck == "link P3 -> P2"
    assert mapping.why
    assert TaskMapping.from_record(mapping.to_record()) == mapping
