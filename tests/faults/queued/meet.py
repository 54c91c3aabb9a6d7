"""Both branches of one item; parts of different items never meet."""


def process(parts, ctx):
    if len({" ".join(part["words"]) for part in parts.values()}) > 1:
        raise AssertionError(f"parts of different items met: {parts}")
    return {"words": next(iter(parts.values()))["words"], "way": [part["way"] for part in parts.values()]}
