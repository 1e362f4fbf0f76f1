"""`docker-compose.yml` agrees with itself, with the locked client and with what the documents say."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SCALE = (ROOT / "docs" / "scale.md").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_needs_is_there(name: str) -> None:
    service = SERVICES[name]
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]
    if "build" in service:
        assert (ROOT / service["build"]["dockerfile"]).is_file()
    else:
        assert ":" in service["image"]


def options(name: str) -> dict[str, str]:
    """Give the settings of the cluster's command by their names."""
    written = [part.removeprefix("--conf=") for part in SERVICES["spark"]["command"] if part.startswith(f"--{name}=")]
    return dict(part.split("=", 1) for part in written)


def test_the_cluster_is_of_the_client_s_version() -> None:
    assert SERVICES["spark"]["profiles"] == ["spark"]
    assert SERVICES["spark"]["image"] == f"apache/spark:{version('pyspark-client')}"


def test_the_cluster_has_the_packages_and_settings_that_the_documents_name() -> None:
    (packages,) = re.findall(r"--packages (\S+)", SCALE)
    assert f"--packages={packages}" in SERVICES["spark"]["command"]
    settings = options("conf")
    assert (
        settings["spark.executor.extraJavaOptions"]
        == settings["spark.driver.extraJavaOptions"]
        == "-Duser.timezone=UTC"
    )
    for name in settings.keys() - {"spark.jars.ivy"}:
        assert name in SCALE


def test_the_service_can_be_built_with_the_client() -> None:
    arguments = SERVICES["service"]["build"]["args"]
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    assert arguments.keys() == set(re.findall(r"^ARG (\w+)=", dockerfile, re.MULTILINE))
    assert "pyspark-client==" in (ROOT / "requirements-spark.txt").read_text()
    assert "requirements-spark.txt" in dockerfile
    assert "!requirements-spark.txt" in (ROOT / ".dockerignore").read_text().splitlines()
