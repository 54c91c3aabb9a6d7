"""Reading captures: packet summaries and pcap, whole and damaged."""

import struct

import pytest

from tests.unit.app_specific_files.dnad_helper import app

HEADER = b"!data timestamp ip_src sport ip_dst dport ip_len ip_proto tcp_flags\n"
LINE = b"12.5 10.0.0.1 1025 10.0.0.2 80 40 T S\n"
PACKET = app.packets.Packet(12.5, "10.0.0.1", 1025, "10.0.0.2", 80, 40, "T", "S")

TCP_SYN = struct.pack(">HHIIBBHHH", 1025, 80, 1, 0, 5 << 4, 0x02, 8192, 0, 0)
UDP = struct.pack(">HHHH", 5353, 53, 8, 0)


def ipv4(proto: int, payload: bytes, fragment: int = 0) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, fragment, 64, proto, 0)
    return head + bytes([10, 0, 0, 1]) + bytes([10, 0, 0, 2]) + payload


def ipv6(proto: int, payload: bytes) -> bytes:
    head = struct.pack(">IHBB", 6 << 28, len(payload), proto, 64)
    return head + bytes(15) + b"\x01" + bytes(15) + b"\x02" + payload


def ethernet(kind: int, payload: bytes, tag: bytes = b"") -> bytes:
    return bytes(12) + tag + struct.pack(">H", kind) + payload


def pcap(*frames: bytes, order: str = "<", nano: bool = False, link: int = 1) -> bytes:
    magic, tick = (0xA1B23C4D, 500_000_000) if nano else (0xA1B2C3D4, 500_000)
    data = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, link)
    for frame in frames:
        data += struct.pack(f"{order}IIII", 12, tick, len(frame), len(frame)) + frame
    return data


def test_a_summary_line_is_read_with_and_without_its_header():
    assert app.capture.read(HEADER + LINE) == app.capture.read(LINE) == ([PACKET], 0)


def test_the_header_says_what_the_columns_are():
    data = b"!data ip_dst tcp_flags ip_src timestamp payload\n10.0.0.2 S 10.0.0.1 12.5 xyz\n"
    (packet,), skipped = app.capture.read(data)
    assert (packet.src, packet.dst, packet.time_s, packet.flags) == ("10.0.0.1", "10.0.0.2", 12.5, "S")
    assert (packet.sport, packet.size_bytes, packet.proto, skipped) == (0, 0, "-", 0)


def test_a_header_without_addresses_makes_its_lines_unreadable():
    assert app.capture.read(b"!data timestamp ip_len\n1 40\n2 40\n" + HEADER + LINE) == ([PACKET], 2)


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"12.5 10.0.0.1 1025 10.0.0.2 80 40 T",  # cut
        b"nan 10.0.0.1 1025 10.0.0.2 80 40 T S",
        b"inf 10.0.0.1 1025 10.0.0.2 80 40 T S",
        b"1e300 10.0.0.1 1025 10.0.0.2 80 40 T S",
        b"-1 10.0.0.1 1025 10.0.0.2 80 40 T S",
        b"12.5 10.0.0.256 1025 10.0.0.2 80 40 T S",
        b"12.5 10.0.0.1 65536 10.0.0.2 80 40 T S",
        b"12.5 10.0.0.1 1025 10.0.0.2 80 -40 T S",
        b"12.5 10.0.0.1 1025 10.0.0.2 80 40 X S",
        b"\xff\xfe\x00 10.0.0.1 1025 10.0.0.2 80 40 T S",
    ],
)
def test_a_bad_line_is_counted_and_costs_nothing_else(line):
    assert app.capture.read(LINE + line + b"\n" + LINE) == ([PACKET, PACKET], 1)


def test_absent_values_and_protocol_numbers():
    data = b"1 10.0.0.1 - 10.0.0.2 - 28 I -\r\n1 ::1 53 ::2 9 60 17 -\n1 10.0.0.1 - 10.0.0.2 - 28 2 -\n"
    packets, skipped = app.capture.read(data)
    assert [(p.src, p.sport, p.proto, p.flags) for p in packets] == [
        ("10.0.0.1", 0, "I", ""),
        ("::1", 53, "U", ""),
        ("10.0.0.1", 0, "2", ""),
    ]
    assert skipped == 0


def test_what_is_written_is_read_back():
    ping = app.packets.Packet(13.25, "10.0.0.1", 0, "10.0.0.2", 0, 84, "I", "")
    assert app.capture.read(app.ipsum.write([PACKET, ping], "test").encode()) == ([PACKET, ping], 0)


@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_pcap_in_both_byte_orders_and_resolutions(order, nano):
    data = pcap(ethernet(0x0800, ipv4(6, TCP_SYN)), order=order, nano=nano)
    assert app.capture.read(data) == ([PACKET], 0)


@pytest.mark.parametrize(
    ("link", "before"),
    [
        (101, b""),
        (228, b""),
        (1, ethernet(0x0800, b"", tag=b"\x81\x00\x00\x0a")),
        (113, bytes(14) + b"\x08\x00"),
        (276, b"\x08\x00" + bytes(18)),
    ],
)
def test_pcap_link_layers(link, before):
    assert app.capture.read(pcap(before + ipv4(6, TCP_SYN), link=link)) == ([PACKET], 0)


def test_pcap_ipv6_with_extension_headers():
    hop_by_hop = bytes([44, 0]) + bytes(6)
    first_fragment = bytes([17, 0, 0, 1]) + bytes(4)
    (packet,), skipped = app.capture.read(pcap(ethernet(0x86DD, ipv6(0, hop_by_hop + first_fragment + UDP))))
    assert packet == app.packets.Packet(12.5, "::1", 5353, "::2", 53, 64, "U", "")
    assert skipped == 0


def test_pcap_icmp_and_later_fragments_have_no_ports():
    packets, _ = app.capture.read(pcap(ipv4(1, bytes(8)), ipv4(17, UDP, fragment=100), link=101))
    assert [(p.proto, p.sport, p.dport, p.flags) for p in packets] == [("I", 0, 0, ""), ("U", 0, 0, "")]


def test_pcap_frames_without_ip_are_counted():
    arp, runt, torn = ethernet(0x0806, bytes(28)), b"\x00" * 5, ethernet(0x0800, ipv4(6, TCP_SYN)[:12])
    assert app.capture.read(pcap(arp, runt, torn, ethernet(0x0800, ipv4(6, TCP_SYN)))) == ([PACKET], 3)


def test_pcap_cut_anywhere_keeps_the_whole_packets():
    frame = ethernet(0x0800, ipv4(6, TCP_SYN))
    data = pcap(frame, frame)
    second_at = 24 + 16 + len(frame)
    for end in range(4, len(data)):
        packets, skipped = app.capture.read(data[:end])
        assert packets == [PACKET] * (end >= second_at)
        assert skipped == (end not in (24, second_at))


def test_pcap_with_a_corrupt_length_stops_there():
    data = pcap(ethernet(0x0800, ipv4(6, TCP_SYN))) + struct.pack("<IIII", 1, 1, 1 << 31, 60) + bytes(60)
    assert app.capture.read(data) == ([PACKET], 1)


@pytest.mark.parametrize(
    ("data", "says"), [(b"\x0a\x0d\x0d\x0a" + bytes(40), "pcapng"), (pcap(link=105), "link type 105")]
)
def test_a_kind_of_file_that_is_not_read_is_named(data, says):
    with pytest.raises(ValueError, match=says):
        app.capture.read(data)
