"""Classic pcap files, read with `struct` alone: both byte orders, micro- and nanoseconds.

Link layers: Ethernet (with VLAN tags), raw IP, Linux cooked (both versions). Above: IPv4 and IPv6.
"""

import struct
from collections.abc import Iterator

import packets

MAGICS = {  # first four bytes: byte order for struct, ticks per second
    b"\xd4\xc3\xb2\xa1": ("<", 1e6),
    b"\xa1\xb2\xc3\xd4": (">", 1e6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e9),
    b"\xa1\xb2\x3c\x4d": (">", 1e9),
}
FILE_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16
RECORD_LIMIT_BYTES = 1 << 18  # the largest snapshot length any capture program writes

ETHERNET, COOKED, COOKED_2 = 1, 113, 276
RAW_IP = {12, 14, 101, 228, 229}
VLAN_TYPES = {0x8100, 0x88A8}
IP_TYPES = {0x0800, 0x86DD}
EXTENSION_HEADERS = {0, 43, 60}  # hop-by-hop, routing, destination options: next header, length in 8 bytes
FRAGMENT_HEADER = 44

FLAG_LETTERS = "FSRPAUEW"


def read(data: bytes) -> packets.Capture:
    """Every IP packet; frames of other kinds and what a cut file lost are counted."""
    order, ticks_per_s = MAGICS[data[:4]]
    if len(data) < FILE_HEADER_BYTES:
        return packets.Capture([], 1)
    link = struct.unpack_from(f"{order}I", data, 20)[0] & 0xFFFF
    if link not in RAW_IP and link not in (ETHERNET, COOKED, COOKED_2):
        raise ValueError(f"pcap link type {link} is not read; Ethernet, raw IP and Linux cooked are")
    found: list[packets.Packet] = []
    skipped = 0
    for record in _records(data, order, ticks_per_s):
        packet = _packet(*record, link) if record else None
        if packet:
            found.append(packet)
        else:
            skipped += 1
    return packets.Capture(found, skipped)


def _records(data: bytes, order: str, ticks_per_s: float) -> Iterator[tuple[float, int, bytes] | None]:
    """(time, size on the wire, captured bytes) of each record; None for what a cut or corrupt file lost."""
    header = struct.Struct(f"{order}IIII")
    at = FILE_HEADER_BYTES
    while at < len(data):
        if at + RECORD_HEADER_BYTES > len(data):
            yield None
            return
        seconds, ticks, captured, size = header.unpack_from(data, at)
        at += RECORD_HEADER_BYTES
        if captured > RECORD_LIMIT_BYTES or at + captured > len(data):
            yield None
            return
        yield seconds + ticks / ticks_per_s, size, data[at : at + captured]
        at += captured


def _packet(time_s: float, size_bytes: int, frame: bytes, link: int) -> packets.Packet | None:
    """The packet in a frame, or None if it holds no IP or too little of it."""
    try:
        at = _ip_offset(frame, link)
        if at is None:
            return None
        version = frame[at] >> 4
        if version == 4:
            src, dst, size, number, upper = _ipv4(frame, at)
        elif version == 6:
            src, dst, size, number, upper = _ipv6(frame, at)
        else:
            return None
        proto = packets.PROTOCOLS.get(number, str(number))
        sport, dport, flags = _ports(frame, upper, proto)
    except (struct.error, IndexError, ValueError):
        return None
    return packets.Packet(time_s, src, sport, dst, dport, size or size_bytes, proto, flags)


def _ip_offset(frame: bytes, link: int) -> int | None:
    if link in RAW_IP:
        return 0
    kind_at, at = {ETHERNET: (12, 14), COOKED: (14, 16), COOKED_2: (0, 20)}[link]
    kind = struct.unpack_from(">H", frame, kind_at)[0]
    while kind in VLAN_TYPES:
        kind = struct.unpack_from(">H", frame, at + 2)[0]
        at += 4
    return at if kind in IP_TYPES else None


def _ipv4(frame: bytes, at: int) -> tuple[str, str, int, int, int | None]:
    """Addresses, size, protocol number, and where the upper header starts (None in a later fragment)."""
    size, _, fragment = struct.unpack_from(">HHH", frame, at + 2)
    upper = None if fragment & 0x1FFF else at + (frame[at] & 0x0F) * 4
    src, dst = packets.address(frame[at + 12 : at + 16]), packets.address(frame[at + 16 : at + 20])
    return src, dst, size, frame[at + 9], upper


def _ipv6(frame: bytes, at: int) -> tuple[str, str, int, int, int | None]:
    payload = struct.unpack_from(">H", frame, at + 4)[0]
    src, dst = packets.address(frame[at + 8 : at + 24]), packets.address(frame[at + 24 : at + 40])
    number, upper = frame[at + 6], at + 40
    while number in EXTENSION_HEADERS or number == FRAGMENT_HEADER:
        if number == FRAGMENT_HEADER:
            if struct.unpack_from(">H", frame, upper + 2)[0] >> 3:
                return src, dst, payload + 40, frame[upper], None
            number, upper = frame[upper], upper + 8
        else:
            number, upper = frame[upper], upper + (frame[upper + 1] + 1) * 8
    return src, dst, payload + 40, number, upper


def _ports(frame: bytes, upper: int | None, proto: str) -> tuple[int, int, str]:
    """Ports and TCP flags; zero and none where the protocol or the captured part has none."""
    if upper is None or proto not in (packets.TCP, packets.UDP) or upper + 4 > len(frame):
        return 0, 0, ""
    sport, dport = struct.unpack_from(">HH", frame, upper)
    if proto != packets.TCP or upper + 14 > len(frame):
        return sport, dport, ""
    bits = frame[upper + 13]
    return sport, dport, "".join(letter for bit, letter in enumerate(FLAG_LETTERS) if bits >> bit & 1)
