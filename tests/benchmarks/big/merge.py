"""The two copies must be the same; one of them is the result."""

import filecmp
from pathlib import Path


def process(item, ctx):
    left, right = item["left"], item["right"]
    is_same = filecmp.cmp(left, right, shallow=False) if isinstance(left, Path) else left == right
    if not is_same:
        raise ValueError("the copies differ")
    return left
