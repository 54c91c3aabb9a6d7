"""A packet summary, a capture of them, and what is asked of addresses. Imported by readers and tasks."""

from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

TCP, UDP, ICMP = "T", "U", "I"
PROTOCOLS = {6: TCP, 17: UDP, 1: ICMP, 58: ICMP}


class Packet(NamedTuple):
    """One IP packet. `flags` holds TCP flags as letters; ports are 0 where the protocol has none."""

    time_s: float
    src: str
    sport: int
    dst: str
    dport: int
    size_bytes: int
    proto: str
    flags: str


class Capture(NamedTuple):
    """What was read: the packets, and how many lines or frames were left out."""

    packets: list[Packet]
    skipped: int


@lru_cache(maxsize=65536)
def address(value: str | bytes) -> str:
    """An address in its one canonical spelling; raises ValueError on anything else."""
    return str(ip_address(value))


@lru_cache(maxsize=65536)
def is_group(host: str) -> bool:
    """Whether many listen at this address, so that silence from it means nothing."""
    return ip_address(host).is_multicast or host == "255.255.255.255"
