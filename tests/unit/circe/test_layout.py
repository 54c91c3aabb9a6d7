"""The streams of an application keep the promises that rest on them."""

from __future__ import annotations

from circe.layout import app_streams
from runtime.app import App
from runtime.graph import Task, TaskGraph
from runtime.network import HOME

APP = App(name="app", graph=TaskGraph({"t": Task(name="t", script="t.py", children=(HOME,))}, ("t",)))


def test_a_full_stream_refuses_and_never_drops_what_it_holds() -> None:
    for stream in app_streams(APP, "run"):
        assert stream.discard == "new"
        assert stream.max_bytes > 0 or stream.name.startswith("OBJ_")  # its writers heed the bound


def test_a_letter_stored_before_a_long_outage_is_not_stored_again_after_it() -> None:
    dead = app_streams(APP, "run")[2]
    assert dead.to_config()["duplicate_window"] >= 3600 * 10**9
