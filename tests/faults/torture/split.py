"""A line is words: what is to happen, where, and a number that makes it unlike others."""


def process(line, ctx):
    words = line.split()
    if words[:2] == ["drop", "split"]:
        return None
    if words[:2] == ["raise", "split"]:
        raise ValueError("as it was told")
    return {"words": words}
