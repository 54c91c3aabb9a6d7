"""Both branches get the item as it is."""


def process(item, ctx):
    return item
