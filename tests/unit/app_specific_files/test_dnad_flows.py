"""Windows, flows, and the split into streams."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.app_specific_files import dnad_helper
from tests.unit.app_specific_files.dnad_helper import Outbox, app

Packet, Flow = app.packets.Packet, app.flows.Flow
OWNERS = [1, 2, 1, 2, 2, 2, 0, 1, 0, 2]


def packet(time_s, src="10.0.0.1", sport=1025, dst="10.0.0.2", dport=80, size=40, proto="T", flags="A"):
    return Packet(time_s, src, sport, dst, dport, size, proto, flags)


def test_windows_start_at_the_earliest_packet_in_any_order():
    windows = app.flows.cut([packet(119.9), packet(100.0), packet(109.999), packet(110.0)], 10.0)
    assert {number: sum(flow.packets for flow in flows) for number, flows in windows.items()} == {0: 2, 1: 2}


def test_a_gap_however_long_costs_no_windows():
    windows = app.flows.cut([packet(0.0), packet(1.3e9), packet(1e11)], 10.0)
    assert sorted(windows) == [0, 130_000_000, 10**10]
    assert sum(len(flows) for flows in windows.values()) == 3


def test_a_flow_sums_one_direction_of_one_window():
    sent = [packet(0, flags="S"), packet(1), packet(2, size=60, flags="PA"), packet(3, flags="R")]
    answer = packet(1, src="10.0.0.2", sport=80, dst="10.0.0.1", dport=1025, flags="SA")
    assert app.flows.cut([*sent, answer], 10.0)[0] == [
        Flow("10.0.0.1", 1025, "10.0.0.2", 80, "T", 4, 180, asks=1, acks=2),
        Flow("10.0.0.2", 80, "10.0.0.1", 1025, "T", 1, 40, asks=0, acks=1),
    ]


@pytest.mark.parametrize(
    ("kinds", "failed"),
    [
        (["S"], True),
        (["S", "R"], True),  # a half-open scan of an open port
        (["F"], True),
        (["S", "A"], False),
        (["PA"], False),  # the middle of a connection
        (["SA"], False),
        (["RA"], False),
        (["R"], False),
    ],
)
def test_a_tcp_flow_fails_if_it_asks_and_never_acknowledges(kinds, failed):
    ((flow,),) = app.flows.cut([packet(0, flags=flags) for flags in kinds], 10.0).values()
    assert flow.has_failed(app.flows.answers([flow])) is failed


def test_a_datagram_fails_if_no_flow_came_back():
    question = packet(0, proto="U", flags="")
    answer = packet(1, "10.0.0.2", 80, "10.0.0.1", 1025, proto="U", flags="")
    ((alone,),) = app.flows.cut([question], 10.0).values()
    assert alone.has_failed(app.flows.answers([alone]))
    assert not alone.has_failed(app.flows.answers(app.flows.cut([question, answer], 10.0)[0]))


def test_an_icmp_error_answers_a_datagram_and_has_not_failed():
    question = packet(0, proto="U", flags="")
    error = packet(1, "10.0.0.2", 0, "10.0.0.1", 0, proto="I", flags="")
    window = app.flows.cut([question, error], 10.0)[0]
    assert [flow.has_failed(app.flows.answers(window)) for flow in window] == [True, False]
    ((ping,),) = app.flows.cut([error], 10.0).values()
    assert ping.has_failed(app.flows.answers([ping]))


@pytest.mark.parametrize(("span_s", "whole"), [(0, 0), (8.9, 0), (9.1, 1), (10, 1), (18.9, 1), (19.1, 2)])
def test_a_last_window_counts_as_whole_when_mostly_covered(span_s, whole):
    assert app.flows.whole_windows([packet(5.0), packet(5.0 + span_s)], 10.0) == whole
    assert app.flows.whole_windows([], 10.0) == 0


def test_every_host_has_one_owner_and_streams_share_evenly():
    hosts = [f"10.0.{a}.{b}" for a in range(10) for b in range(100)]
    for streams in (1, 2, 3, 7):
        owned = [app.flows.owner(host, streams) for host in hosts]
        shares = [owned.count(stream) for stream in range(streams)]
        assert sum(shares) == len(hosts)
        assert min(shares) > 0.8 * len(hosts) / streams


def test_the_split_is_the_same_on_every_machine():
    assert [app.flows.owner(f"10.0.0.{n}", 3) for n in range(10)] == OWNERS


def test_a_stream_sees_all_that_its_hosts_send_and_receive():
    packets = [packet(n / 10, src=f"10.0.0.{n}", dst=f"10.0.1.{n % 7}") for n in range(50)]
    windows = app.flows.cut(packets, 1.0)
    for stream in range(3):
        part = app.flows.unpack(app.flows.part(windows, stream, 3))
        assert part.keys() == windows.keys()
        for number, flows in windows.items():
            mine = [f for f in flows if stream in (app.flows.owner(f.src, 3), app.flows.owner(f.dst, 3))]
            assert part[number] == mine


def test_each_child_gets_one_part_its_own():
    outbox = Outbox("window")
    assert app.window.process(b"1 10.0.0.1 1025 10.0.0.2 80 40 T S\nbad\n", outbox) is None
    assert {child: [part["stream"] for part in parts] for child, parts in outbox.sent.items()} == {
        f"{kind}{stream}": [stream] for stream in range(3) for kind in ("threshold", "astute")
    }
    (part,) = outbox.sent["astute1"]
    assert part["input"] == {"packets": 1, "skipped": 1, "windows": 1}


@pytest.mark.parametrize("children", [[], ["a0", "b"], ["a1", "a2"], ["a0", "a2"]])
def test_children_that_are_not_numbered_from_0_are_refused(children):
    with pytest.raises(ValueError, match="stream numbers from 0"):
        app.window.stream_numbers(children)


def test_results_do_not_depend_on_the_hash_seed():
    sample = dnad_helper.FOLDER / "sample_input" / "small.ipsum"
    command = [sys.executable, str(Path(dnad_helper.__file__)), str(sample)]
    outputs = {
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("0", "1", "77")
    }
    assert len(outputs) == 1
