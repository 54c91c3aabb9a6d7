"""What `jupiter explain` prints: one objective's numbers, the same in the cells and beside the second best."""

from __future__ import annotations

import numpy as np
import pytest

from deploy import cli_map
from deploy.mapping import Known, explanation
from mapper.costs import Stated
from mapper.heft import schedule
from mapper.result import OBJECTIVES
from mapper.waking import Waking
from runtime.mapping import TaskMapping
from runtime.units import seconds
from tests.unit.mapper import problems
from tests.unit.mapper.known import chain

NO_WAKING = Waking(wake_s=np.zeros(1), wakes_per_s=np.zeros(1), items=np.zeros(1), wakes=np.zeros(1, dtype=np.bool_))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_cells_and_second_best_speak_of_the_same(objective: str, capsys: pytest.CaptureFixture[str]) -> None:
    problem = problems.topcuoglu2002()
    nodes = schedule(problem).assignment
    mapping = TaskMapping(
        assignment={task: problem.nodes[node] for task, node in zip(problem.tasks, nodes, strict=True)}
    )
    stated = Stated(problem, {}, problem.exec_s, NO_WAKING, is_stream=False)
    about = Known(app=chain("a"), stated=stated, mapping=mapping, epoch=1)
    found = explanation(about, objective)
    cli_map._print_explanation(found)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"the {objective} with the task there, and only it moved"
    for task, reason in found["tasks"].items():
        line = next(line for line in lines if line.split()[:2] == [task, reason["node"]])
        here, second = reason["candidates"][reason["node"]], reason["candidates"][reason["second_best"]]
        assert f"{seconds(here[f'{objective}_s'])} *" in line
        assert f"{seconds(second[f'{objective}_s'])}" in line
        costs_s = second[f"{objective}_s"] - here[f"{objective}_s"]
        sign = "-" if costs_s < 0 else "+"
        assert line.rstrip().endswith(f"{reason['second_best']} {sign}{seconds(abs(costs_s))}")
