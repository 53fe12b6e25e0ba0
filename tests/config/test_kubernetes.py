"""What docker/kubernetes/ says is what there is, and the same as on one machine by compose.yaml."""

import runpy
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from config.celery import app
from config.env import ROOT, Env

FOLDER = ROOT / "docker/kubernetes"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]
PARTS: list[dict[str, Any]] = [
    part
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for part in yaml.safe_load_all(path.read_text())
]
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
RUN = {"Deployment", "Job", "CronJob"}


def of_kind(*kinds: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in PARTS if one["kind"] in kinds}


def pod(name: str) -> dict[str, Any]:
    """What runs, whatever calls for it."""
    spec = of_kind(*RUN)[name]["spec"]
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    return dict(spec["template"]["spec"])


def container(name: str) -> dict[str, Any]:
    (one,) = pod(name)["containers"]
    return dict(one)


def test_every_file_is_applied_and_every_service_of_one_machine_runs_here_too() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files
    # A PostgreSQL is the cluster's to have.
    assert set(of_kind(*RUN)) == set(COMPOSE) - {"postgres"}


def test_commands_settings_and_secrets_are_those_of_compose() -> None:
    for name in of_kind(*RUN):
        here, there = container(name).get("command"), COMPOSE[name].get("command")
        if name.startswith("worker-"):
            queue = name.removeprefix("worker-")
            there = [f"{queue}@%h" if one == f"{queue}@vernacular" else one for one in there]
        if name == "backup":  # here the cluster's clock calls for each
            there = [*there[:5], "14"]
            words = load_command_class(get_commands()["backup"], "backup")
            assert words.create_parser("manage.py", "backup").parse_args(here[3:]).keep == 14
        if name == "redis":
            there = [one.replace("$$", "$") for one in there]
        assert here == there, name
        if "worker_alive" in (asked := COMPOSE[name].get("healthcheck", {}).get("test", [])):
            assert container(name)["livenessProbe"]["exec"]["command"] == asked[1:]
    settings = of_kind("ConfigMap")["vernacular-settings"]["data"]
    given = {one for one in COMPOSE["web"]["environment"] if not one.endswith(("LEVEL", "HOST"))}
    assert set(settings) | {"VERNACULAR_MAIL_FROM"} == given | {"VERNACULAR_MAIL_FROM"}
    assert set(settings) <= {f"VERNACULAR_{name.upper()}" for name in Env.model_fields}
    names = of_kind("ConfigMap")["vernacular-names"]["data"]
    assert set(names) == set(COMPOSE["proxy"]["environment"])


@pytest.mark.parametrize("name", sorted(of_kind(*RUN)))
def test_everything_is_locked_in_bounded_and_looked_after(name: str) -> None:
    one, spec = container(name), pod(name)
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert one["resources"]["limits"]["memory"]
    assert ("livenessProbe" in one) == (name not in ("prepare", "backup"))
    # Nothing is written but where something is mounted for it.
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert {mount["name"] for mount in one["volumeMounts"]} == volumes
    claims = {
        v["persistentVolumeClaim"]["claimName"]
        for v in spec["volumes"]
        if len(v) and "persistentVolumeClaim" in v
    }
    assert claims <= set(of_kind("PersistentVolumeClaim"))


def test_gpu_workers_follow_a_queue_that_there_is_and_leave_time_for_a_checkpoint() -> None:
    (scaled,) = of_kind("ScaledObject").values()
    target, (trigger,) = scaled["spec"]["scaleTargetRef"]["name"], scaled["spec"]["triggers"]
    assert "replicas" not in of_kind("Deployment")[target]["spec"]
    queues = {route["queue"] for route in app.conf.task_routes.values()}
    assert trigger["metadata"]["listName"] in queues
    assert f"-Q {trigger['metadata']['listName']}" in " ".join(container(target)["command"])
    (key,) = of_kind("TriggerAuthentication")["redis"]["spec"]["secretTargetRef"]
    made = runpy.run_path(str(ROOT / "docker/secret_files.py"))["wanted"]()
    assert key["key"] in made
    grace = int(COMPOSE[target]["stop_grace_period"].removesuffix("s"))
    assert pod(target)["terminationGracePeriodSeconds"] == grace


def test_addresses_and_images_are_of_parts_that_there_are() -> None:
    deployments = of_kind("Deployment")
    for name, service in of_kind("Service").items():
        assert service["spec"]["selector"] == {"app": name}
        ports = {port["containerPort"] for port in container(name)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} == ports
        assert deployments[name]["spec"]["template"]["metadata"]["labels"]["app"] == name
    named = {container(name)["image"] for name in of_kind(*RUN)}
    assert named - {container("redis")["image"]} == {one["name"] for one in KUSTOMIZATION["images"]}
    assert container("redis")["image"] in COMPOSE["redis"]["image"]
