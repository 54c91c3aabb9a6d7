"""Two results for one item."""


def process(item, ctx):
    if item["words"][:2] == ["raise", "fan"]:
        raise ValueError("as it was told")
    for copy in (1, 2):
        yield {**item, "copy": copy}
