def process(parts, ctx):
    return parts["left"]
