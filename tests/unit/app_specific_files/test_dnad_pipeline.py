"""The whole application, walked in this process: what it finds in generated traffic, and in none."""

import random

import pytest

from tests.unit.app_specific_files import dnad_helper
from tests.unit.app_specific_files.dnad_helper import app, run

SEEDS = 8
SAMPLE = dnad_helper.FOLDER / "sample_input" / "small.ipsum"
EMPTY = {"anomalies": [], "not_named": 0, "packets": 0, "skipped": 0, "windows": 0}


def hosts_named(traffic) -> set[str]:
    result = run(app.ipsum.write(traffic.packets, "test").encode())
    assert result["packets"] == len(traffic.packets)
    assert result["skipped"] == 0
    return {anomaly["host"] for anomaly in result["anomalies"]}


def test_generated_attacks_are_found_and_nobody_else_is_named():
    named = right = guilty = 0
    for seed in range(SEEDS):
        traffic = app.traffic.generate(seed, duration_s=60.0)
        found = hosts_named(traffic)
        named += len(found)
        right += len(found & traffic.guilty.keys())
        guilty += len(traffic.guilty)
    assert guilty >= SEEDS
    assert right / guilty == 1.0
    assert right / named >= 0.9


def test_nobody_is_named_on_an_ordinary_day():
    assert [hosts_named(app.traffic.generate(seed, 60.0, attacks=[])) for seed in range(5)] == [set()] * 5


@pytest.mark.parametrize("kind", sorted(app.traffic.ATTACKS))
def test_the_reason_given_is_the_kind_of_attack(kind):
    traffic = app.traffic.generate(3, 40.0, attacks=[kind], clients=15)
    (first, *_) = run(app.ipsum.write(traffic.packets, "test").encode())["anomalies"]
    assert {first["host"]: kind} == traffic.guilty
    assert first["reasons"][0].startswith(kind.replace("_", " ").removeprefix("syn ").removeprefix("udp "))


def test_astute_finds_a_flood_of_complete_connections_that_no_limit_sees():
    site = app.traffic.Site(random.Random(1), 40.0, 15)
    app.traffic.background(site)
    for step in range(1200):
        site.exchange(15 + step / 100, site.outsider(), site.servers[0], 443, 1)
    (only,) = run(app.ipsum.write(sorted(site.packets), "test").encode())["anomalies"]
    assert only["host"] == site.servers[0]
    assert [reason.split(":")[0] for reason in only["reasons"]] == ["ASTUTE"]


def test_the_generator_repeats_itself_and_its_seeds_differ():
    first, again, other = (app.traffic.generate(seed, 20.0, clients=5) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.packets == sorted(first.packets)


def test_the_sample_holds_a_network_scan_and_a_port_scan():
    result = run(SAMPLE.read_bytes())
    assert {anomaly["host"]: anomaly["reasons"][0].split(":")[0] for anomaly in result["anomalies"]} == {
        "91.29.116.21": "network scan",
        "98.102.1.130": "port scan",
    }
    assert SAMPLE.stat().st_size <= 60_000


@pytest.mark.parametrize(
    ("data", "skipped"), [(b"", 0), (b"\n\n", 0), (b"!IPSummaryDump 1.3\n", 0), (b"\x00\xff junk\njunk\n", 2)]
)
def test_a_capture_without_packets_still_gives_a_result(data, skipped):
    assert run(data) == EMPTY | {"skipped": skipped}


def test_one_packet_is_no_anomaly():
    assert run(b"1 10.0.0.1 - 10.0.0.2 - 28 I -\n") == EMPTY | {"packets": 1, "windows": 1}


def test_every_branch_between_the_fork_and_the_result_is_joined():
    names = list(dnad_helper.tasks)
    assert dnad_helper.config["tasks"]["home"]["children"] == ["window"]
    assert dnad_helper.tasks["window"]["input_codec"] == "bytes"
    parents = {name: [p for p in names if name in dnad_helper.tasks[p]["children"]] for name in [*names, "home"]}
    assert {name: count for name in names if (count := len(parents[name])) > 1} == {
        "fusion0": 2, "fusion1": 2, "fusion2": 2, "global_fusion": 3
    }  # fmt: skip
    assert all(dnad_helper.tasks[name]["join"] == "all" for name in names if len(parents[name]) > 1)
    assert parents["home"] == ["global_fusion"]
