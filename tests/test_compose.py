"""docker-compose.yml starts the parts that it should, keeps no secret, and uses the same kinds of database and broker as the tests do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any

import dj_database_url
import pytest
import yaml

from engine.turns import ANSWERS_AT_ONCE
from tests.architecture.source import ROOT
from tests.missing import missing
from webapp.jobs.workers import PREFIX

FILE = ROOT / "docker-compose.yml"
SERVICES = {"web", "ingest", "engine", "redis", "postgres"}
APP = {"web", "ingest", "engine"}
SECRETS = {"SECRET_KEY": "s" * 40, "POSTGRES_PASSWORD": "p" * 40}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_it_has_every_service_with_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == SERVICES
    assert all(service["healthcheck"]["test"] for service in services.values())


def test_it_builds_one_image_for_web_and_workers(compose: dict[str, Any]) -> None:
    images = {compose["services"][name]["image"] for name in APP}
    builds = {str(compose["services"][name]["build"]) for name in APP}
    assert len(images) == len(builds) == 1
    assert (ROOT / "Dockerfile").exists()


def test_it_starts_each_service_after_what_it_needs(compose: dict[str, Any]) -> None:
    needs = {name: set(compose["services"][name]["depends_on"]) for name in APP}
    assert needs == {"web": {"postgres", "redis"}, "ingest": {"web"}, "engine": {"web"}}
    conditions = {need["condition"] for name in APP for need in compose["services"][name]["depends_on"].values()}
    assert conditions == {"service_healthy"}


def test_it_takes_every_secret_from_the_environment(compose: dict[str, Any]) -> None:
    named = [(name, value) for service in compose["services"].values() for name, value in service.get("environment", {}).items()]
    secret = [str(value) for name, value in named if re.search("SECRET|PASSWORD|TOKEN", name)]
    passwords = re.findall(r"//\w+:([^@\n]+)@", FILE.read_text(encoding="utf-8"))
    assert len(secret) >= 4
    assert all(re.fullmatch(r"\$\{\w+:(\?[^}]+|-)\}", value) for value in [*secret, *passwords])


def test_it_uses_the_database_and_the_broker_of_the_tests(compose: dict[str, Any]) -> None:
    environment = compose["services"]["web"]["environment"]
    database = re.sub(r"\$\{[^}]+\}", "word", environment["DATABASE_URL"])
    assert dj_database_url.parse(database)["ENGINE"] == "django.db.backends.postgresql"
    for name, url in (("DATABASE_URL", database), ("REDIS_URL", environment["REDIS_URL"])):
        tested = os.environ.get(f"LONGREAD_TEST_{name}") or {"DATABASE_URL": "postgresql://", "REDIS_URL": "redis://"}[name]
        assert url.split(":")[0] == tested.split(":")[0].replace("postgresql", "postgres").replace("postgres", "postgresql")
    assert compose["services"]["postgres"]["environment"]["POSTGRES_USER"] == dj_database_url.parse(database)["USER"]


def test_it_consumes_both_queues_and_watches_the_heartbeat_that_the_workers_give(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert "-Q ingest -n ingest@%h" in services["ingest"]["command"]
    assert f"-Q engine -n engine@%h --pool threads --concurrency {ANSWERS_AT_ONCE + 1}" in services["engine"]["command"]
    assert PREFIX in services["engine"]["healthcheck"]["test"][-1]


def test_it_is_a_file_that_compose_accepts() -> None:
    command = _compose_command()
    if command is None:
        missing("no compose command on this machine; the structure is checked above")
    environment = dict(os.environ) | SECRETS
    done = subprocess.run([*command, "-f", str(FILE), "config"], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == SERVICES


def test_it_is_refused_without_its_secrets() -> None:
    command = _compose_command()
    if command is None:
        missing("no compose command on this machine; the structure is checked above")
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    done = subprocess.run([*command, "-f", str(FILE), "config"], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode != 0
    assert "set it to" in done.stderr


def _compose_command() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    return None
