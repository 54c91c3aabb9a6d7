"""Pictures: well-formed, everything in them, everything inside their frame."""

from __future__ import annotations

from xml.etree import ElementTree

from deploy import mapping, svg
from mapper.registry import solve
from tests.unit.mapper import problems

SPACE = "{http://www.w3.org/2000/svg}"


def picture(problem: str = "topcuoglu2002") -> ElementTree.Element:
    stated = getattr(problems, problem)()
    result = solve(stated, "heft")
    return ElementTree.fromstring(svg.draw(mapping.drawing(stated, result.schedule, "<T>", hides_home=False)))


def test_every_task_node_and_edge_is_drawn() -> None:
    drawn = picture()
    texts = [element.text for element in drawn.iter(f"{SPACE}text")]
    assert texts[0] == "<T>"
    assert texts.count("T1") >= 1 and {f"T{number}" for number in range(1, 11)} <= set(texts)
    assert {"P1", "P2", "P3"} <= set(texts)
    assert len(list(drawn.iter(f"{SPACE}path"))) == 15 + 1, "the edges and the tip of an arrow"
    titles = [element.text for element in drawn.iter(f"{SPACE}title")]
    assert "T10 on P2: 73 s to 80 s" in titles


def test_everything_is_inside_the_frame() -> None:
    for problem in ("topcuoglu2002", "sparse"):
        drawn = picture(problem)
        width, height = float(drawn.attrib["width"]), float(drawn.attrib["height"])
        for box in drawn.iter(f"{SPACE}rect"):
            left, top = float(box.get("x", 0)), float(box.get("y", 0))
            assert left >= 0 and left + float(box.attrib["width"]) <= width + 0.1
            assert top >= 0 and top + float(box.attrib["height"]) <= height + 0.1


def test_nodes_have_colours_of_their_own() -> None:
    found = svg.colours([f"n{index}" for index in range(12)])
    assert len(set(found.values())) == 12


def test_tasks_at_once_on_one_node_have_rows_of_their_own() -> None:
    rows = {name: {"P1": 4.0} for name in "ab"}
    problem = problems.problem(rows, nodes=("P1",), cores={"P1": 2})
    result = solve(problem, "heft")
    drawn = ElementTree.fromstring(svg.draw(mapping.drawing(problem, result.schedule, "two", hides_home=False)))
    bars = [box for box in drawn.iter(f"{SPACE}rect") if box.get("height") == str(svg.ROW_HEIGHT - 6)]
    assert len({bar.get("y") for bar in bars}) == 2
