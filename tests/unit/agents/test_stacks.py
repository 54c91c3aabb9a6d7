"""Finding user code in what an interpreter writes when it dies."""

from agents.stacks import last_stack

CRASH = """\
printed before
Fatal Python error: Segmentation fault

Current thread 0x00007f43592556c0 (most recent call first):
  File "ctypes/__init__.py", line 519 in string_at
  File "app/work.py", line 7 in process
  File "runtime/calling.py", line 25 in call_sync

Extension modules: msgpack._cmsgpack, uvloop.loop (total: 2)
"""
HANG = """\
Thread 0x00007f43592556c0 (most recent call first):
  File "app/work.py", line 4 in process
  File "runtime/calling.py", line 25 in call_sync

Current thread 0x00007f435b884b80 (most recent call first):
  File "asyncio/runners.py", line 118 in run
"""
OWN_THREAD = """\
Fatal Python error: Segmentation fault

Current thread 0x00007f43592556c0 (most recent call first):
  File "app/work.py", line 30 in background
"""


def test_the_stack_of_user_code_is_found() -> None:
    assert last_stack(CRASH.splitlines()).splitlines()[1] == '  File "app/work.py", line 7 in process'
    assert last_stack(HANG.splitlines()).splitlines()[0] == '  File "app/work.py", line 4 in process'


def test_a_crash_in_a_thread_of_its_own_is_where_it_crashed() -> None:
    assert last_stack(OWN_THREAD.splitlines()) == '  File "app/work.py", line 30 in background'


def test_a_process_that_hangs_elsewhere_has_none() -> None:
    assert last_stack(HANG.splitlines()[4:]) == ""
    assert last_stack(["nothing", "  indented"]) == ""


def test_the_last_dump_counts() -> None:
    assert "line 30" in last_stack((CRASH + OWN_THREAD).splitlines())
