"""Task `window`: a capture file in, its flows per time window out, cut into streams by host.

A stream is given every flow that touches a host it owns, whichever end. So the stream that owns a scanner
sees the whole scan and the stream that owns a flood's victim sees the whole flood, each with the answers.
"""

import re
from collections.abc import Iterable
from typing import Any

import capture
import flows

WINDOW_S = 10.0


def process(item: bytes, ctx: Any) -> None:
    """Send each child the part of the stream that it is numbered for: one part per child, also when empty."""
    numbers = stream_numbers(ctx.children)
    streams = max(numbers.values()) + 1
    packets, skipped = capture.read(bytes(item))
    windows = flows.cut(packets, WINDOW_S)
    common = {
        "input": {"packets": len(packets), "skipped": skipped, "windows": len(windows)},
        "window_s": WINDOW_S,
        "whole": flows.whole_windows(packets, WINDOW_S),
        "streams": streams,
    }
    parts = [common | {"stream": s, "windows": flows.part(windows, s, streams)} for s in range(streams)]
    for child, stream in numbers.items():
        ctx.emit(parts[stream], to=child)


def stream_numbers(children: Iterable[str]) -> dict[str, int]:
    """The stream each child works on: the number its name ends in. They must count up from 0."""
    endings = {child: re.search(r"\d+$", child) for child in children}
    numbers = {child: int(ending[0]) for child, ending in endings.items() if ending}
    streams = set(numbers.values())
    if not streams or len(numbers) < len(endings) or streams != set(range(len(streams))):
        raise ValueError(f"children of window must end in stream numbers from 0 on: {', '.join(endings)}")
    return numbers
