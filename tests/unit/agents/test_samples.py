"""Sample input: cutting files, and what reaches each task."""

from pathlib import Path

import pytest

from agents.samples import MOST_ITEMS, SampleError, SampleInput, Samples, read_items
from runtime.graph import Task, TaskGraph


def diamond(**merge: object) -> TaskGraph:
    tasks = [
        Task(name="a", script="a.py", children=("b", "c")),
        Task(name="b", script="b.py", children=("d",)),
        Task(name="c", script="c.py", children=("d",)),
        Task(name="d", script="d.py", children=("home",), **merge),  # type: ignore[arg-type] # test shorthand
    ]
    return TaskGraph({task.name: task for task in tasks}, ("a",))


def folder_with(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "sample_input").mkdir()
    for name, content in files.items():
        (tmp_path / "sample_input" / f"{name}.txt").write_text(content)
    return tmp_path


@pytest.mark.parametrize(
    ("cut", "payloads"),
    [("lines", [b"1", b"2", b"3"]), (2, [b"1\n2", b"3"]), ("whole", [b"1\n2\n3\n"])],
)
def test_files_are_cut_as_the_application_says(tmp_path: Path, cut: str | int, payloads: list[bytes]) -> None:
    (tmp_path / "in.txt").write_text("1\n2\n3\n")
    assert [sample.payload for sample in read_items(tmp_path / "in.txt", cut)] == payloads


def test_a_folder_is_read_in_order_without_hidden_files_and_not_for_ever(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, b="2\n" * 100, a="1\n")
    (folder / "sample_input" / ".hidden").write_text("no\n")
    found = read_items(folder / "sample_input", "lines")
    assert [sample.payload for sample in found] == [b"1"] + [b"2"] * (MOST_ITEMS - 1)


def test_entry_tasks_get_what_enters_and_the_others_what_was_sent(tmp_path: Path) -> None:
    samples = Samples(diamond(), folder_with(tmp_path, x="hello\n"), "lines")
    assert samples.inputs("a") == [SampleInput("sample-1", b"hello")]
    samples.add("a", "sample-1", {"b": [b"1", b"2"], "c": [b"3"]})
    assert samples.inputs("b") == [SampleInput("sample-1.1", b"1"), SampleInput("sample-1.2", b"2")]
    assert samples.inputs("c") == [SampleInput("sample-1", b"3")]


@pytest.mark.parametrize(("join", "parents"), [("all", ["b", "c"]), ("any", ["b"]), (2, ["b", "c"])])
def test_a_join_gets_parts_that_meet_by_id(tmp_path: Path, join: str | int, parents: list[str]) -> None:
    samples = Samples(diamond(join=join), folder_with(tmp_path, x="hello\n"), "lines")
    samples.add("b", "1", {"d": [b"from b"]})
    samples.add("b", "2", {"d": [b"alone"]})
    samples.add("c", "1", {"d": [b"from c"]})
    first = samples.inputs("d")[0]
    assert first == SampleInput("1", parts={parent: f"from {parent}".encode() for parent in parents})
    assert len(samples.inputs("d")) == (2 if join == "any" else 1)


def test_a_task_that_merely_merges_gets_every_part_by_itself(tmp_path: Path) -> None:
    samples = Samples(diamond(join="each"), folder_with(tmp_path, x="hello\n"), "lines")
    samples.add("b", "1", {"d": [b"from b"]})
    samples.add("c", "1", {"d": [b"from c"]})
    assert [each.payload for each in samples.inputs("d")] == [b"from b", b"from c"]


def test_a_task_may_have_samples_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("1\n2\n")
    samples = Samples(diamond(sample_input="own.txt"), tmp_path, "lines")
    assert [each.payload for each in samples.inputs("d")] == [b"1", b"2"]


@pytest.mark.parametrize("path", ["../outside.txt", "missing.txt"])
def test_samples_lie_in_the_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "outside.txt").write_text("1\n")
    (tmp_path / "app").mkdir()
    samples = Samples(diamond(sample_input=path), tmp_path / "app", "lines")
    with pytest.raises(SampleError, match="not in the application's folder"):
        samples.inputs("d")


def test_want_of_input_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="put a file into the application's folder sample_input/"):
        Samples(diamond(), tmp_path, "lines").inputs("a")
    samples = Samples(diamond(), folder_with(tmp_path, x="hello\n"), "lines")
    samples.add("a", "1", {"b": [], "c": [b"1"]})
    with pytest.raises(SampleError, match=r"a gave nothing.*give 'b' a sample_input"):
        samples.inputs("b")
    samples.add("b", "1", {"d": [b"1"]})
    samples.add("c", "2", {"d": [b"1"]})
    with pytest.raises(SampleError, match="no item in common"):
        samples.inputs("d")
