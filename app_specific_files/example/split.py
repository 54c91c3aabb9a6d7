"""A line of text becomes its words."""


def process(line, ctx):
    words = line.split()
    return words or None  # nothing returned: the line goes no further
