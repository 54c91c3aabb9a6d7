"""Flows per time window, and which stream owns which host. Shared by the tasks; holds no state.

A flow is one direction of a conversation within one window. Windows travel between tasks as lists of plain
records, so that a window of ten thousand packets costs a few hundred records on the wire.
"""

import math
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from packets import ICMP, TCP, Packet

FlowKey = tuple[str, int, str, int, str]
Answers = Collection[FlowKey | tuple[str, str]]
WHOLE_RATIO = 0.9  # a last window covered this far by the capture counts as a whole one
CAP = 5.0


class Flow(NamedTuple):
    """One direction of a conversation in one window.

    `asks` are the packets that open or probe: TCP without ACK or RST, and all of other protocols. `acks` are
    TCP packets with ACK.
    """

    src: str
    sport: int
    dst: str
    dport: int
    proto: str
    packets: int
    size_bytes: int
    asks: int
    acks: int

    @property
    def key(self) -> FlowKey:
        """What makes two packets the same flow."""
        return self[:5]

    @property
    def reverse(self) -> FlowKey:
        """The key of the other direction."""
        return (self.dst, self.dport, self.src, self.sport, self.proto)

    def has_failed(self, answers: Answers) -> bool:
        """Whether it asked in vain: TCP that never came to acknowledge; for others, nothing came back."""
        if self.proto == TCP:
            return self.asks > 0 and self.acks == 0
        if self.proto == ICMP:  # its errors answer other protocols, so whatever came back counts
            return (self.dst, self.src) not in answers
        return self.reverse not in answers


def answers(window: Iterable[Flow]) -> Answers:
    """What `Flow.has_failed` looks its answer up in: the flows of a window, and who sent to whom."""
    return {found for flow in window for found in (flow.key, (flow.src, flow.dst))}


def cut(packets: Iterable[Packet], window_s: float) -> dict[int, list[Flow]]:
    """Flows by window number, counted from the earliest packet; windows without packets are left out."""
    packets = list(packets)
    start_s = min((packet.time_s for packet in packets), default=0.0)
    windows: dict[int, dict[FlowKey, list[int]]] = {}
    for packet in packets:
        number = int((packet.time_s - start_s) / window_s)
        key = (packet.src, packet.sport, packet.dst, packet.dport, packet.proto)
        counts = windows.setdefault(number, {}).setdefault(key, [0, 0, 0, 0])
        counts[0] += 1
        counts[1] += packet.size_bytes
        counts[2] += packet.proto != TCP or not ("A" in packet.flags or "R" in packet.flags)
        counts[3] += packet.proto == TCP and "A" in packet.flags
    return {
        number: [Flow(*key, *counts) for key, counts in sorted(windows[number].items())] for number in sorted(windows)
    }


def whole_windows(packets: Collection[Packet], window_s: float) -> int:
    """How many windows the capture covers to the end; the last one mostly is cut short."""
    if not packets:
        return 0
    span_s = max(packet.time_s for packet in packets) - min(packet.time_s for packet in packets)
    return math.floor(span_s / window_s + 1 - WHOLE_RATIO)


@lru_cache(maxsize=65536)
def owner(host: str, streams: int) -> int:
    """The stream that judges this host: the same on every machine, whatever Python's hash seed."""
    return int.from_bytes(blake2b(host.encode(), digest_size=8).digest()) % streams


def part(windows: dict[int, list[Flow]], stream: int, streams: int) -> list[list[Any]]:
    """The windows of one stream: all flows that touch a host it owns, at either end."""
    return [
        [
            number,
            [list(flow) for flow in flows if stream in (owner(flow.src, streams), owner(flow.dst, streams))],
        ]
        for number, flows in windows.items()
    ]


def unpack(windows: list[list[Any]]) -> dict[int, list[Flow]]:
    """What `part` packed, after its journey."""
    return {number: [Flow(*record) for record in records] for number, records in windows}


def owned_by(item: dict[str, Any]) -> Callable[[str], bool]:
    """Whether a host belongs to the stream that this item is a part of."""
    return lambda host: owner(host, item["streams"]) == item["stream"]


def severity(value: float, limit: float) -> float:
    """0 below the limit, 1 at it, and 1 more with every doubling, up to a cap."""
    if value < limit:
        return 0.0
    return CAP if math.isinf(value) else min(1 + math.log2(value / limit), CAP)
