"""What deploy/README.md tells an operator to type fits the manifests."""

import re

from pydantic import SecretStr

from common.settings import DatabaseSettings
from tools.manifests.objects import Installation, Manifest, selects
from tools.manifests.render import ROOT

README = (ROOT.parent / "README.md").read_text()
OPERATORS = (ROOT.parent.parent / "docs" / "operators.md").read_text()
COMMANDS = README.partition("```sh\n")[2].partition("```")[0]


def test_there_are_ten_commands() -> None:
    numbers = re.findall(r"# (\d+)$", COMMANDS, flags=re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 11)]


def test_the_image_that_is_pushed_is_the_one_that_runs_and_migrates(sound: Installation) -> None:
    built = re.findall(r"--tag (\S+)", COMMANDS)
    pushed = re.findall(r"docker push (\S+)", COMMANDS)
    rendered = {container.document["image"] for pod in sound.pods() for container in pod.containers()}
    assert built == pushed == [*rendered]


def selected(verb: str, installation: Installation) -> list[Manifest]:
    """The objects whose labels the selector takes that stands behind `kubectl … <verb> … job`."""
    found = re.search(rf"kubectl -n frontline {verb} (?:.|\\\n)*?-l (\S+)", COMMANDS)
    assert found, verb
    labels = dict(pair.split("=") for pair in found[1].split(","))
    return [one for one in installation.everything if selects({"matchLabels": labels}, one.labels)]


def test_migrations_of_any_release_go_before_those_of_this_one_are_waited_for(sound: Installation) -> None:
    """A Job cannot be changed; and a wait for whatever is labelled alike would end at once on Jobs of before."""
    jobs = list(sound.of("Job"))
    assert selected("delete job", sound) == jobs
    assert selected("wait", sound) == jobs
    assert "component=migrate --cascade" in COMMANDS  # no version in it
    lines = COMMANDS.splitlines()
    steps = [lines.index(line) for word in ("delete job", "local/migrations", "wait") for line in lines if word in line]
    assert steps == sorted(steps)
    assert len(steps) == 3
    assert f"job/{next(job.name for job in jobs if job.name.startswith('intake'))}`" in README


def test_the_servers_connections_are_enough_for_a_rollout(sound: Installation) -> None:
    """Old and new pods side by side, a relay's own connection in each worker, and a migration of each service."""
    pool = DatabaseSettings(url=SecretStr("postgresql://any@any/any")).pool_size
    of_process = {"api": pool, "worker": pool + 1}
    running = [(one.labels["app.kubernetes.io/component"], one.find("spec.replicas")) for one in sound.of("Deployment")]
    needed = sum(2 * of_process[component] * replicas for component, replicas in running) + len([*sound.of("Job")])
    formula = f"2 * (APIs * {of_process['api']} + workers * {of_process['worker']}) + 1"
    for text in (README, OPERATORS):
        assert formula in text
        assert f" {needed} for " in text
        enough = re.search(r"`max_connections`\s(?:to|is)\s(\d+)", text)
        assert enough
        assert int(enough[1]) >= needed + 20  # some for superusers, monitoring and backups
