"""WAVE's rules, shared by the agents, which map without a centre, and by the mapper's form of it. Pure.

Every task is placed by its controller: one of its parents, so a node decides for what runs on it, and home for what
home feeds. The node sees its own links and what each candidate says of itself. As Jupiter's, with its known faults
mended: a node may keep its children, all terms are seconds, promises are remembered, who cannot run a task is left
out, and random is seeded.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runtime.app import App
from runtime.mapper_options import WaveWeights

GREEDY, RANDOM = "wave_greedy", "wave_random"
NAMES = {"wave": GREEDY, GREEDY: GREEDY, RANDOM: RANDOM}
"""The mappers whose mappings the agents can make among themselves; `wave` is Jupiter's name of the greedy one."""
FULL_RATIO = 0.99
"""A node that says it is busier than this is taken to have that much left: its own work may be what fills it."""
MEMORY_CALM_RATIO = 0.8
"""Memory in use below this costs nothing; above, the price rises as what is left shrinks."""
LEGACY_DELAYS = 15.0
"""Jupiter leaves out what is so many times as far as the nearest."""
TIE_RATIO = 1e-9


def is_placed_by_agents(app: App) -> bool:
    """Whether the agents place this application's tasks, and the mapper leaves it alone."""
    return app.mapper_options.distributed and app.mapper in NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a candidate says of itself when it is asked for a task."""

    node: str
    exec_s: float
    """Seconds per item there."""
    busy_cores_ratio: float = 0.0
    memory_ratio: float = 0.0
    promised_s: float = 0.0
    """Seconds per item, over its cores, of what this mapping has given it already."""


def controllers(parents: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Task to the parent that places it, for all that have parents.

    Tasks in sorted-name order: the only parent; of several, the first that already controls a task, else the first.
    """
    chosen: dict[str, str] = {}
    controlling: set[str] = set()
    for task in sorted(parents):
        if parents[task]:
            chosen[task] = next((parent for parent in parents[task] if parent in controlling), parents[task][0])
            controlling.add(chosen[task])
    return chosen


def children_of(controlled: Mapping[str, str], topological: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What each controller places, in the order in which it does so: parents first, then as declared."""
    found: dict[str, tuple[str, ...]] = {}
    for task in topological:
        if task in controlled:
            found[controlled[task]] = (*found.get(controlled[task], ()), task)
    return found


def placing_order(roots: Sequence[str], children: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Depth first: whoever takes a task places its children before the next is placed, one decision at a time."""
    order: list[str] = []
    waiting = list(reversed(roots))
    while waiting:
        task = waiting.pop()
        order.append(task)
        waiting += reversed(children.get(task, ()))
    return tuple(order)


def prices(
    weights: WaveWeights, offers: Sequence[Offer], delays_s: Mapping[str, float], here: str | None
) -> dict[str, float]:
    """Price by node, the best first; equal ones as they stand in `offers`.

    `delays_s` is what the task's input takes from `here`; without a `here` nothing is sent.
    """
    if weights.legacy:
        offers = _not_too_far(offers, delays_s, here)
    found = {offer.node: _price(weights, offer, delays_s[offer.node]) for offer in offers}
    least = min(found.values(), default=0.0)
    return {node: found[node] for node in sorted(found, key=lambda node: max(found[node], least * (1 + TIE_RATIO)))}


def _price(weights: WaveWeights, offer: Offer, delay_s: float) -> float:
    if weights.legacy:
        return delay_s * 1e3 + 100.0 * offer.busy_cores_ratio + 100.0 * offer.memory_ratio
    slowed_s = offer.exec_s / (1.0 - min(offer.busy_cores_ratio, FULL_RATIO))
    memory_ratio = min(offer.memory_ratio, FULL_RATIO)
    tight_s = offer.exec_s * max(0.0, (memory_ratio - MEMORY_CALM_RATIO) / (1.0 - memory_ratio))
    return weights.network * delay_s + weights.compute * (slowed_s + offer.promised_s) + weights.memory * tight_s


def _not_too_far(offers: Sequence[Offer], delays_s: Mapping[str, float], here: str | None) -> Sequence[Offer]:
    """Jupiter's choice: never the node itself, nor what is far behind the nearest. Someone must be left, though."""
    others = [offer for offer in offers if offer.node != here] or offers
    if here is None or not others:
        return others
    limit_s = LEGACY_DELAYS * min(delays_s[offer.node] for offer in others)
    return [offer for offer in others if delays_s[offer.node] < limit_s] or others


def drawn(seed: int, task: str, nodes: Sequence[str]) -> tuple[str, ...]:
    """The nodes in random order, the same for every node that draws: it depends on the seed and the task alone."""
    return tuple(random.Random(f"{seed} {task}").sample(nodes, len(nodes)))
