"""Two results for one item."""


def process(item, ctx):
    if item["words"][:2] == ["raise", "fan"]:
        raise ValueError("as it was told")
    yield {**item, "copy": 1}
    yield {**item, "copy": 2}
