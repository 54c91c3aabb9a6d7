"""Packet summaries as text, as `ipsumdump` prints them: one packet a line, fields named by a `!data` line.

A part of a file may have lost its header, so lines before any `!data` are read in the usual field order.
"""

from collections.abc import Callable, Sequence

import packets

USUAL_FIELDS = ("timestamp", "ip_src", "sport", "ip_dst", "dport", "ip_len", "ip_proto", "tcp_flags")
NEEDED_FIELDS = {"timestamp", "ip_src", "ip_dst"}
ABSENT = "-"
LATEST_S = 1e11
LETTERS = {packets.TCP, packets.UDP, packets.ICMP}

Reader = Callable[[Sequence[str]], packets.Packet]


def read(data: bytes) -> packets.Capture:
    """Every line that can be read; the others are counted."""
    found: list[packets.Packet] = []
    skipped = 0
    parse = _reader(USUAL_FIELDS)
    for line in data.decode("ascii", "replace").split("\n"):
        words = line.split()
        if not words:
            continue
        if words[0].startswith("!"):
            parse = _reader(words[1:]) if words[0] == "!data" else parse
            continue
        try:
            found.append(parse(words))
        except ValueError:
            skipped += 1
    return packets.Capture(found, skipped)


def write(summaries: Sequence[packets.Packet], creator: str) -> str:
    """The packets as a file with a header, in the order given."""
    lines = ["!IPSummaryDump 1.3", f'!creator "{creator}"', "!data " + " ".join(USUAL_FIELDS)]
    lines += [
        f"{p.time_s:.6f} {p.src} {p.sport or ABSENT} {p.dst} {p.dport or ABSENT}"
        f" {p.size_bytes} {p.proto} {p.flags or ABSENT}"
        for p in summaries
    ]
    return "\n".join(lines) + "\n"


def _reader(fields: Sequence[str]) -> Reader:
    """How to read a line with these fields; a header that lacks an address makes every line unreadable."""
    place = {name: number for number, name in enumerate(fields)}
    if not place.keys() >= NEEDED_FIELDS:
        return _refuse
    columns = [place.get(name) for name in USUAL_FIELDS]
    count = len(fields)

    def parse(words: Sequence[str]) -> packets.Packet:
        if len(words) != count:
            raise ValueError(f"{len(words)} fields instead of {count}")
        time, src, sport, dst, dport, size, proto, flags = (
            ABSENT if column is None else words[column] for column in columns
        )
        return packets.Packet(
            _time_s(time),
            packets.address(src),
            _number(sport, 65535),
            packets.address(dst),
            _number(dport, 65535),
            _number(size, 1 << 32),
            _protocol(proto),
            "" if flags in (ABSENT, ".") else flags,
        )

    return parse


def _refuse(words: Sequence[str]) -> packets.Packet:
    raise ValueError("the header names no timestamp or no addresses")


def _time_s(word: str) -> float:
    time_s = float(word)
    if not 0 <= time_s < LATEST_S:  # false for nan, too
        raise ValueError(f"not a time: {word}")
    return time_s


def _number(word: str, limit: int) -> int:
    if word == ABSENT:
        return 0
    if not word.isdigit() or int(word) > limit:
        raise ValueError(f"not a number up to {limit}: {word}")
    return int(word)


def _protocol(word: str) -> str:
    if word in LETTERS or word == ABSENT:
        return word
    number = _number(word, 255)
    return packets.PROTOCOLS.get(number, str(number))
