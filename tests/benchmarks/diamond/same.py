def process(item, ctx):
    return item
