"""Settings: read once, with every problem told at once."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from common.settings import ServiceSettings, SettingsGroup, WrongSettings, load, reference, variables

GOOD = {"FRONTLINE_DATABASE_URL": "postgresql://a@b/c", "FRONTLINE_KAFKA_BOOTSTRAP": "k:9092"}


class LampGroup(SettingsGroup):
    """A service's own group."""

    brightness: int = 3


class LampSettings(ServiceSettings):
    """A service's settings."""

    lamp: LampGroup = LampGroup()


def problems_of(**changes: str) -> tuple[str, ...]:
    """What is wrong with these variables beside the good ones."""
    with pytest.raises(WrongSettings) as raised:
        load(LampSettings, {**GOOD, **changes})
    return raised.value.problems


def test_values_and_defaults() -> None:
    """Groups, units, the service's own, and what is not ours."""
    settings = load(
        LampSettings,
        {
            **GOOD,
            "FRONTLINE_INSTALLATION": "acme",
            "FRONTLINE_KAFKA_TOPIC_PREFIX": "acme.",
            "FRONTLINE_LIFE_DRAIN_TIMEOUT": "1500ms",
            "FRONTLINE_API_MAX_BODY": "1MiB",
            "FRONTLINE_API_IDEMPOTENCY_LIFE": "7d",
            "FRONTLINE_LAMP_BRIGHTNESS": "5",
            "FRONTLINE_CLI_URL": "http://x",
            "HOME": "/root",
        },
    )
    assert settings.installation == "acme"
    assert settings.kafka.topic_prefix == "acme."
    assert settings.life.drain_timeout == timedelta(seconds=1.5)
    assert settings.api.max_body == 1024 * 1024
    assert settings.api.idempotency_life == timedelta(days=7)
    assert settings.lamp.brightness == 5
    assert settings.database.pool_size == 10


def test_an_unknown_variable_names_the_nearest() -> None:
    """A misspelt setting is never silent."""
    assert problems_of(FRONTLINE_KAFKA_TOPIC_PREFX="a.") == (
        "FRONTLINE_KAFKA_TOPIC_PREFX is not a setting; the nearest is FRONTLINE_KAFKA_TOPIC_PREFIX",
    )


def test_all_problems_are_told_at_once() -> None:
    """Missing, unknown, malformed: one line each."""
    with pytest.raises(WrongSettings) as raised:
        load(LampSettings, {"FRONTLINE_LAMP_BRIGHTNESS": "much", "FRONTLINE_X": "1", "FRONTLINE_API_PORT": "70000"})
    names = [problem.split()[0].rstrip(":") for problem in raised.value.problems]
    assert sorted(names) == [
        "FRONTLINE_API_PORT",
        "FRONTLINE_DATABASE_URL",
        "FRONTLINE_KAFKA_BOOTSTRAP",
        "FRONTLINE_LAMP_BRIGHTNESS",
        "FRONTLINE_X",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"FRONTLINE_LIFE_DRAIN_TIMEOUT": "5"},
        {"FRONTLINE_LIFE_DRAIN_TIMEOUT": "5 parsecs"},
        {"FRONTLINE_LIFE_DRAIN_TIMEOUT": "-5s"},
        {"FRONTLINE_API_MAX_BODY": "1MB"},
        {"FRONTLINE_API_IDEMPOTENCY_LIFE": "8d"},
        {"FRONTLINE_INSTALLATION": "Acme Inc"},
        {"FRONTLINE_LIFE_DRAIN_TIMEOUT": "1e300d"},
        {"FRONTLINE_LIFE_DRAIN_TIMEOUT": "nans"},
        {"FRONTLINE_API_MAX_BODY": "infKiB"},
        {"FRONTLINE_DATABASE_STATEMENT_TIMEOUT": "0.4ms"},
        {"FRONTLINE_DATABASE_LOCK_TIMEOUT": "0s"},
        {"FRONTLINE_DATABASE_URL": "mysql://a"},
        {"FRONTLINE_DATABASE_URL": "postgres://a@b/c"},
        {"FRONTLINE_DATABASE_URL": "postgresql://a@b:5432"},
        {"FRONTLINE_DATABASE_URL": "postgresql://a@b:port/c"},
        {"FRONTLINE_KAFKA_BOOTSTRAP": "localhost:port"},
        {"FRONTLINE_DATABASE_SSL_MODE": "verify-full"},
        {"FRONTLINE_DATABASE_SSL_ROOT_CERT": "/no/such/file"},
        {"FRONTLINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"},
        {"FRONTLINE_KAFKA_SSL_CERTFILE": "/no/such/file"},
    ],
)
def test_one_wrong_value_is_one_line(changes: dict[str, str]) -> None:
    """Each names its variable, or its group where a rule spans several."""
    [problem] = problems_of(**changes)
    [name] = changes
    assert problem.startswith("_".join(name.split("_")[:2]))


def test_parameters_in_the_url_are_refused_with_the_remedy() -> None:
    """The driver would ignore some of them, and fall over others at the first connection."""
    [problem] = problems_of(FRONTLINE_DATABASE_URL="postgresql://a:geheim@b/c?sslmode=require")
    assert "FRONTLINE_DATABASE_SSL_MODE" in problem
    assert "geheim" not in problem


def test_files_that_hold_no_certificates_are_told_at_start(tmp_path: Path) -> None:
    """Of PostgreSQL and of Kafka, authorities and our own."""
    words = tmp_path / "words.pem"
    words.write_text("no certificate")
    database = {"FRONTLINE_DATABASE_SSL_MODE": "verify-full", "FRONTLINE_DATABASE_SSL_ROOT_CERT": str(words)}
    [problem] = problems_of(**database)
    assert problem.startswith("FRONTLINE_DATABASE_*: ssl_root_cert: ")
    kafka = {"FRONTLINE_KAFKA_SECURITY_PROTOCOL": "SSL"}
    [problem] = problems_of(**kafka, FRONTLINE_KAFKA_SSL_CAFILE=str(words))
    assert problem.startswith("FRONTLINE_KAFKA_*: ssl_cafile: ")
    own = {"FRONTLINE_KAFKA_SSL_CERTFILE": str(words), "FRONTLINE_KAFKA_SSL_KEYFILE": str(words)}
    [problem] = problems_of(**kafka, **own)
    assert problem.startswith("FRONTLINE_KAFKA_*: ssl_certfile: ")


def test_secrets_never_show() -> None:
    """Neither in a problem nor in the settings' own text."""
    [problem] = problems_of(FRONTLINE_DATABASE_URL="mysql://u:hunter2@h/d")
    assert "hunter2" not in problem
    settings = load(LampSettings, {**GOOD, "FRONTLINE_DATABASE_PASSWORD": "hunter2"})
    assert "hunter2" not in repr(settings)


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """Its last line break does not count; both forms at once, and no such file, are problems."""
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    variable = "FRONTLINE_DATABASE_PASSWORD_FILE"
    settings = load(LampSettings, {**GOOD, variable: str(secret)})
    assert settings.database.password is not None
    assert settings.database.password.get_secret_value() == "hunter2"
    assert "are both set" in problems_of(**{variable: str(secret), "FRONTLINE_DATABASE_PASSWORD": "x"})[0]
    assert "cannot read" in problems_of(**{variable: str(tmp_path / "absent")})[0]
    assert "is not a setting" in problems_of(FRONTLINE_KAFKA_BOOTSTRAP_FILE=str(secret))[0]


def test_the_environment_of_the_process_is_read_by_load_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings made in code depend on nothing else."""
    monkeypatch.setenv("FRONTLINE_DATABASE_URL", "postgresql://a@b/c")
    with pytest.raises(ValidationError):
        LampSettings()  # pyright: ignore[reportCallIssue] - that it does not work is the point


def test_kafka_arguments_with_and_without_sasl() -> None:
    """What aiokafka is given."""
    plain = load(LampSettings, GOOD).kafka.client_arguments()
    assert plain == {"bootstrap_servers": "k:9092", "security_protocol": "PLAINTEXT"}
    sasl = load(
        LampSettings,
        {
            **GOOD,
            "FRONTLINE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "FRONTLINE_KAFKA_SASL_USERNAME": "intake",
            "FRONTLINE_KAFKA_SASL_PASSWORD": "hunter2",
        },
    ).kafka.client_arguments()
    assert sasl["sasl_plain_password"] == "hunter2"
    assert sasl["sasl_mechanism"] == "SCRAM-SHA-512"


def test_the_reference_lists_every_variable_with_a_meaning() -> None:
    """The table of the documentation is complete."""
    table = reference(LampSettings)
    for variable in variables(LampSettings):
        assert f"`{variable.name}`" in table
        assert variable.description or variable.name.startswith("FRONTLINE_LAMP_")
    assert "| `FRONTLINE_API_IDEMPOTENCY_LIFE` | `2d` |" in table
