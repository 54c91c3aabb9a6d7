"""User code on one item: the worker and the execution profiler call it here and nowhere else.

The outputs of one call, in the order they were given: every `ctx.emit`, every value yielded other than None,
and then the value returned unless it is None (for a generator Python keeps that one, so it does not count).
A call that raises has no outputs. No output at all means that the task filtered the item.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from runtime.context import Context, Output, Sink
from runtime.loader import Function, UserSource, UserTask

_ASYNC = (CoroutineType, AsyncGeneratorType)


def call_sync(user_task: UserTask, ctx: Context, value: Any) -> list[Output]:
    """Run `process` on one item; `ctx` is the item's own (`Context.for_item`)."""
    outputs: list[Output] = []
    ctx.open(outputs.append)
    try:
        _collect(user_task.process(value, ctx), outputs.append, user_task.name)
    finally:
        ctx.close()
    return outputs


async def call_async(user_task: UserTask, ctx: Context, value: Any) -> list[Output]:
    """Run `process`, of whichever kind, on one item on the event loop."""
    outputs: list[Output] = []
    ctx.open(outputs.append)
    try:
        await _collect_async(user_task.process(value, ctx), outputs.append, user_task.name)
    finally:
        ctx.close()
    return outputs


def group_of(user_task: UserTask, ctx: Context, value: Any) -> tuple[str, bool]:
    """The key of an item's group, and whether the item is the last one in it."""
    key = "" if user_task.key is None else str(user_task.key(value, ctx))
    return key, user_task.closes is not None and bool(user_task.closes(value, ctx))


def run_source(source: UserSource, ctx: Context) -> None:
    """Run a source until it ends; what it emits or yields goes to the sink of its `ctx`, one by one."""
    _collect(source.run(ctx), lambda output: ctx.emit(output.value, output.to), source.name)


async def run_source_async(source: UserSource, ctx: Context) -> None:
    """The same on the event loop."""
    await _collect_async(source.run(ctx), lambda output: ctx.emit(output.value, output.to), source.name)


def call_hook(hook: Function | None, ctx: Context) -> None:
    """Run `setup` or `teardown` of a task that is not async, if it has one."""
    if hook is not None:
        hook(ctx)


async def call_hook_async(hook: Function | None, ctx: Context) -> None:
    """Run `setup` or `teardown`, async or not, if the task has one."""
    if hook is not None:
        result = hook(ctx)
        if isinstance(result, Awaitable):
            await result


def _collect(result: Any, sink: Sink, name: str) -> None:
    if isinstance(result, GeneratorType):
        _drain(result, sink)
    elif isinstance(result, _ASYNC):
        if isinstance(result, CoroutineType):
            result.close()  # otherwise Python warns of it somewhere else, later
        raise TypeError(f"task '{name}' returned a {type(result).__name__}; write it as `async def`")
    elif result is not None:
        sink(Output(result, returned=True))


async def _collect_async(result: Any, sink: Sink, name: str) -> None:
    if isinstance(result, AsyncGeneratorType):
        await _drain_async(result, sink)
        return
    if isinstance(result, CoroutineType):
        result = await result
    _collect(result, sink, name)


def _drain(values: Iterator[Any], sink: Sink) -> None:
    for value in values:
        if value is not None:
            sink(Output(value))


async def _drain_async(values: AsyncIterator[Any], sink: Sink) -> None:
    async for value in values:
        if value is not None:
            sink(Output(value))
