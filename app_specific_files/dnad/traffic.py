"""Seeded traffic with known culprits, to try the detectors on: `python traffic.py --seed 1 > x.ipsum`.

The background is a site of clients behind one resolver: sessions of a name look-up and a few connections to
servers of unequal popularity, with heavy-tailed answers and some failures; and three honest oddities, a
backup (one huge flow), a crawler (many destinations) and announcements to a group address (never answered).

Guilty is who a person would have to act on: the source of a scan, and the victim of a flood, whose sources
are forged or many. Same arguments, same bytes.
"""

import argparse
import random
import sys
from collections.abc import Callable
from typing import NamedTuple

import ipsum
from packets import ICMP, TCP, UDP, Packet

CLIENTS = 40
SERVERS = 25
SESSION_GAP_S = 12.0
FAILING_RATIO = 0.04
RESOLVER, BACKUP_SOURCE, BACKUP_TARGET, CRAWLER = "10.1.0.53", "10.1.0.8", "10.1.0.9", "10.1.0.77"
GROUP = "224.0.0.251"
FULL_BYTES, BARE_BYTES = 1500, 40


class Traffic(NamedTuple):
    """Packets in time order, and the guilty hosts with what they are guilty of."""

    packets: list[Packet]
    guilty: dict[str, str]


class Site:
    """Collects packets of conversations. All randomness is in `rng`."""

    def __init__(self, rng: random.Random, duration_s: float, clients: int) -> None:
        self.rng = rng
        self.duration_s = duration_s
        self.packets: list[Packet] = []
        self.servers = [self.outsider() for _ in range(SERVERS)]
        self.clients = [f"10.1.{1 + number % 4}.{10 + number}" for number in range(clients)]

    def outsider(self) -> str:
        """An address outside the site."""
        first, *rest = (self.rng.randrange(1, 255) for _ in range(4))
        return ".".join(map(str, [11 + first % 100, *rest]))

    def send(self, time_s: float, src: str, sport: int, dst: str, dport: int, size: int, kind: str) -> None:
        """One packet; `kind` is the protocol and, after it, TCP flags. Nothing is sent after the end."""
        if time_s < self.duration_s:
            self.packets.append(Packet(round(time_s, 6), src, sport, dst, dport, size, kind[0], kind[1:]))

    def ephemeral(self) -> int:
        """A client's port."""
        return self.rng.randrange(32768, 61000)

    def exchange(self, time_s: float, client: str, server: str, port: int, answer_packets: int) -> None:
        """A TCP connection: handshake, request, answer with acknowledgements, end."""
        sport, trip_s = self.ephemeral(), self.rng.uniform(0.005, 0.08)
        up = (client, sport, server, port)
        down = (server, port, client, sport)
        self.send(time_s, *up, BARE_BYTES, TCP + "S")
        self.send(time_s + trip_s, *down, BARE_BYTES, TCP + "SA")
        time_s += trip_s + 0.001
        self.send(time_s, *up, BARE_BYTES, TCP + "A")
        self.send(time_s, *up, self.rng.randrange(200, 900), TCP + "PA")
        for number in range(answer_packets):
            time_s += self.rng.expovariate(1 / 0.01)
            self.send(time_s + trip_s, *down, FULL_BYTES, TCP + "A")
            if number % 2:
                self.send(time_s + trip_s + 0.001, *up, BARE_BYTES, TCP + "A")
        self.send(time_s + trip_s + 0.002, *up, BARE_BYTES, TCP + "FA")
        self.send(time_s + 2 * trip_s, *down, BARE_BYTES, TCP + "FA")

    def failure(self, time_s: float, client: str, server: str, port: int) -> None:
        """A connection refused, or tried three times without an answer."""
        sport = self.ephemeral()
        if self.rng.random() < 0.5:
            self.send(time_s, client, sport, server, port, BARE_BYTES, TCP + "S")
            self.send(time_s + 0.03, server, port, client, sport, BARE_BYTES, TCP + "RA")
            return
        for delay_s in (0, 1, 3):
            self.send(time_s + delay_s, client, sport, server, port, BARE_BYTES, TCP + "S")

    def look_up(self, time_s: float, client: str, server: str) -> None:
        """A name look-up and, mostly, its answer."""
        sport = self.ephemeral()
        self.send(time_s, client, sport, server, 53, 60, UDP)
        if self.rng.random() > FAILING_RATIO:
            self.send(time_s + 0.01, server, 53, client, sport, 180, UDP)


def generate(seed: int, duration_s: float = 90.0, attacks: list[str] | None = None, clients: int = CLIENTS) -> Traffic:
    """Background for `duration_s` with these kinds of attack in it; drawn at random if not given."""
    rng = random.Random(seed)
    site = Site(rng, duration_s, clients)
    background(site)
    if attacks is None:
        attacks = rng.sample(sorted(ATTACKS), rng.randrange(1, 4))
    guilty: dict[str, str] = {}
    for kind in attacks:
        start_s, length_s = duration_s * rng.uniform(0.1, 0.5), duration_s * rng.uniform(0.2, 0.4)
        guilty[ATTACKS[kind](site, start_s, length_s, len(guilty))] = kind
    return Traffic(sorted(site.packets), guilty)


def background(site: Site) -> None:
    """What the site does on any day."""
    rng = site.rng
    for client in [*site.clients, RESOLVER]:
        time_s = rng.expovariate(1 / SESSION_GAP_S)
        while time_s < site.duration_s:
            if client == RESOLVER:
                site.look_up(time_s, RESOLVER, site.outsider())
                time_s += rng.expovariate(2.0)
                continue
            _session(site, time_s, client)
            time_s += rng.expovariate(1 / SESSION_GAP_S)
    _oddities(site)


def _oddities(site: Site) -> None:
    """Honest hosts that look unlike the others, in step with the size of the site."""
    rng, size = site.rng, len(site.clients)
    for tick in range(int(site.duration_s * size / 2)):
        site.send(tick * 2 / size, BACKUP_SOURCE, 45000, BACKUP_TARGET, 873, FULL_BYTES, TCP + "A")
    for tick in range(int(site.duration_s * size / 20)):
        time_s = tick * 20 / size
        site.send(time_s + 0.1, rng.choice(site.clients), 5353, GROUP, 5353, 120, UDP)
        if rng.random() < 0.1:
            site.failure(time_s + 0.2, CRAWLER, site.outsider(), 443)
        else:
            site.exchange(time_s + 0.2, CRAWLER, site.outsider(), 443, 3)


def _session(site: Site, time_s: float, client: str) -> None:
    rng = site.rng
    site.look_up(time_s, client, RESOLVER)
    server = site.servers[min(int(rng.paretovariate(0.8)) - 1, SERVERS - 1)]
    for _ in range(rng.randrange(1, 5)):
        time_s += rng.uniform(0.02, 0.5)
        if rng.random() < FAILING_RATIO:
            site.failure(time_s, client, server, 443)
        else:
            site.exchange(time_s, client, server, 443, min(int(rng.paretovariate(1.1) * 2), 150))


def network_scan(site: Site, start_s: float, length_s: float, number: int) -> str:
    """One port of many addresses; few answer. The source is outside or one of the clients."""
    rng = site.rng
    source = rng.choice([site.outsider(), site.clients[number]])
    port, gap_s = rng.choice([22, 23, 445, 3128, 3389]), 1 / rng.uniform(4, 40)
    for step in range(int(length_s / gap_s)):
        time_s, target, sport = start_s + step * gap_s, site.outsider(), site.ephemeral()
        site.send(time_s, source, sport, target, port, BARE_BYTES, TCP + "S")
        fate = rng.random()
        if fate < 0.1:
            site.send(time_s + 0.03, target, port, source, sport, BARE_BYTES, TCP + "RA")
        elif fate < 0.13:
            site.send(time_s + 0.03, target, port, source, sport, BARE_BYTES, TCP + "SA")
            site.send(time_s + 0.031, source, sport, target, port, BARE_BYTES, TCP + "R")
    return source


def port_scan(site: Site, start_s: float, length_s: float, number: int) -> str:
    """Many ports of one server, most of them closed or filtered."""
    rng = site.rng
    source, target, sport = site.outsider(), site.servers[10 + number], site.ephemeral()
    gap_s = 1 / rng.uniform(6, 60)
    ports = rng.sample(range(1, 20000), int(length_s / gap_s))
    for step, port in enumerate(ports):
        site.send(start_s + step * gap_s, source, sport, target, port, BARE_BYTES, TCP + "S")
        if rng.random() < 0.7:
            site.send(start_s + step * gap_s + 0.02, target, port, source, sport, BARE_BYTES, TCP + "RA")
    return source


def syn_flood(site: Site, start_s: float, length_s: float, number: int) -> str:
    """Connections to one server that are never completed, from forged addresses."""
    rng = site.rng
    victim, gap_s = site.servers[number], 1 / rng.uniform(30, 150)
    for step in range(int(length_s / gap_s)):
        source, sport, time_s = site.outsider(), rng.randrange(1024, 65536), start_s + step * gap_s
        site.send(time_s, source, sport, victim, 443, BARE_BYTES, TCP + "S")
        if rng.random() < 0.5:
            site.send(time_s + 0.02, victim, 443, source, sport, BARE_BYTES, TCP + "SA")
    return victim


def udp_flood(site: Site, start_s: float, length_s: float, number: int) -> str:
    """Datagrams to one port of one host from a few dozen machines."""
    rng = site.rng
    victim, gap_s = site.servers[5 + number], 1 / rng.uniform(60, 200)
    sources = [site.outsider() for _ in range(rng.randrange(20, 60))]
    for step in range(int(length_s / gap_s)):
        source, time_s = rng.choice(sources), start_s + step * gap_s
        site.send(time_s, source, site.ephemeral(), victim, 123, 468, UDP)
        if step % 20 == 0:
            site.send(time_s + 0.01, victim, 0, source, 0, 68, ICMP)
    return victim


ATTACKS: dict[str, Callable[[Site, float, float, int], str]] = {
    "network_scan": network_scan,
    "port_scan": port_scan,
    "syn_flood": syn_flood,
    "udp_flood": udp_flood,
}


def main() -> None:
    """Write the traffic to standard output and the guilty hosts to standard error."""
    parser = argparse.ArgumentParser(description="Seeded traffic with known culprits, as packet summaries.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--duration", type=float, default=90.0, metavar="SECONDS")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--attack", action="append", choices=sorted(ATTACKS), help="repeat for several")
    asked = parser.parse_args()
    made = generate(asked.seed, asked.duration, asked.attack, asked.clients)
    sys.stdout.write(ipsum.write(made.packets, "traffic.py " + " ".join(sys.argv[1:])))
    for host, kind in made.guilty.items():
        print(f"guilty: {host} ({kind})", file=sys.stderr)


if __name__ == "__main__":
    main()
