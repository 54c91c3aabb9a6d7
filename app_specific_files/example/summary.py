"""A sentence for people beside the figures. `setup` runs once, before the first item."""

NOUNS = {}


def setup(ctx):
    NOUNS.update({1: "word"})


def process(found, ctx):
    noun = NOUNS.get(found["words"], "words")
    return {**found, "text": f"{found['words']} {noun}, the longest is '{found['longest']}'"}
