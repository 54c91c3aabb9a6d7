from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import calling
from runtime.context import Context, Output
from runtime.loader import UserSource, UserTask, kind_of

CTX = Context(app="demo", task="a", node="node1", children=("b", "home"))


def user_task(process: Callable[..., Any]) -> UserTask:
    return UserTask(name="a", module=ModuleType("a"), process=process, kind=kind_of(process))


def call(process: Callable[..., Any], value: Any = 7) -> list[Output]:
    return calling.call_sync(user_task(process), CTX.for_item("r-1"), value)


async def call_async(process: Callable[..., Any], value: Any = 7) -> list[Output]:
    return await calling.call_async(user_task(process), CTX.for_item("r-1"), value)


def both(item: Any, ctx: Context) -> int:
    ctx.emit(1, to="b")
    ctx.emit(2)
    return 3


def mixed(item: Any, ctx: Context) -> Any:
    yield 1
    ctx.emit(2, to="home")
    yield None
    yield 3
    return 4


async def async_both(item: Any, ctx: Context) -> int:
    ctx.emit(1, to="b")
    ctx.emit(2)
    return 3


async def async_mixed(item: Any, ctx: Context) -> Any:
    yield 1
    ctx.emit(2, to="home")
    yield None
    yield 3


ALL = [Output(1, "b"), Output(2), Output(3, returned=True)]
MIXED = [Output(1), Output(2, "home"), Output(3)]


def test_a_value_goes_to_all_children_and_none_filters() -> None:
    assert call(lambda item, ctx: item) == [Output(7, None, returned=True)]
    assert call(lambda item, ctx: None) == []
    assert call(lambda item, ctx: 0) == [Output(0, returned=True)]


def test_what_is_emitted_counts_and_so_does_what_is_returned_in_this_order() -> None:
    assert call(both) == ALL
    assert call(mixed) == MIXED


async def test_every_kind_can_be_called_on_the_event_loop() -> None:
    assert await call_async(both) == ALL
    assert await call_async(async_both) == ALL
    assert await call_async(mixed) == MIXED
    assert await call_async(async_mixed) == MIXED


def test_an_emitted_none_is_a_value() -> None:
    assert call(lambda item, ctx: ctx.emit(None, to="b")) == [Output(None, "b")]


def test_a_generator_behind_a_plain_function_is_drained() -> None:
    assert call(lambda item, ctx: (value for value in (1, None, 2))) == [Output(1), Output(2)]


@given(st.lists(st.one_of(st.none(), st.integers())))
def test_yielding_and_emitting_say_the_same(values: list[int | None]) -> None:
    def emits(item: Any, ctx: Context) -> None:
        for value in values:
            if value is not None:
                ctx.emit(value)

    def yields(item: Any, ctx: Context) -> Any:
        yield from values

    assert call(emits) == call(yields) == [Output(value) for value in values if value is not None]


@pytest.mark.parametrize("process", [async_both, async_mixed])
def test_an_async_function_needs_the_event_loop(process: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=r"task 'a' returned a (coroutine|async_generator); write it as `async def`"):
        call(process)


def test_an_unknown_child_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="task 'a' has no child 'c'; its children are: b, home"):
        call(lambda item, ctx: ctx.emit(1, to="c"))


def test_an_error_passes_and_its_outputs_do_not() -> None:
    kept: list[Context] = []

    def raising(item: Any, ctx: Context) -> None:
        kept.append(ctx)
        ctx.emit(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        call(raising)
    with pytest.raises(RuntimeError, match="emit while an item is in work"):
        kept[0].emit(2)


def test_a_late_emit_raises_instead_of_vanishing() -> None:
    kept: list[Context] = []
    call(lambda item, ctx: kept.append(ctx))
    with pytest.raises(RuntimeError, match=r"task 'a' called ctx.emit outside process or run"):
        kept[0].emit(1)


def test_the_context_says_who_and_what() -> None:
    ctx = CTX.for_item("r-5", {"a": "b"})
    assert (ctx.app, ctx.task, ctx.node, ctx.children) == ("demo", "a", "node1", ("b", "home"))
    assert (ctx.item_id, dict(ctx.headers), ctx.logger.name) == ("r-5", {"a": "b"}, "jupiter.demo.a")
    assert (CTX.item_id, dict(CTX.headers)) == ("", {})


def user_source(run: Callable[..., Any]) -> UserSource:
    return UserSource(name="s", module=ModuleType("s"), run=run, kind=kind_of(run))


def source_context(sink: list[Output]) -> Context:
    return Context(app="demo", task="s", node="home", children=("a", "b"), sink=sink.append)


def test_a_source_emits_and_yields_into_its_sink_as_it_goes() -> None:
    sent: list[Output] = []

    def run(ctx: Context) -> Any:
        ctx.emit(1, to="b")
        assert sent == [Output(1, "b")]
        yield 2
        assert sent[1:] == [Output(2)]

    calling.run_source(user_source(run), source_context(sent))
    assert sent == [Output(1, "b"), Output(2)]


async def test_a_source_on_the_event_loop() -> None:
    sent: list[Output] = []

    async def run(ctx: Context) -> Any:
        ctx.emit(1, to="b")
        yield 2

    await calling.run_source_async(user_source(run), source_context(sent))
    assert sent == [Output(1, "b"), Output(2)]


async def test_hooks() -> None:
    calls: list[str] = []

    async def setup(ctx: Context) -> None:
        calls.append(ctx.task)

    calling.call_hook(None, CTX)
    calling.call_hook(lambda ctx: calls.append(ctx.node), CTX)
    await calling.call_hook_async(None, CTX)
    await calling.call_hook_async(setup, CTX)
    await calling.call_hook_async(lambda ctx: calls.append(ctx.app), CTX)
    assert calls == ["node1", "a", "demo"]
