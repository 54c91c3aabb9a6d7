"""One test per fault: what is said, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.app_config import check
from tests.unit.runtime.app_folder import tasks, write

ONE = "- {name: a, base_script: a.py, children: [home]}"
DAG = "application.tasks.dag_tasks"


def only(folder: Path) -> tuple[str, str]:
    """The one fault of a folder, its place from there on."""
    (fault,) = check(folder)
    return fault.place.removeprefix(str(folder)).removeprefix("/"), fault.message


def config(folder: Path, text: str, **scripts: str) -> tuple[str, str]:
    place, message = only(write(folder / "demo", text, **scripts))
    return place.removeprefix("app_config.yaml:"), message


def test_missing_folder_and_file(tmp_path: Path) -> None:
    assert only(tmp_path / "no") == ("", "the application's folder does not exist")
    (tmp_path / "file").write_text("")
    assert only(tmp_path / "file") == ("", "the application's folder is no folder")
    message = "the file is missing; an application's folder holds its app_config.yaml and its scripts"
    assert only(tmp_path) == ("app_config.yaml", message)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "app_config.yaml", "the file is empty; it must hold at least `application:`"),
        ("a: [1\nb: 2", "2:2", "this is not YAML: while parsing a flow sequence, expected ',' or ']', but got ':'"),
        (
            "a:\n\tb: 1",
            "2:1",
            "this is not YAML: while scanning for the next token, found character '\\t' that cannot start any token",
        ),
        ("- 1", "1", "the file holds a list; it must hold keys such as `application:`"),
        (
            "a: 1\n---\nb: 2",
            "2:1",
            "this is not YAML: expected a single document in the stream, but found another document",
        ),
        (
            "a: \x01",
            "app_config.yaml",
            "this is not YAML: unacceptable character #x0001: special characters are not allowed",
        ),
        ("a: !!python/name:os.system x", "1:4", "this is not YAML: could not determine a constructor for the tag"),
        ("? [a]\n: 1", "1:3", "this is not YAML: while constructing a mapping, found unhashable key"),
        ("a: " + "[" * 5000, "app_config.yaml", "the values are nested too deeply"),
        ("a: 1", "1", "the key 'application' is missing; add it, with the tasks below it"),
        ("application: {}", "1 application", "the key 'tasks' is missing; add it, with home and dag_tasks below it"),
        ("application: 5", "1 application", "must be a mapping of keys to values, not 5"),
        ("application:\n  tasks: [a]", "2 application.tasks", "must be a mapping of keys to values, not ['a']"),
    ],
)
def test_files_that_hold_no_application(tmp_path: Path, text: str, place: str, message: str) -> None:
    found = config(tmp_path, text)
    assert found[0] == place
    assert found[1].startswith(message)


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000, "-0b" + "1" * 20000])
def test_a_number_that_nobody_could_print_has_its_line(tmp_path: Path, number: str) -> None:
    place, message = config(tmp_path, f"application:\n  input: {number}")
    assert place == "2:10"
    assert message == "this is not YAML: a whole number has at most 250 digits; write a smaller one"


@pytest.mark.parametrize(
    ("keys", "place", "message"),
    [
        ("codec: jsn", "codec", "must be one of bytes, text, json, msgpack, not 'jsn'"),
        ("input: 0", "input", "must be lines, whole, or a number of lines, not 0"),
        (f"input: {2**53}", "input", f"must be lines, whole, or a number of lines, not {2**53}"),
        ("input: .nan", "input", "must be lines, whole, or a number of lines, not nan"),
        ("input: true", "input", "must be lines, whole, or a number of lines, not True"),
        ("objective: fast", "objective", "must be 'period' or 'makespan', not 'fast'"),
        ("name: a.b", "name", "'a.b' cannot name an application (use 1 to 63 letters, digits,"),
        ("name: wave", "name", "'wave' is reserved and cannot name an application; choose another"),
        ("name: 5", "name", "must be text, not 5; put it in quotes if it is meant as text"),
        ("limits: {ingress_byte: 1}", "limits.ingress_byte", "unknown key; known are in_flight_items,"),
        ("limits: {dead_bytes: lots}", "limits.dead_bytes", "must be a number of bytes, such as 67108864 or 64MiB"),
        ("limits: {in_flight_items: 0}", "limits.in_flight_items", "must be greater than or equal to 1, not 0"),
        ("limits: {dead_bytes: 8PiB}", "limits.dead_bytes", "must be less than 9007199254740992, not '8PiB'"),
        ("port_mappings: [22]", "port_mappings[0]", 'must be "service:container" in quotes, such as "8080:80", not 22'),
        ("port_mappings: {a: b}", "port_mappings", "must be a list, such as"),
        ("egress: keep_last", "egress", "egress is not supported yet;"),
        ("codec: text, codec: json", "codec", "the key 'codec' stands here already, in line 2; keep one of them"),
    ],
)
def test_settings_of_the_application(tmp_path: Path, keys: str, place: str, message: str) -> None:
    text = f"application: {{\n  {keys},\n  tasks: {{home: {{children: [a]}}, dag_tasks: [{ONE[2:]}]}}}}"
    found = config(tmp_path, text)
    assert found[0] in (f"2 application.{place}", f"2 {place}")
    assert found[1].startswith(message)


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ("childern: [b]", "childern", "unknown key 'childern'; did you mean 'children'?"),
        ("timeout: 3", "timeout", "unknown key 'timeout'; did you mean 'timeout_s'?"),
        ("retries: -1", "retries", "must be greater than or equal to 0, not -1"),
        ("replicas: 2.5", "replicas", "must be a whole number, not 2.5"),
        ("replicas: 257", "replicas", "must be less than or equal to 256, not 257"),
        ("retries: 9007199254740992", "retries", "must be less than 9007199254740992, not 9007199254740992"),
        ("timeout_s: 1.0e+18", "timeout_s", "must be less than 1000000000000000000, not 1e+18"),
        ("timeout_s: soon", "timeout_s", "must be a number, not 'soon'"),
        ("timeout_s: 0", "timeout_s", "must be greater than 0, not 0"),
        ("deterministic: 'no'", "deterministic", "must be a boolean, not 'no'"),
        ("route: anywhere", "route", "must be 'all', 'round_robin' or 'by_key', not 'anywhere'"),
        ("join: 0", "join", "must be all, any, each, or a number of parents, not 0"),
        ("edge: fast", "edge", "must be 'direct' or 'queued', not 'fast'"),
        (
            "edge: queued",
            "edge",
            "task 'a' takes inputs from outside, which wait in the ingress, a queue already; leave edge out",
        ),
        ("resources: {gpu: 1}", "resources.gpu", "unknown key; known are cores, memory_bytes"),
        ("requirements: numpy", "requirements", "must be a list, such as [numpy], not 'numpy'"),
        ("input_codec: xml", "input_codec", "must be one of bytes, text, json, msgpack, not 'xml'"),
        ("sample_input: no.txt", "sample_input", "the sample input 'no.txt' does not exist; create "),
        ("sample_input: .", "sample_input", "the sample input '.' is no file; create "),
    ],
)
def test_keys_of_a_task(tmp_path: Path, keys: str, key: str, message: str) -> None:
    place, found = config(tmp_path, tasks(f"- {{name: a, base_script: a.py, children: [home],\n   {keys}}}"))
    assert place == f"6 {DAG}[0].{key}"
    assert found.startswith(message)
