"""`kitchen 21.5`, as a sensor and its reading; an empty line is none."""


def process(line, ctx):
    words = line.split()
    if not words:
        return None
    sensor, reading = words
    return {"sensor": sensor, "reading": float(reading)}
