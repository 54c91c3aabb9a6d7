"""The longest word."""


def process(words, ctx):
    return max(words, key=len)
