"""What `jupiter verify` runs: other edges, groups of one; the application's own folder stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.submit import prepare
from deploy.verify_variant import variant
from runtime.errors import UsageError
from runtime.graph import Gather

TORTURE = Path(__file__).parents[2] / "faults" / "torture"
WINDOWS = Path(__file__).parents[3] / "app_specific_files" / "windows"
FLAG = Path("nobody-fails")


def test_the_tasks_that_are_named_have_queues_and_the_rest_is_the_same() -> None:
    own = prepare(TORTURE).app
    with variant(TORTURE, ("split", "fan"), (), FLAG) as folder:
        queued = prepare(folder).app
    assert (own.graph.queues, queued.graph.queues) == ((), ("split", "fan"))
    assert (queued.name, queued.graph.order) == (own.name, own.graph.order)
    assert prepare(TORTURE).app == own
    assert not folder.exists()


def test_nobody_named_is_the_folder_itself() -> None:
    with variant(TORTURE, (), (), FLAG) as folder:
        assert folder == TORTURE


def test_a_task_that_is_not_there_is_named() -> None:
    told = "no task 'fann' to give a queue; the tasks are intake, split"
    with pytest.raises(UsageError, match=told), variant(TORTURE, ("fann",), (), FLAG):
        pass


def test_a_queue_that_cannot_be_is_refused_as_everywhere() -> None:
    with (
        variant(TORTURE, ("merge",), (), FLAG) as folder,
        pytest.raises(UsageError, match="parts meet in task 'merge'"),
    ):
        prepare(folder)


def test_groups_have_one_item_and_close_as_late_as_before() -> None:
    own = prepare(WINDOWS).app.graph.tasks["window"].gather
    with variant(WINDOWS, (), (), FLAG) as folder:
        alone = prepare(folder).app.graph.tasks["window"].gather
    assert own is not None
    assert alone == Gather(count=1, within_s=own.within_s)
