"""A record's values as what the fields of its dataclass are declared to be; ValueError on anything else. Pure.

Anybody may write a record with any NATS client. What is read here cannot fail later, far from whoever wrote it: every
value has its type, texts have a length, and numbers are finite and of a size that can be reckoned with.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

MAX_TEXT_CHARS = 64 << 10
MAX_WHOLE = 1 << 53
MAX_NUMBER = 1e18
_MAPS = (Mapping, dict)


def read(kind: type[T], record: object) -> T:
    """A dataclass from its record; lists become tuples, objects maps."""
    if not isinstance(record, Mapping):
        raise ValueError(f"a {kind.__name__} must be an object, not {type(record).__name__}")
    known = _fields(kind)
    if strange := sorted(str(name) for name in record.keys() - known.keys()):
        raise ValueError(f"a {kind.__name__} has no {strange[0][:80]!r}")
    if missing := [name for name, (_, is_needed) in known.items() if is_needed and name not in record]:
        raise ValueError(f"a {kind.__name__} without {missing[0]!r}")
    return kind(**{name: _value(f"{kind.__name__}.{name}", known[name][0], value) for name, value in record.items()})


_KNOWN: dict[type, dict[str, tuple[Any, bool]]] = {}


def _fields(kind: type) -> dict[str, tuple[Any, bool]]:
    """Type and whether it must be there, by name."""
    if kind not in _KNOWN:
        _KNOWN[kind] = _declared(kind)
    return _KNOWN[kind]


def _declared(kind: Any) -> dict[str, tuple[Any, bool]]:
    declared = get_type_hints(kind)
    return {
        each.name: (declared[each.name], each.default is MISSING and each.default_factory is MISSING)
        for each in fields(kind)
        if each.init
    }


def _value(place: str, wanted: Any, value: object) -> Any:
    if isinstance(wanted, type) and is_dataclass(wanted):
        return value if type(value) is wanted else read(wanted, value)
    origin, inside = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return _one_of(place, inside, value)
    if origin is Literal and value in inside:
        return value
    if origin is tuple and isinstance(value, (list, tuple)):
        return _tuple(place, inside, value)
    if origin in _MAPS and isinstance(value, Mapping):
        return {_value(place, inside[0], key): _value(place, inside[1], found) for key, found in value.items()}
    if origin is None and _is_plain(wanted, value):
        return value
    raise ValueError(f"{place} is {str(value)[:80]!r}, and cannot be")


def _one_of(place: str, kinds: tuple[Any, ...], value: object) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    for kind in kinds:
        try:
            return _value(place, kind, value)
        except ValueError:
            continue
    raise ValueError(f"{place} is {str(value)[:80]!r}, and cannot be")


def _tuple(place: str, inside: tuple[Any, ...], value: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    if inside[-1] is ...:
        return tuple(_value(place, inside[0], each) for each in value)
    if len(value) != len(inside):
        raise ValueError(f"{place} has {len(value)} values, not {len(inside)}")
    return tuple(_value(place, kind, each) for kind, each in zip(inside, value, strict=True))


def _is_plain(wanted: Any, value: object) -> bool:
    if wanted is str:
        return isinstance(value, str) and len(value) <= MAX_TEXT_CHARS and _travels(value)
    if wanted is bool or isinstance(value, bool):
        return wanted is bool and isinstance(value, bool)
    if wanted is int:
        return isinstance(value, int) and abs(value) < MAX_WHOLE
    if wanted is float:
        return isinstance(value, (int, float)) and math.isfinite(value) and abs(value) < MAX_NUMBER
    return wanted is types.NoneType and value is None


def _travels(text: str) -> bool:
    """Half of a surrogate pair, as JSON can have it, could not be sent on."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_names(*names: str) -> None:
    """Raise ValueError unless each is one token of a subject."""
    for name in names:
        if not 0 < len(name) <= 255 or set(name) & set(" .*>\t\r\n\f\v\0") or not name.isprintable():
            raise ValueError(f"{name[:80]!r} is no name")


def check_not_negative(place: str, *numbers: float) -> None:
    """Raise ValueError on an amount below zero."""
    for number in numbers:
        if number < 0:
            raise ValueError(f"{place} of {number}: it must be zero or more")
