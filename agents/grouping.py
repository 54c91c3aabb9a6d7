"""Sample items of a gather in groups such as its worker would make. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

from agents.samples import SampleInput

MOST_MEMBERS = 1000
"""Repeated samples show what a larger group costs; more of them would only take time."""


def groups(inputs: Sequence[SampleInput], keys: Sequence[str], count: int | None) -> list[SampleInput]:
    """By key, in the order of the first item of each; where a group needs more items, its own are repeated.

    Without a `count` there is nothing that says how large a group would be: it has the items there are.
    """
    by_key: dict[str, list[SampleInput]] = {}
    for key, item in zip(keys, inputs, strict=True):
        by_key.setdefault(key, []).append(item)
    formed = []
    for items in by_key.values():
        size = len(items) if count is None else min(count, MOST_MEMBERS)
        whole = [items[start : start + size] for start in range(0, len(items) - size + 1, size)]
        formed += [_group(members) for members in whole or [list(islice(cycle(items), size))]]
    return formed


def _group(items: Sequence[SampleInput]) -> SampleInput:
    return SampleInput(items[0].item_id, members=tuple(item.payload or b"" for item in items))
