"""A line is words: what is to happen, at which task, and a number that makes it unlike others."""


def process(line, ctx):
    return {"words": line.split(), "way": []}
