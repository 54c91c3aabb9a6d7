"""How many words there are."""


def process(words, ctx):
    return len(words)
