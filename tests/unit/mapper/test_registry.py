"""Mappers by name, and what every result carries."""

from __future__ import annotations

import pytest

from mapper.registry import ALIASES, MAPPERS, find, solve
from runtime.errors import UsageError
from runtime.mapping import TaskMapping
from tests.unit.mapper import problems


def test_an_unknown_mapper_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"there is no mapper 'hefty'; the mappers are .*heft"):
        solve(problems.topcuoglu2002(), "hefty")


def test_an_unknown_objective_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="there is no objective 'speed'; the objectives are period, makespan"):
        solve(problems.topcuoglu2002(), "heft", "speed")  # type: ignore[arg-type]


def test_aliases_lead_to_mappers() -> None:
    for alias, name in ALIASES.items():
        assert alias not in MAPPERS
        assert find(alias) == (name, MAPPERS[name])


def test_the_json_of_a_result() -> None:
    answer = solve(problems.topcuoglu2002(), "heft", "makespan").to_json()
    assert list(answer) == ["mapper", "objective", "mapping", "makespan_s", "period_s", "schedule"]
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
