"""The two detectors and the fusions, on flows small enough to work out by hand."""

import math

import pytest

from tests.unit.app_specific_files.dnad_helper import app

Flow = app.flows.Flow
SERVER = "10.0.9.9"


def everyone(host: str) -> bool:
    return True


def flow(src, dst, sport=1025, dport=80, proto="T", packets=1, asks=1, acks=0):
    return Flow(src, sport, dst, dport, proto, packets, 40 * packets, asks, acks)


def stream(*windows: list[Flow], whole: int | None = None) -> dict:
    """An item of a detector whose one stream owns every host."""
    packed = [[number, [list(one) for one in flows]] for number, flows in enumerate(windows)]
    common = {"input": {}, "window_s": 10.0, "streams": 1, "stream": 0}
    return common | {"whole": len(windows) if whole is None else whole, "windows": packed}


def scores(module, item: dict) -> dict[str, float]:
    return {host: found["score"] for host, found in module.process(item, None)["hosts"].items()}


def conversations(count: int, packets: int = 4) -> list[Flow]:
    return [
        one
        for n in range(count)
        for one in (
            flow(f"10.0.0.{n}", SERVER, packets=packets, acks=packets - 1),
            flow(SERVER, f"10.0.0.{n}", sport=80, dport=1025, packets=packets, asks=0, acks=packets),
        )
    ]


def network_scan(size: int) -> list[Flow]:
    return [flow("6.6.6.6", f"10.1.0.{n}") for n in range(size)]


def port_scan(size: int) -> list[Flow]:
    asked = [flow("6.6.6.6", SERVER, sport=2000 + n, dport=n) for n in range(1, size + 1)]
    return asked + [Flow(*one.reverse, packets=1, size_bytes=40, asks=0, acks=1) for one in asked]


def syn_flood(size: int) -> list[Flow]:
    return [flow(f"7.0.{n // 250}.{n % 250}", SERVER, sport=n) for n in range(size)]


@pytest.mark.parametrize(
    ("values", "limit"), [([], 5), ([0, 0, 0, 90], 5), ([1, 2, 3, 4, 100], 3 + 6 * 1.4826), ([7] * 9, 7)]
)
def test_a_robust_limit_is_median_and_deviations_but_never_below_its_floor(values, limit):
    assert app.threshold.robust_limit(values, 5) == pytest.approx(limit)


@pytest.mark.parametrize(("value", "severity"), [(5, 0), (10, 1), (20, 2), (40, 3), (1e9, 5), (math.inf, 5)])
def test_severity_grows_by_one_with_every_doubling(value, severity):
    assert app.flows.severity(value, 10) == severity


@pytest.mark.parametrize(
    ("attack", "guilty", "word"),
    [
        (network_scan(20), "6.6.6.6", "network scan: 20 hosts"),
        (port_scan(40), "6.6.6.6", "port scan: 40 ports"),
        (syn_flood(200), SERVER, "flood: 200 packets"),
        ([flow(f"7.0.0.{n % 9}", SERVER, sport=n, proto="U") for n in range(99)], SERVER, "flood: 99 packets"),
    ],
)
def test_the_threshold_detector_names_a_scans_source_and_a_floods_victim(attack, guilty, word):
    hosts = app.threshold.process(stream(conversations(30), conversations(30) + attack), None)["hosts"]
    assert list(hosts) == [guilty]
    assert hosts[guilty]["reasons"][0].startswith(word)
    assert "from 10 s on" in hosts[guilty]["reasons"][0]


@pytest.mark.parametrize(
    "honest",
    [
        conversations(200),
        [flow("10.0.0.1", f"10.1.0.{n}", packets=9, acks=8 * (n % 3 > 0)) for n in range(90)],  # a third fails
        [flow(f"10.0.0.{n % 90}", "224.0.0.251", dport=5353, proto="U") for n in range(200)],
        [flow("10.0.0.1", SERVER, proto="U", packets=5000, asks=5000)],  # a one-way stream
    ],
)
def test_the_threshold_detector_leaves_honest_oddities_alone(honest):
    assert scores(app.threshold, stream(honest)) == {}


def test_volume_adds_to_evidence_and_is_none_by_itself():
    bulk = [flow("6.6.6.6", SERVER, sport=9, packets=1000, asks=1, acks=999)]
    assert scores(app.threshold, stream(bulk)) == {}
    scan = scores(app.threshold, stream(conversations(30) + network_scan(20)))
    both = scores(app.threshold, stream(conversations(30) + network_scan(20) + bulk))
    assert both["6.6.6.6"] > scan["6.6.6.6"] > 1


def test_a_detector_judges_only_the_hosts_its_stream_owns():
    item = stream(conversations(30), conversations(30) + network_scan(20))
    owner = app.flows.owner("6.6.6.6", 3)
    for module in (app.threshold, app.astute):
        named = {s for s in range(3) if scores(module, item | {"streams": 3, "stream": s})}
        assert named <= {owner}
    assert scores(app.threshold, item | {"streams": 3, "stream": owner}).keys() == {"6.6.6.6"}


def test_equilibrium_by_hand():
    # Changes 3, -1, 2, 0: mean 1, sample variance (4 + 4 + 1 + 1) / 3, so K = 1 / sqrt((10 / 3) / 4).
    before = [flow("a", "x", packets=1), flow("b", "x", packets=5), flow("c", "x", packets=7)]
    after = [flow("a", "x", packets=4), flow("b", "x", packets=4), flow("c", "x", packets=7)]
    changes = app.astute.volume_changes(before, [*after, flow("d", "x", packets=2)])
    assert sorted(changes.values()) == [-1, 0, 2, 3]
    assert app.astute.equilibrium(changes.values()) == pytest.approx(math.sqrt(1.2))


@pytest.mark.parametrize(
    ("changes", "k"), [([], 0), ([5], 0), ([0, 0, 0], 0), ([2, 2], math.inf), ([-2, -2], -math.inf)]
)
def test_equilibrium_where_there_is_no_spread(changes, k):
    assert app.astute.equilibrium(changes) == k


def test_m_new_flows_among_n_break_the_equilibrium_as_the_formula_says():
    changes = [1] * 36 + [0] * 64  # share p of F flows: K = sqrt((F - 1) p / (1 - p))
    assert app.astute.equilibrium(changes) == pytest.approx(math.sqrt(99 * 0.36 / 0.64))


@pytest.mark.parametrize(
    ("attack", "guilty"),
    [(network_scan(60), "6.6.6.6"), (port_scan(60), "6.6.6.6"), (syn_flood(60), SERVER)],
)
def test_astute_names_who_stands_behind_the_change_also_when_it_ends(attack, guilty):
    quiet, loud = conversations(30), conversations(30) + attack
    assert list(scores(app.astute, stream(quiet, loud))) == [guilty]
    assert list(scores(app.astute, stream(loud, quiet))) == [guilty]


def test_astute_ignores_a_window_that_the_capture_cuts_short():
    assert scores(app.astute, stream(conversations(60), [], whole=1)) == {}
    assert scores(app.astute, stream(conversations(60), [], whole=2)) == {SERVER: 5.0}


def test_astute_is_silent_on_independent_changes():
    before = [flow(f"10.0.0.{n}", SERVER, packets=1 + n % 7) for n in range(200)]
    after = [flow(f"10.0.0.{n}", SERVER, packets=1 + (n + 3) % 7) for n in range(200)]
    assert scores(app.astute, stream(before, after)) == {}


def test_fusion_needs_one_limit_reached_and_lets_astute_confirm():
    def verdict(score, reason):
        return {"score": score, "reasons": [reason]}

    item = {
        "astute1": {"input": {"packets": 3}, "hosts": {"a": verdict(1.0, "K"), "b": verdict(1.9, "K")}},
        "threshold1": {"input": {"packets": 3}, "hosts": {"a": verdict(1.2, "scan"), "c": verdict(1.0, "scan")}},
    }
    fused = app.fusion.process(item, None)
    assert fused == app.fusion.process(dict(reversed(item.items())), None)
    assert fused["input"] == {"packets": 3}
    assert fused["hosts"] == {
        "a": {"score": pytest.approx(1.7), "reasons": ["scan", "K"]},
        "c": verdict(1.0, "scan"),
    }


def test_global_fusion_ranks_over_streams_and_names_a_handful():
    parts = {
        f"fusion{s}": {
            "input": {"packets": 9},
            "hosts": {f"10.0.{s}.{n}": {"score": 1.0 + n, "reasons": []} for n in range(3)},
        }
        for s in (2, 0, 1)
    }
    result = app.global_fusion.process(parts, None)
    assert [anomaly["host"] for anomaly in result["anomalies"]] == [
        "10.0.0.2", "10.0.1.2", "10.0.2.2", "10.0.0.1", "10.0.1.1"
    ]  # fmt: skip
    assert (result["not_named"], result["packets"]) == (4, 9)
