"""Both branches of one line, side by side: a join gets the value of each parent, by the parent's name."""


def process(parts, ctx):
    return {"words": parts["count"], "longest": parts["length"]}
