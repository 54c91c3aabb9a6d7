"""The keys of `app_config.yaml`: Jupiter's v5 form and our optional ones, as models that say what is wrong.

Every section is parsed by itself, and a bad value is reported and left out, so that one fault does not hide
the others. Keys we do not know are the application's own; those that look like a slip of the pen are not.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeGuard, TypeVar

from pydantic import BaseModel, ByteSize, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import ErrorDetails

from runtime.app_yaml import Findings, Keys
from runtime.codec import CODECS
from runtime.graph import MOST_GATHERED
from runtime.mapper_options import DEFAULT_MAPPER, MAPPER_NAMES
from runtime.records import MAX_REPLICAS
from runtime.typed import MAX_NUMBER, MAX_WHOLE

PORT_LIMIT = 65535

# An application travels as a record, and no record holds more than this.
Whole = Annotated[int, Field(gt=-MAX_WHOLE, lt=MAX_WHOLE)]
Number = Annotated[float, Field(lt=MAX_NUMBER, allow_inf_nan=False)]
Bytes = Annotated[ByteSize, Field(ge=1, lt=MAX_WHOLE)]


def _codec(value: object) -> str:
    if not isinstance(value, str) or value not in CODECS:
        raise ValueError(f"must be one of {', '.join(CODECS)}, not {shown(value)}")
    return value


def _mapper(value: object) -> str:
    if not isinstance(value, str) or value not in MAPPER_NAMES:
        raise ValueError(f"must be one of {', '.join(MAPPER_NAMES)}, not {shown(value)}")
    return value


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 1 <= value < MAX_WHOLE


def _join(value: object) -> str | int:
    if value in ("all", "any", "each") or _is_count(value):
        return value
    raise ValueError(f"must be all, any, each, or a number of parents, not {shown(value)}")


def _input(value: object) -> str | int:
    if value in ("lines", "whole") or _is_count(value):
        return value
    raise ValueError(f"must be lines, whole, or a number of lines, not {shown(value)}")


def _port(value: object) -> tuple[int, int]:
    if type(value) is int and value > PORT_LIMIT:
        pair = [value // 60, value % 60]  # `2222:22` as YAML 1.1 reads it: base 60
    else:
        pair = [int(each) for each in str(value).split(":") if each.isdecimal()]
    if len(pair) != 2 or not all(1 <= each <= PORT_LIMIT for each in pair):
        raise ValueError(f'must be "service:container" in quotes, such as "8080:80", not {shown(value)}')
    return pair[0], pair[1]


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class RootKeys(_Section):
    jupiter_config: Any = None
    node_map: dict[str, str] = {}
    application: Any = None


class JupiterKeys(_Section):
    namespace_prefix: str = ""
    docker_registry: str = ""
    task_mapper: Annotated[str, PlainValidator(_mapper)] = DEFAULT_MAPPER
    mapper_options: Any = None
    circe: str = "original"


class MapperOptionKeys(_Section):
    model_config = ConfigDict(extra="forbid")
    seed: Whole | None = None
    tasks_per_node: Annotated[Whole, Field(ge=1)] | None = None
    moves: Annotated[Whole, Field(ge=0)] | None = None
    limit_s: Annotated[Number, Field(gt=0)] | None = None
    wave: Any = None
    distributed: bool | None = None


class WaveKeys(_Section):
    model_config = ConfigDict(extra="forbid")
    network: Annotated[Number, Field(ge=0)] | None = None
    compute: Annotated[Number, Field(ge=0)] | None = None
    memory: Annotated[Number, Field(ge=0)] | None = None
    legacy: bool | None = None


class ApplicationKeys(_Section):
    name: str | None = None
    codec: Annotated[str, PlainValidator(_codec)] = "json"
    input: Annotated[str | int, PlainValidator(_input)] = "lines"
    objective: Literal["period", "makespan"] = "period"
    limits: Any = None
    egress: Any = None
    port_mappings: list[Annotated[tuple[int, int], PlainValidator(_port)]] = []
    tasks: Any = None


class LimitKeys(_Section):
    model_config = ConfigDict(extra="forbid")
    in_flight_items: Annotated[Whole, Field(ge=1)] | None = None
    in_flight_bytes: Bytes | None = None
    ingress_bytes: Bytes | None = None
    egress_bytes: Bytes | None = None
    queue_bytes: Bytes | None = None
    dead_bytes: Bytes | None = None
    join_bytes: Bytes | None = None
    objects_bytes: Bytes | None = None
    file_bytes: Bytes | None = None


class TasksKeys(_Section):
    home: Any = None
    dag_tasks: list[Any] = []
    nondag_tasks: list[Any] = []


class HomeKeys(_Section):
    base_script: str | None = None
    children: list[str] = []


class ResourceKeys(_Section):
    model_config = ConfigDict(extra="forbid")
    cores: Annotated[Number, Field(gt=0)] | None = None
    memory_bytes: Bytes | None = None


class GatherKeys(_Section):
    model_config = ConfigDict(extra="forbid")
    count: Annotated[int, Field(ge=1, le=MOST_GATHERED)] | None = None
    within_s: Annotated[Number, Field(gt=0)] | None = None


class SourceKeys(_Section):
    name: str
    base_script: str | None = None
    k8s_host: str | None = None
    children: list[str] = []


class TaskKeys(_Section):
    name: str
    base_script: str | None = None
    children: list[str] = []
    join: Annotated[str | int, PlainValidator(_join)] = "all"
    gather: Any = None
    route: Literal["all", "round_robin", "by_key"] = "all"
    edge: Literal["direct", "queued"] = "direct"
    replicas: Annotated[int, Field(ge=1, le=MAX_REPLICAS)] = 1
    pin: str | None = None
    timeout_s: Annotated[Number, Field(gt=0)] | None = None
    retries: Annotated[Whole, Field(ge=0)] = 2
    image: str | None = None
    requirements: list[str] = []
    resources: Any = None
    sample_input: str | None = None
    deterministic: bool = True
    input_codec: Annotated[str, PlainValidator(_codec)] | None = None


SectionT = TypeVar("SectionT", bound=_Section)
_GRAPH_KEYS = {"name", "children", "join", "dag_tasks", "nondag_tasks"}


def parse(model: type[SectionT], raw: Any, at: Keys, findings: Findings, *, slips: bool = True) -> SectionT | None:
    """One section, bad values reported and left out; None when nothing can be made of it.

    `slips` says whether a key that looks like one of ours is a fault, or only worth a warning.
    """
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        findings.fault(at, f"must be a mapping of keys to values, not {shown(raw)}")
        findings.incomplete = True
        return None
    # A key with no value says the same as no key.
    values = {key: value for key, value in raw.items() if isinstance(key, str) and value is not None}
    if model.model_config.get("extra") != "forbid":
        _report_slips(model, values, at, findings, faults=slips)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        for each in error.errors():
            _report(model, each, (*at, *(part for part in each["loc"] if part != "[key]")), findings)
            values.pop(str(each["loc"][0]), None)
    try:
        return model.model_validate(values)
    except ValidationError:
        findings.incomplete = True
        return None


def _report_slips(model: type[_Section], values: dict[str, Any], at: Keys, findings: Findings, *, faults: bool) -> None:
    for key in values:
        if key not in model.model_fields and (near := nearest(key, model.model_fields)):
            tell = findings.fault if faults else findings.warn
            tell((*at, key), f"unknown key '{key}'; did you mean '{near}'?")
            findings.incomplete |= near in _GRAPH_KEYS


def _report(model: type[_Section], error: ErrorDetails, keys: Keys, findings: Findings) -> None:
    if error["loc"][0] in _GRAPH_KEYS:
        findings.incomplete = True
    findings.fault(keys, _sentence(error, model))


def _sentence(error: ErrorDetails, model: type[_Section]) -> str:
    """What to do about one of pydantic's errors."""
    kind, value, ctx = error["type"], shown(error["input"]), error.get("ctx", {})
    match kind:
        case "missing":
            return f"the key '{error['loc'][-1]}' is missing; add it"
        case "extra_forbidden":
            return f"unknown key; known are {', '.join(model.model_fields)}"
        case "string_type":
            return f"must be text, not {value}; put it in quotes if it is meant as text"
        case "list_type":
            return f"must be a list, such as [{str(error['input'])[:40]}], not {value}"
        case "dict_type":
            return f"must be a mapping of keys to values, not {value}"
        case "value_error":
            return str(ctx["error"])
        case "literal_error":
            return f"must be {ctx['expected']}, not {value}"
        case "byte_size" | "byte_size_unit":
            return f"must be a number of bytes, such as 67108864 or 64MiB, not {value}"
        case _:
            said = (
                error["msg"]
                .replace("Input should be", "must be")
                .replace("a valid integer", "a whole number")
                .replace(" valid ", " ")
            )
            return f"{said[0].lower()}{said[1:]}, not {value}"


def nearest(word: str, known: Any) -> str | None:
    """The known word that `word` was probably meant to be."""
    found = get_close_matches(word, sorted(known), n=1, cutoff=0.75)
    return found[0] if found else None


def shown(value: object) -> str:
    """A value as the author may recognise it, in a few characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
