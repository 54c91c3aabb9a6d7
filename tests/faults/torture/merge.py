"""Both branches of one item; parts of different items never meet."""


def process(parts, ctx):
    left, right = parts["left"], parts["right"]
    if left["words"] != right["words"]:
        raise AssertionError(f"parts of different items met: {left} and {right}")
    return {"words": left["words"], "by": [left["by"], right["by"]]}
