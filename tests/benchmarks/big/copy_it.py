"""A copy: what a task of one's own would make of the item."""

import shutil
from pathlib import Path


def process(item, ctx):
    if not isinstance(item, Path):
        return item
    return shutil.copyfile(item, ctx.scratch / "copy")
