"""Passes an item on; at the task that the item names, does what it says."""

import os


def process(item, ctx):
    what, where, _ = item["words"]
    if where == ctx.task and what == "drop":
        return None
    if where == ctx.task and what == "raise":
        raise ValueError("as it was told")
    if where == ctx.task and what == "exit":
        os._exit(3)
    return {**item, "way": [*item["way"], ctx.task]}
