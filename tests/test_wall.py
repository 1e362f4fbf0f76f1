"""The dashboard for the wall: it asks for metrics and labels that the running service has, and compose brings all of it up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import promql_parser
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.postgres import Server
from tests.support.service import command, serving

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DASHBOARD = json.loads((DOCKER / "grafana" / "dashboards" / "orca-reconcile.json").read_text())
OF_THE_SCRAPE = {"job", "instance"}

Node = TypeVar("Node", bound=promql_parser.Expr)


@dataclass(frozen=True)
class Query:
    """What one query of the dashboard asks for."""

    expression: str
    legend: str

    def parsed(self) -> promql_parser.Expr:
        """Parse it, with what Grafana puts in place of its own variables."""
        return promql_parser.parse(self.expression.replace("$__rate_interval", "1m"))


def queries() -> Iterator[Query]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield Query(target["expr"], target["legendFormat"])


def nodes(expression: promql_parser.Expr, kind: type[Node]) -> list[Node]:
    """Find the parts of that kind in an expression, the outermost first."""
    found: list[Node] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, kind):
            found.append(node)

    promql_parser.walk(expression, visit)
    return found


async def exposed(server: Server, tmp_path: Path) -> dict[str, set[str]]:
    """Give the labels of every sample of a service that has reconciled something, by the sample's name."""
    archive = tmp_path / "archive"
    command("generate", "--files", "1000", "--out", str(archive))
    async with server.fresh() as name:
        environment = {"RECONCILE_DATABASE_URL": server.url(name), "RECONCILE_DATA_DIR": str(tmp_path)}
        command("catalog", "load", str(archive / "catalog.csv"), **environment)
        with serving(tmp_path / "log", **environment) as (client, _):
            manifest = str(archive / "inventory" / "manifest.json")
            assert command("reconcile", manifest, "--url", str(client.base_url)).returncode == 1
            text = client.get("/metrics").text
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


async def test_every_query_asks_for_metrics_and_labels_that_there_are(server: Server, tmp_path: Path) -> None:
    labels = await exposed(server, tmp_path)
    asked = set()
    for query in queries():
        expression = query.parsed()
        there = set()
        for selector in nodes(expression, promql_parser.VectorSelector):
            assert selector.name in labels, query
            asked.add(selector.name)
            there |= labels[selector.name] | OF_THE_SCRAPE
            matched = {matcher.name for matcher in selector.matchers.matchers}
            assert matched <= labels[selector.name] | OF_THE_SCRAPE, query
        outermost = None
        for aggregation in nodes(expression, promql_parser.AggregateExpr):
            kept = set(aggregation.modifier.labels) if aggregation.modifier else set()
            assert kept <= there, query
            outermost = kept if outermost is None else outermost
        assert set(re.findall(r"{{(\w+)}}", query.legend)) <= (there if outermost is None else outermost), query
    for variable in DASHBOARD["templating"]["list"]:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
        assert variable["query"]["query"] == variable["definition"]
        assert label in labels[metric]
    own = {name for name in labels if name.startswith("orca_reconcile_")}
    shown = {name.removesuffix("_bucket") for name in asked}
    left = {name for name in own if not any(name.startswith(metric) for metric in shown) and "_created" not in name}
    assert left == set(), "metrics that the wall does not show"


def test_panels_lie_side_by_side_and_each_has_a_sentence() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["description"].endswith(".")
        assert panel["datasource"]["uid"] == "prometheus"
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def mounted(service: str) -> dict[str, Path]:
    """Give the files of this repository that compose mounts into a container, by their path there."""
    pairs = (volume.removesuffix(":ro").split(":") for volume in COMPOSE["services"][service]["volumes"])
    return {there: ROOT / here for here, there in pairs if here.startswith("./")}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_compose_provisions_prometheus_and_grafana() -> None:
    services = COMPOSE["services"]
    for name in ("prometheus", "grafana"):
        assert all(path.exists() for path in mounted(name).values())
        for port in services[name].get("ports", []):
            assert port.startswith("127.0.0.1:"), "nothing is offered beyond this machine"
        for volume in services[name]["volumes"]:
            source = volume.partition(":")[0]
            assert source.startswith("./") or source in COMPOSE["volumes"]

    (scrape,) = read(mounted("prometheus")["/etc/prometheus/prometheus.yml"])["scrape_configs"]
    assert scrape["static_configs"] == [{"targets": ["service:8000"]}]
    assert "service" in services
    (secret,) = services["prometheus"]["secrets"]
    assert scrape["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert COMPOSE["secrets"][secret] == {"environment": "RECONCILE_TOKEN"}

    provisioning = mounted("grafana")["/etc/grafana/provisioning"]
    (source,) = read(provisioning / "datasources" / "prometheus.yml")["datasources"]
    assert (source["uid"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = read(provisioning / "dashboards" / "orca-reconcile.yml")["providers"]
    folder = mounted("grafana")[provider["options"]["path"]]
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert json.loads((folder / Path(home).name).read_text())["uid"] == "orca-reconcile"
