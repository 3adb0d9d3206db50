"""What conf/ has for Kubernetes, Helm and Nomad: valid as far as can be told without these, and fit for the server.

Schemas are those of kubernetes-validate (PodMonitor, which is no part of Kubernetes, has none there). Charts are
rendered by Helm's own engine where the package helm-python-sdk is installed (its 75 MB are too many for each run of the
tests), and by `render` in any case, which knows as much of the language as the chart uses and refuses the rest.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from support.commands import command
from support.processes import PROJECT

CONF = PROJECT / "conf"
CHART = CONF / "helm" / "mpserver"
#: The version of Kubernetes whose schemas are taken: the first one with a sleep in preStop.
KUBERNETES = "1.30"
#: Values that are not the chart's own, and turn on whatever can be.
OTHER: dict[str, Any] = {
    "replicas": 3, "podMonitor": {"enabled": True, "interval": "30s"}, "shutdownDelay": 7,
    "configuration": "SetHandler mod_python\nPythonHandler site\n", "image": "registry.example.org/other:2",
}  # fmt: skip


def merged(values: dict[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Values with others, as Helm merges them."""
    found = dict(values)
    for name, value in more.items():
        inner = found.get(name)
        found[name] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return found


class Renderer:
    """Renders the chart's templates."""

    def __init__(self, values: dict[str, Any], release: str) -> None:
        self.scope: dict[str, Any] = {"Values": values, "Release": {"Name": release}}

    def value(self, words: str) -> Any:
        """What an expression without pipes is worth."""
        if words == 'include (print $.Template.BasePath "/configmap.yaml") .':
            return self.render((CHART / "templates" / "configmap.yaml").read_text())
        function, _, name = words.rpartition(" ")
        assert re.fullmatch(r"(\.\w+)+", name), f"no word of the language: {words}"
        assert function in ("", "toYaml"), function
        found: Any = self.scope
        for part in name[1:].split("."):
            found = found[part]  # (all that is asked for is there)
        return yaml.safe_dump(found).rstrip("\n") if function else found

    def expression(self, text: str) -> str:
        """What an expression gives."""
        first, *pipes = [part.strip() for part in text.split("|")]
        value = self.value(first)
        for pipe in pipes:
            name, _, argument = pipe.partition(" ")
            if name == "indent":
                value = "\n".join(" " * int(argument) + line for line in str(value).split("\n"))
            elif name == "quote":
                value = f'"{value}"'
            else:
                assert name == "sha256sum", name
                value = "a" * 64
        return str(value)

    def render(self, text: str) -> str:
        """What a template gives."""
        condition = re.fullmatch(r"\{\{- if (.*?) \}\}(.*)\{\{- end \}\}\n", text, re.DOTALL)
        if condition:
            return self.render(condition[2]) if self.value(condition[1]) else ""
        return re.sub(r"\{\{ (.*?) \}\}", lambda found: self.expression(found[1]), text)


def render(values: Mapping[str, Any]) -> str:
    """The chart's manifests, as `Renderer` makes them."""
    renderer = Renderer(merged(yaml.safe_load((CHART / "values.yaml").read_text()), values), "demo")
    return "\n---\n".join(renderer.render(path.read_text()) for path in sorted((CHART / "templates").iterdir()))


def by_helm(values: Mapping[str, Any]) -> str:
    """The same by Helm's own engine."""
    helm = importlib.import_module("helm_python")
    with helm.Chart.load(str(CHART)) as chart:
        made: dict[str, str] = chart.render(dict(values), name="demo", namespace="default")
    return "\n---\n".join(text for _path, text in sorted(made.items()))


def manifests(text: str) -> list[dict[str, Any]]:
    """The objects of a text."""
    return [found for found in yaml.safe_load_all(text) if found]


RENDERED: Mapping[str, Callable[[], str]] = {
    "manifests": lambda: (CONF / "kubernetes" / "mpserver.yaml").read_text(),
    "chart": lambda: render({}),
    "chart with other values": lambda: render(OTHER),
}


@pytest.fixture(params=RENDERED)
def objects(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """The objects of one of those, by their kinds."""
    found = manifests(RENDERED[request.param]())
    kinds = {one["kind"]: one for one in found}
    assert len(kinds) == len(found)
    return kinds


def test_they_are_what_kubernetes_takes(objects: dict[str, dict[str, Any]]) -> None:
    monitor = objects.pop("PodMonitor", None)
    assert set(objects) == {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget"}
    for one in objects.values():
        kubernetes_validate.validate(one, KUBERNETES, strict=True)
    if monitor is not None:
        assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
        assert set(monitor["spec"]) == {"selector", "podMetricsEndpoints"}


def test_their_names_fit_together(objects: dict[str, dict[str, Any]]) -> None:
    spec = objects["Deployment"]["spec"]
    pod, [container] = spec["template"]["spec"], spec["template"]["spec"]["containers"]
    labels = spec["template"]["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    conf = objects["ConfigMap"]["data"]["httpd.conf"]
    assert spec["selector"]["matchLabels"] == labels == objects["Service"]["spec"]["selector"]
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["ports"][0]["targetPort"] in ports
    assert [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume] == [
        objects["ConfigMap"]["metadata"]["name"]
    ]
    assert f"Listen {ports['http']}\n" in conf
    assert f"ManagementListen 0.0.0.0:{ports['management']}\n" in conf
    for name, path in (("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
        assert container[name]["httpGet"] == {"path": path, "port": "management"}
    if "PodMonitor" in objects:
        monitor = objects["PodMonitor"]["spec"]
        assert monitor["selector"]["matchLabels"] == labels
        assert [one["port"] in ports for one in monitor["podMetricsEndpoints"]] == [True]
    [delay] = re.findall(r"ShutdownDelay (\d+)", conf)
    [graceful] = re.findall(r"GracefulShutdownTimeout (\d+)", conf)
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= wait + int(graceful) + 5 + min(int(delay), 5)


def confs() -> Iterator[tuple[str, str]]:
    """The configurations of the server in all of these."""
    for name, made in RENDERED.items():
        [text] = [one["data"]["httpd.conf"] for one in manifests(made()) if one["kind"] == "ConfigMap"]
        yield name, text
    yield "nomad", template(nomad())


@pytest.mark.parametrize("name", [*RENDERED, "nomad"])
def test_the_server_takes_its_configuration(tmp_path: Path, name: str) -> None:
    (tmp_path / "www").mkdir()
    text = dict(confs())[name].replace("/srv/site", str(tmp_path))
    text = re.sub(r'\{\{ env "NOMAD_PORT_\w+" \}\}', "9", text)
    (tmp_path / "mpserver.conf").write_text(text)
    done = command(tmp_path, "-t")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "Syntax OK"


def test_helm_itself_makes_the_same_of_the_chart() -> None:
    if importlib.util.find_spec("helm_python") is None:
        pytest.skip("helm-python-sdk is not installed (pip install helm-python-sdk)")
    helm = importlib.import_module("helm_python")
    assert helm.lint(str(CHART))["errors"] == []
    for values in ({}, OTHER):
        own, theirs = manifests(render(values)), manifests(by_helm(values))
        for one in (*own, *theirs):  # (but for a checksum, and where a text ends)
            one.get("spec", {}).get("template", {}).get("metadata", {}).pop("annotations", None)
            if "data" in one:
                one["data"]["httpd.conf"] = one["data"]["httpd.conf"].rstrip()
        assert sorted(own, key=lambda one: one["kind"]) == sorted(theirs, key=lambda one: one["kind"])


def nomad() -> dict[str, Any]:
    """The job for Nomad: its group."""
    hcl2 = importlib.import_module("hcl2")  # (its parser's types would change what mypy knows of others)
    with (CONF / "nomad" / "mpserver.nomad.hcl").open() as file:
        job = bare(hcl2.load(file))["job"][0]["site"]
    group: dict[str, Any] = job["group"][0]["site"]
    return group


def bare(value: Any) -> Any:
    """Without the marks of the reader: quotes around words, and where things stand."""
    if isinstance(value, dict):
        return {bare(name): bare(one) for name, one in value.items() if not str(name).startswith("__")}
    if isinstance(value, list):
        return [bare(one) for one in value]
    return value.strip('"') if isinstance(value, str) and not value.startswith('"<<') else value


def template(group: dict[str, Any]) -> str:
    """The server's configuration in a job's group."""
    lines = str(group["task"][0]["mpserver"]["template"][0]["data"]).strip('"').splitlines()
    return "\n".join(line.strip() for line in lines if "EOF" not in line) + "\n"


def test_the_job_for_nomad_fits_together() -> None:
    group = nomad()
    ports = {name for port in group["network"][0]["port"] for name in port}
    service, task = group["service"][0], group["task"][0]["mpserver"]
    [check] = service["check"]
    assert {service["port"], check["port"], *task["config"][0]["ports"]} == ports
    assert check["path"] == "/readyz"
    assert set(re.findall(r"NOMAD_PORT_(\w+)", template(group))) == ports
    assert f"/{task['template'][0]['destination']}" in task["config"][0]["args"]
    seconds = {name: int(task[name].rstrip("s")) for name in ("kill_timeout", "shutdown_delay")}
    [delay] = re.findall(r"ShutdownDelay (\d+)", template(group))
    [graceful] = re.findall(r"GracefulShutdownTimeout (\d+)", template(group))
    assert seconds["kill_timeout"] >= int(delay) + int(graceful) + 10
