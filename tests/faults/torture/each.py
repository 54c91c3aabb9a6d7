"""Every part by itself."""


def process(item, ctx):
    return item
