"""Settings: one environment variable each, read once at start, checked before anything else happens.

A variable is FRONTLINE_<GROUP>_<NAME>, for instance FRONTLINE_DATABASE_URL. Three rules hold for all of them:

- A variable with our prefix that no setting has is an error, because a misspelt setting is otherwise silent.
  Variables of the command line, FRONTLINE_CLI_*, are not ours to judge.
- A secret may stand in a file instead: FRONTLINE_DATABASE_PASSWORD_FILE names it. Giving both is an error.
- Durations are numbers with a unit ("500ms", "2s", "15m", "48h", "7d"), sizes likewise ("64KiB", "1MiB").
"""

import difflib
import math
import ssl
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from common.certificates import check_files, check_pair, tls_context
from common.errors import Misconfigured

PREFIX = "FRONTLINE_"
EXEMPT_PREFIX = "FRONTLINE_CLI_"
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def _scaled(text: str, units: Mapping[str, float]) -> float:
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    unit = text[len(number) :].strip()
    try:
        scaled = float(number) * units[unit]
    except (KeyError, ValueError) as malformed:
        known = ", ".join(units)
        raise ValueError(f"must be a number with a unit of {known}, for instance 5{next(iter(units))}") from malformed
    if not math.isfinite(scaled):
        raise ValueError("must be a finite number")
    return scaled


def _duration(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        return timedelta(seconds=_scaled(given, _DURATION_UNITS))
    except OverflowError as absurd:
        raise ValueError("is longer than any time can be") from absurd


def _size(given: object) -> object:
    return int(_scaled(given, _SIZE_UNITS)) if isinstance(given, str) and not given.isdecimal() else given


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(ge=timedelta(0))]
"""A length of time; as text a number with its unit: "500ms", "2s", "15m", "48h", "7d"."""
Limit = Annotated[Duration, Field(ge=timedelta(milliseconds=1))]
"""A limit that PostgreSQL keeps: it counts in milliseconds, and none at all would mean no limit."""
Bytes = Annotated[int, BeforeValidator(_size), Field(ge=0)]
"""A size; as text a number with its unit ("256KiB", "1MiB") or a bare number of bytes."""


class SettingsGroup(BaseModel):
    """Settings that share the word behind the prefix: a service's own group derives from this."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(SettingsGroup):
    """PostgreSQL of this service."""

    url: SecretStr = Field(description="postgresql://user@host:port/database; a password may stand in it")
    password: SecretStr | None = Field(default=None, description="the role's password, instead of one in the URL")
    pool_size: int = Field(default=10, ge=1, le=200, description="connections that one process holds at most")
    pool_timeout: Duration = Field(default=timedelta(seconds=5), description="longest wait for a free connection")
    connect_timeout: Duration = Field(default=timedelta(seconds=5), description="longest wait for a new connection")
    statement_timeout: Limit = Field(default=timedelta(seconds=10), description="longest run of one statement")
    lock_timeout: Limit = Field(default=timedelta(seconds=2), description="longest wait for a row lock")
    ssl_mode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="prefer", description="TLS towards PostgreSQL, in libpq's words"
    )
    ssl_root_cert: Path | None = Field(default=None, description="file with the authorities to trust")
    ssl_cert: Path | None = Field(default=None, description="file with the client's certificate")
    ssl_key: Path | None = Field(default=None, description="file with the client's key")

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_database_url(self.url.get_secret_value())
        if self.ssl_mode.startswith("verify") and self.ssl_root_cert is None:
            raise ValueError(f"ssl_mode {self.ssl_mode} needs ssl_root_cert")
        check_pair(self.ssl_cert, self.ssl_key, "ssl_cert and ssl_key go together")
        check_files(self.ssl_root_cert, self.ssl_cert, self.ssl_key)
        self.tls()
        return self

    def tls(self) -> ssl.SSLContext | str:
        """What the driver takes as its `ssl`: a context, or the mode where nothing is verified.

        Raises:
            ValueError: a certificate or key cannot be read; names the setting.
        """
        if self.ssl_mode in ("disable", "prefer"):
            return self.ssl_mode
        context = tls_context(self.ssl_root_cert, self.ssl_cert, self.ssl_key, names=("ssl_root_cert", "ssl_cert"))
        context.check_hostname = self.ssl_mode == "verify-full"
        if self.ssl_mode == "require":
            context.verify_mode = ssl.CERT_NONE
        return context


class KafkaSettings(SettingsGroup):
    """The Kafka cluster, and how our topics are named there."""

    bootstrap: str = Field(min_length=3, description="host:port of one or more brokers, by commas")
    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$", description="in front of every topic and group")
    bootstrap_mode: bool = Field(
        default=False, description="accept subjects whose first events are gone, when a service joins late"
    )
    partitions: int = Field(default=24, ge=1, le=1000, description="partitions of each topic; fixed for ever")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how brokers are spoken to"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="how we prove who we are, with SASL_*"
    )
    sasl_username: str = Field(default="", description="the user, with SASL_*")
    sasl_password: SecretStr | None = Field(default=None, description="its password, with SASL_*")
    ssl_cafile: Path | None = Field(default=None, description="file with the authorities to trust")
    ssl_certfile: Path | None = Field(default=None, description="file with the client's certificate")
    ssl_keyfile: Path | None = Field(default=None, description="file with the client's key")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"security_protocol {self.security_protocol} needs sasl_username and sasl_password")
        check_pair(self.ssl_certfile, self.ssl_keyfile, "ssl_certfile and ssl_keyfile go together")
        check_files(self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile)
        _check_brokers(self.bootstrap)
        self.client_arguments()
        return self

    def client_arguments(self) -> dict[str, object]:
        """What every aiokafka client takes: addresses and security.

        Raises:
            ValueError: a certificate or key cannot be read; names the setting.
        """
        arguments: dict[str, object] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.endswith("SSL"):
            names = ("ssl_cafile", "ssl_certfile")
            arguments["ssl_context"] = tls_context(self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile, names=names)
        if self.security_protocol.startswith("SASL") and self.sasl_password is not None:
            arguments["sasl_mechanism"] = self.sasl_mechanism
            arguments["sasl_plain_username"] = self.sasl_username
            arguments["sasl_plain_password"] = self.sasl_password.get_secret_value()
        return arguments


class ApiSettings(SettingsGroup):
    """The public HTTP port."""

    host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104 - a container's port is public
    port: int = Field(default=8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    clients_file: Path | None = Field(default=None, description="API clients, their key hashes and scopes (JSON)")
    max_body: Bytes = Field(default=256 * 1024, description="largest request body")
    body_timeout: Duration = Field(default=timedelta(seconds=15), description="longest time for a body to arrive")
    max_waiting: int = Field(default=200, ge=0, description="requests that may wait for a connection at once")
    max_long_polls: int = Field(default=500, ge=0, description="long polls that may wait at once")
    idempotency_life: Duration = Field(
        default=timedelta(hours=48),
        ge=timedelta(hours=1),
        le=timedelta(days=7),
        description="how long the answer to an idempotency key is kept",
    )


class AdminSettings(SettingsGroup):
    """The port for probes and metrics."""

    host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104 - the kubelet asks from outside
    port: int = Field(default=9000, ge=0, le=65535, description="port to listen on; 0 takes a free one")


class TelemetrySettings(SettingsGroup):
    """Traces and metrics."""

    otlp_endpoint: str = Field(default="", description="OTLP/HTTP collector, http://host:4318; empty exports nothing")
    sample_ratio: float = Field(default=0.05, ge=0, le=1, description="share of new traces that are recorded")


class LogSettings(SettingsGroup):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level written")
    format: Literal["json", "console"] = Field(default="json", description="one JSON object a line, or for eyes")


class LifeSettings(SettingsGroup):
    """How a process starts and ends."""

    drain_timeout: Duration = Field(default=timedelta(seconds=20), description="longest drain after SIGTERM")
    heartbeat_timeout: Duration = Field(
        default=timedelta(seconds=60), description="a task that has not turned for so long is dead"
    )


class PeersSettings(SettingsGroup):
    """How a service reaches the others' APIs: for services that give commands to them."""

    intake_url: str = Field(pattern=r"^https?://[^/\s]+$", description="intake's API: http(s)://host[:port]")
    routing_url: str = Field(pattern=r"^https?://[^/\s]+$", description="routing's API: http(s)://host[:port]")
    key: SecretStr = Field(description="the API key that this service calls the others with")
    timeout: Duration = Field(default=timedelta(seconds=10), description="longest wait for an answer")


class ServiceSettings(BaseSettings):
    """What every service is given. A service derives from this and adds a group of its own, named like itself."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1
    )

    installation: str = Field(
        default="local", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="name of the installation, in event sources"
    )
    database: DatabaseSettings
    kafka: KafkaSettings
    api: ApiSettings = ApiSettings()
    admin: AdminSettings = AdminSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    log: LogSettings = LogSettings()
    life: LifeSettings = LifeSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is given: `load` reads the environment, so that a test's settings never depend on it."""
        return (init_settings,)


S = TypeVar("S", bound=ServiceSettings)


class WrongSettings(Misconfigured):
    """Settings are wrong; `problems` has one line for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Args: problems: one sentence each, beginning with the variable's name."""
        super().__init__("; ".join(problems))
        self.problems = problems


def load(settings: type[S], environment: Mapping[str, str]) -> S:
    """Read a service's settings.

    Args:
        environment: names and values, `os.environ` in production.
    Raises:
        WrongSettings: every problem at once: unknown variables, both of a pair given, unreadable files, bad values.
    """
    ours = {n: v for n, v in environment.items() if n.startswith(PREFIX) and not n.startswith(EXEMPT_PREFIX)}
    known = {variable.name: variable for variable in variables(settings)}
    values, problems = _resolve(ours, known)
    source = EnvSettingsSource(settings)
    source.env_vars = {name.lower(): value for name, value in values.items()}
    try:
        loaded = settings(**source())
    except ValidationError as faults:
        for fault in faults.errors():
            problems.extend(_sentences(fault["loc"], fault["msg"], fault["type"], known))
        raise WrongSettings(tuple(problems)) from None  # pydantic's text would show the values, secrets among them
    if problems:
        raise WrongSettings(tuple(problems))
    return loaded


class Variable(SettingsGroup):
    """One setting as operators see it: what the reference table lists."""

    name: str
    secret: bool
    required: bool
    default: str
    description: str


def variables(settings: type[ServiceSettings]) -> Iterator[Variable]:
    """Every environment variable that a service understands, `_FILE` twins aside, in the order of the settings."""
    for name, field in settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            for inner, inner_field in group.model_fields.items():
                yield Variable(
                    name=f"{PREFIX}{name}_{inner}".upper(),
                    secret="SecretStr" in str(inner_field.annotation),
                    required=inner_field.is_required(),
                    default=_default_text(inner_field.default),
                    description=inner_field.description or "",
                )
        else:
            yield Variable(
                name=f"{PREFIX}{name}".upper(),
                secret=False,
                required=field.is_required(),
                default=_default_text(field.default),
                description=field.description or "",
            )


def reference(settings: type[ServiceSettings]) -> str:
    """A Markdown table of every variable, for the documentation."""
    lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for variable in variables(settings):
        default = "required" if variable.required else f"`{variable.default}`" if variable.default else ""
        twin = f" (or in a file: `{variable.name}_FILE`)" if variable.secret else ""
        lines.append(f"| `{variable.name}` | {default} | {variable.description}{twin} |")
    return "\n".join(lines) + "\n"


def _resolve(given: Mapping[str, str], known: Mapping[str, Variable]) -> tuple[dict[str, str], list[str]]:
    """Replace `_FILE` twins by the files' content; note what no setting has."""
    values: dict[str, str] = {}
    problems: list[str] = []
    for name, value in sorted(given.items()):
        plain = name.removesuffix("_FILE")
        if name in known:
            values[name] = value
        elif plain != name and plain in known and known[plain].secret:
            if plain in given:
                problems.append(f"{name} and {plain} are both set; set one")
                continue
            try:
                values[plain] = Path(value).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as unreadable:
                problems.append(f"{name}: cannot read {value}: {unreadable}")
        else:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            problems.append(f"{name} is not a setting; the nearest is {nearest[0]}")
    return values, problems


def _sentences(
    location: tuple[int | str, ...], message: str, kind: str, known: Mapping[str, Variable]
) -> Iterator[str]:
    """What is wrong, a sentence a variable. A rule over a whole group names the group's prefix."""
    name = PREFIX + "_".join(str(part) for part in location[:2]).upper()
    if kind == "missing" and len(location) == 1:
        yield from (f"{v.name} is required" for v in known.values() if v.required and v.name.startswith(f"{name}_"))
    elif kind == "missing":
        yield f"{name} is required"
    else:
        yield f"{name}{'' if name in known else '_*'}: {message.removeprefix('Value error, ')}"


def _default_text(default: object) -> str:
    if isinstance(default, timedelta):
        return _in_largest_unit(default.total_seconds())
    if default is None or isinstance(default, BaseModel) or "Undefined" in type(default).__name__:
        return ""
    return str(default)


def _in_largest_unit(seconds: float) -> str:
    for unit, length in reversed(_DURATION_UNITS.items()):
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds / length)}{unit}"
    return f"{seconds * 1000:g}ms"


def _check_database_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as malformed:
        raise ValueError("url must look like postgresql://user@host:5432/name") from malformed
    if parts.scheme != "postgresql":
        raise ValueError("url must begin with postgresql://")
    if parts.query or parts.fragment:
        raise ValueError("url takes no parameters; for TLS set FRONTLINE_DATABASE_SSL_MODE and its like")
    if not parts.path.strip("/"):
        raise ValueError("url must name the database: postgresql://user@host:5432/name")


def _check_brokers(bootstrap: str) -> None:
    for broker in bootstrap.split(","):
        host, _, port = broker.strip().rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
            raise ValueError(f"bootstrap must be host:port, by commas; {broker.strip()!r} is not")
