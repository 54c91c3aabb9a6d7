from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.app import App, Limits, SourceTask
from runtime.app_config import check, examine, load_app
from runtime.errors import AppError
from runtime.graph import Resources, Task
from runtime.mapper_options import MapperOptions, WaveWeights
from runtime.wave import is_placed_by_agents
from tests.unit.runtime.app_folder import PROCESS, tasks, write

APPS = Path(__file__).parents[3] / "app_specific_files"
JUPITER = """
    jupiter_config:
      namespace_prefix: "team"
      docker_registry: "docker.io/team"
      task_mapper: "heft_dup_no_comm_cost"
      circe: "original"
    node_map:
      home: ubuntu-home
      node1: ubuntu-1
    application:
      name: demo
      port_mappings:
        - 2222:22
        - 8080:80
        - "443:443"
        - 133342
      our_own: {anything: [goes]}
      tasks:
        nondag_tasks:
          - name: camera
            base_script: camera.py
            k8s_host: some-other-host
            children: [first]
        home:
          children: [first]
        dag_tasks:
          - name: first
            base_script: a.py
            children: [second, third]
            colour: blue
          - name: second
            base_script: a.py
            children: [home]
          - name: third
            base_script: ./b.py
"""


def test_jupiters_form_is_read_in_full(tmp_path: Path) -> None:
    app = load_app(write(tmp_path, JUPITER, camera="def run(ctx):\n    pass\n"))
    assert (app.name, app.mapper, app.namespace_prefix) == ("demo", "heft_dup_no_comm_cost", "team")
    assert app.node_map == {"home": "ubuntu-home", "node1": "ubuntu-1"}
    assert app.ports == ((2222, 22), (8080, 80), (443, 443), (2222, 22))
    camera = SourceTask(name="camera", script="camera.py", host="some-other-host", children=("first",))
    assert app.sources == (camera,)
    assert app.graph.entries == ("first",)
    assert [task.script for task in app.graph.tasks.values()] == ["a.py", "a.py", "b.py"]
    assert app.graph.tasks["third"].children == ()


def test_the_mapper_and_its_options(tmp_path: Path) -> None:
    plain = load_app(write(tmp_path / "plain", tasks("- {name: a, base_script: a.py, children: [home]}")))
    assert (plain.mapper, plain.mapper_options) == ("auto", MapperOptions())
    written = "{seed: 3, tasks_per_node: 4, moves: 10, limit_s: 0.5, wave: {network: 2, legacy: true}}"
    before = f"jupiter_config: {{task_mapper: wave_greedy, mapper_options: {written}}}\n"
    text = tasks("- {name: a, base_script: a.py, children: [home]}", before=before)
    app = load_app(write(tmp_path / "told", text))
    weights = WaveWeights(network=2.0, legacy=True)
    assert app.mapper_options == MapperOptions(seed=3, tasks_per_node=4, moves=10, limit_s=0.5, wave=weights)
    assert App.from_record(app.to_record()) == app


def test_only_wave_is_placed_by_the_agents(tmp_path: Path) -> None:
    def load(name: str, mapper: str) -> App:
        before = f"jupiter_config: {{{mapper}mapper_options: {{distributed: true}}}}\n"
        return load_app(
            write(tmp_path / name, tasks("- {name: a, base_script: a.py, children: [home]}", before=before))
        )

    app = load("waved", "task_mapper: wave, ")
    assert is_placed_by_agents(app) and App.from_record(app.to_record()) == app
    assert not is_placed_by_agents(replace(app, mapper="heft"))
    with pytest.raises(AppError, match="agents place tasks by wave or wave_greedy or wave_random only"):
        load("others", "")


def test_keys_with_no_value_are_as_good_as_absent(tmp_path: Path) -> None:
    text = tasks("- {name: a, base_script: a.py, children: [home], join: , pin: ~}")
    text = "jupiter_config:\nnode_map:\n" + text.replace("  tasks:", "  limits:\n  port_mappings:\n  tasks:")
    text += "    nondag_tasks:\n"
    app = load_app(write(tmp_path / "plain", text))
    assert app == App(name="plain", graph=app.graph)
    assert app.graph.tasks == {"a": Task(name="a", script="a.py", children=("home",))}


def test_every_optional_key_arrives(tmp_path: Path) -> None:
    text = tasks(
        """
        - name: a
          base_script: a.py
          children: [b, c]
          route: by_key
          replicas: 3
          pin: node7
          timeout_s: 1
          retries: 0
          deterministic: false
          sample_input: one.json
          input_codec: text
          image: me/it:1
          requirements: [numpy>=2]
          resources: {cores: 0.5, memory_bytes: 64MiB}
        - {name: b, base_script: b.py, children: [c, home]}
        - {name: c, base_script: c.py, children: [home], join: 1}
        """,
        before="",
    ).replace(
        "  tasks:", "  codec: msgpack\n  input: 10\n  objective: makespan\n  limits: {in_flight_bytes: 1KiB}\n  tasks:"
    )
    folder = write(tmp_path, text, a=PROCESS + "def key(value):\n    return value\n")
    (folder / "one.json").write_text("1")
    app = load_app(folder)
    assert (app.codec, app.input, app.objective) == ("msgpack", 10, "makespan")
    assert app.limits == Limits(in_flight_bytes=1024)
    assert app.graph.tasks["c"].join == 1
    assert app.graph.tasks["a"] == Task(
        name="a",
        script="a.py",
        children=("b", "c"),
        route="by_key",
        replicas=3,
        pin="node7",
        timeout_s=1.0,
        retries=0,
        deterministic=False,
        sample_input="one.json",
        input_codec="text",
        image="me/it:1",
        requirements=("numpy>=2",),
        resources=Resources(cores=0.5, memory_bytes=64 << 20),
    )
    assert App.from_record(app.to_record()) == app


@pytest.mark.parametrize("name", sorted(path.parent.name for path in APPS.glob("*/app_config.yaml")))
def test_the_applications_beside_us_are_right(name: str) -> None:
    report = examine(APPS / name)
    assert (report.faults, report.warnings) == ((), ())
    assert report.app is not None
    assert App.from_record(report.app.to_record()) == report.app


def test_folder_gives_the_name_whatever_way_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "words", tasks("- {name: a, base_script: a.py, children: [home]}"))
    monkeypatch.chdir(folder)
    assert load_app(Path()).name == "words"
    (tmp_path / "linked").symlink_to(folder)
    assert load_app(tmp_path / "linked").name == "linked"


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = tasks(
        """
        - {name: a, base_script: none.py, children: [b], retries: -1}
        - {name: b, base_script: b.py, children: [a, zz], route: some}
        """
    )
    folder = write(tmp_path, text)
    faults = check(folder)
    assert [fault.place.removeprefix(f"{folder}/app_config.yaml:") for fault in faults] == [
        "5 application.tasks.dag_tasks[0].retries",
        "5 application.tasks.dag_tasks[0].children",
        "5 application.tasks.dag_tasks[0].base_script",
        "6 application.tasks.dag_tasks[1].route",
        "6 application.tasks.dag_tasks[1].children[1]",
    ]
    with pytest.raises(AppError) as caught:
        load_app(folder)
    assert list(caught.value.faults) == faults
    assert str(caught.value) == "\n".join(map(str, faults))


def test_a_misspelt_child_is_one_fault_and_not_a_cascade(tmp_path: Path) -> None:
    text = tasks(
        """
        - {name: alpha, base_script: a.py, children: [betta]}
        - {name: beta, base_script: b.py, children: [home], join: all}
        """,
        home="[alpha]",
    )
    (fault,) = check(write(tmp_path, text))
    assert fault.message.endswith("which is no task; did you mean 'beta'?")


def test_what_may_be_meant_is_a_warning(tmp_path: Path) -> None:
    text = tasks(
        """
        - {name: a, base_script: a.py, children: [b, home]}
        - {name: b, base_script: b.py, inputs_to_wait_for: 2}
        """,
        before="jupiter_config: {task_maper: heft}\n",
    ).replace("home: {", "home: {base_script: b.py, ")
    folder = write(tmp_path, text, a="import queue\nimport mapper\n" + PROCESS, queue="", mapper="")
    report = examine(folder)
    assert report.app is not None
    assert [(fault.place.removeprefix(f"{folder}/"), fault.message) for fault in report.warnings] == [
        ("app_config.yaml:1 jupiter_config.task_maper", "unknown key 'task_maper'; did you mean 'task_mapper'?"),
        (
            "app_config.yaml:4 application.tasks.home.base_script",
            "the script of home is not run: inputs come with `jupiter run` or `send`, or from any NATS client",
        ),
        ("a.py:1", "`import queue` gets Python's own module, not the one in this folder; rename yours"),
        ("a.py:2", "`import mapper` gets Jupiter's own module, not the one in this folder; rename yours"),
        (
            "app_config.yaml:7 application.tasks.dag_tasks[1].inputs_to_wait_for",
            "'inputs_to_wait_for' is of an earlier form and does nothing; "
            "write join: all, any, each, or a number of parents",
        ),
        (
            "app_config.yaml:7 application.tasks.dag_tasks[1].name",
            "task 'b' has no children: its outputs go nowhere; add children: [home] to make them results",
        ),
    ]


def test_an_unknown_mapper_is_a_fault_with_its_line(tmp_path: Path) -> None:
    text = tasks("- {name: a, base_script: a.py, children: [home]}", before="jupiter_config: {task_mapper: magic}\n")
    report = examine(write(tmp_path, text, a=PROCESS))
    assert report.app is None
    (fault,) = report.faults
    assert fault.place.endswith("app_config.yaml:1 jupiter_config.task_mapper")
    assert fault.message.startswith("must be one of auto, ") and fault.message.endswith("not 'magic'")


def test_nothing_is_executed(tmp_path: Path) -> None:
    raising = "raise SystemExit('executed')\n" + PROCESS
    assert check(write(tmp_path, tasks("- {name: a, base_script: a.py, children: [home]}"), a=raising)) == []


@pytest.mark.parametrize(
    "source",
    [
        "async def process(item, ctx): pass",
        "def process(item, ctx=None, *more, **named): pass",
        "process = lambda item, ctx: item",
        "from b import process",
        "from b import *",
        "import b as process",
        "try:\n    import x\nexcept ImportError:\n    def process(i, c): pass",
        "if True:\n    def process(*args): pass",
        "@wrap\ndef process(item): pass",
        "x = '\\d'\ndef process(item, ctx, *, more=1): pass",
    ],
)
def test_any_way_of_having_process_will_do(tmp_path: Path, source: str) -> None:
    folder = write(tmp_path, tasks("- {name: a, base_script: a.py, children: [home]}"), a=source)
    assert check(folder) == []


def test_every_key_that_the_example_explains_is_understood(tmp_path: Path) -> None:
    folder = tmp_path / "example"
    shutil.copytree(APPS / "example", folder)
    text = (folder / "app_config.yaml").read_text()
    (folder / "app_config.yaml").write_text(re.sub(r"(?m)^( *)# (?=[ -]*[a-z0-9_]+:( |$))", r"\1", text))
    (folder / "camera.py").write_text("def run(ctx):\n    pass\n")
    report = examine(folder)
    assert (report.faults, report.warnings) == ((), ())
    assert report.app is not None
    # The defaults that the comments tell are the ones that hold.
    plain = load_app(APPS / "example")
    assert report.app.limits == plain.limits
    assert (report.app.codec, report.app.input, report.app.objective) == ("json", "lines", "period")
    count = report.app.graph.tasks["count"]
    assert replace(count, pin=None, timeout_s=None, image=None, resources=Resources()) == plain.graph.tasks["count"]
