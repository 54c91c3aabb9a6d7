"""The mean over a window of one sensor's readings. A window that is not full is one that time has closed."""


def key(item, ctx):
    return item["sensor"]


def process(items, ctx):
    readings = [item["reading"] for item in items]
    mean = round(sum(readings) / len(readings), 3)
    return {"sensor": key(items[0], ctx), "mean": mean, "readings": len(readings)}
