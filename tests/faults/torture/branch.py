"""One branch of two: passes an item on, or does what the item says."""

import ctypes
import os
import time


def process(item, ctx):
    if item["words"][1] == ctx.task:
        match item["words"][0]:
            case "drop":
                return
            case "raise":
                raise ValueError("as it was told")
            case "two":
                yield item
                yield item
                return
            case "unencodable":
                yield {1, 2, 3}
                return
            case "exit":
                os._exit(3)
            case "crash":
                ctypes.string_at(0)
            case "hang":
                time.sleep(60)
    yield {**item, "by": ctx.task}
