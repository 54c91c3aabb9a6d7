"""Generated mapping problems: every shape a network or a graph can take, also impossible ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SECONDS = st.one_of(
    st.just(0.0),
    st.integers(1, 8).map(float),  # small whole numbers make ties
    st.floats(1e-9, 1e-3),
    st.floats(1e6, 1e12),
)
SIZES_BYTES = st.one_of(st.just(0.0), st.integers(1, 50).map(float), st.floats(1e6, 1e12))
LINKS = st.fixed_dictionaries(
    {
        "latency_s": st.one_of(st.just(0.0), st.floats(1e-4, 10.0)),
        "bandwidth_bytes_per_s": st.one_of(st.just(1.0), st.floats(0.5, 1e9)),
    }
)


@st.composite
def forms(draw: st.DrawFn, max_tasks: int = 8, max_nodes: int = 5, *, whole: bool = False) -> dict[str, Any]:
    """A well-formed problem. With `whole`, everything runs everywhere and all links are there."""
    tasks = [f"t{index}" for index in range(draw(st.integers(1, max_tasks)))]
    nodes = [f"n{index}" for index in range(draw(st.integers(1, max_nodes)))]
    rows = {}
    for task in tasks:
        able = nodes if whole else draw(st.lists(st.sampled_from(nodes), min_size=1, unique=True))
        rows[task] = {node: draw(SECONDS) for node in nodes if node in able}
    pairs = [(source, target) for index, source in enumerate(tasks) for target in tasks[index + 1 :]]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=12)) if pairs else []
    form: dict[str, Any] = {
        "tasks": draw(st.permutations(tasks)),
        "nodes": nodes,
        "exec_s": rows,
        "edges": [{"source": s, "target": t, "bytes": draw(SIZES_BYTES)} for s, t in sorted(chosen)],
        "links": draw(link_tables(nodes, whole)),
    }
    if not whole:
        form |= draw(options(rows, nodes))
    return form


@st.composite
def link_tables(draw: st.DrawFn, nodes: list[str], whole: bool) -> dict[str, Any]:
    kept = st.just(True) if whole else draw(st.sampled_from([st.just(True), st.booleans(), st.integers(0, 4)]))
    return {source: {target: draw(LINKS) for target in nodes if target != source and draw(kept)} for source in nodes}


@st.composite
def options(draw: st.DrawFn, rows: dict[str, dict[str, float]], nodes: list[str]) -> dict[str, Any]:
    pinned = draw(st.lists(st.sampled_from(sorted(rows)), unique=True, max_size=2))
    moment = st.integers(0, 20).map(float)
    interval = st.tuples(moment, moment).map(sorted)
    return {
        "pins": {task: draw(st.sampled_from(sorted(rows[task]))) for task in sorted(pinned)},
        "cores": draw(st.dictionaries(st.sampled_from(nodes), st.sampled_from([0.5, 1, 2, 3.5]))),
        "replicas": draw(st.dictionaries(st.sampled_from(sorted(rows)), st.integers(1, 3))),
        "rates": draw(st.dictionaries(st.sampled_from(sorted(rows)), st.sampled_from([0.0, 0.5, 1.0, 4.0]))),
        "busy": draw(st.dictionaries(st.sampled_from(nodes), st.lists(interval, max_size=3))),
        "release_s": draw(st.sampled_from([0.0, 0.0, 7.0])),
    }
