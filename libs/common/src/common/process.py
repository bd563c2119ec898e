"""What a service consists of, and the tasks of one process of it."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fastapi import APIRouter, FastAPI
from sqlalchemy import MetaData

from common.admin import AdminApp, ping_of
from common.backbone.consumer import Handler
from common.backbone.projections import Projection
from common.clock import Clock
from common.database import Database
from common.errors import Unavailable
from common.http import listen, serve_http
from common.lifecycle import Life, Pulse, Stage, Task, freeze_memory
from common.migrate import check_schema
from common.runtime import Role, Runtime
from common.settings import ServiceSettings
from common.timers import Periodic, Timer, run_timers
from common.web import EXPIRED_KEYS, create_app, drain_edge_with

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a service consists of; `build` in its `app` module makes one.

    Attributes:
        migrations: the folder that holds `versions`.
        consumes: producing services whose topics it reads.
        gather: how long records may gather before they are read. Where nobody waits for the effect, larger and fewer
            batches save most of what consuming costs; 0 reads each record as soon as it is there.
        roles: worker roles of its own beside consumer, relay and timers.
        projections: what operators may have rebuilt from the topics.
    """

    name: str
    settings: ServiceSettings
    metadata: MetaData
    migrations: Path
    routers: Sequence[APIRouter]
    handlers: Sequence[Handler] = ()
    consumes: Sequence[str] = ()
    gather: timedelta = timedelta(0)
    timers: Sequence[Timer] = ()
    periodic: Sequence[Periodic] = ()
    roles: Mapping[str, Role] = field(default_factory=dict[str, Role])
    projections: Sequence[Projection] = ()


def role_names(service: Service) -> tuple[str, ...]:
    """Every worker role of a service."""
    return ("consumer", "relay", "timers", *service.roles)


def create_api(service: Service, runtime: Runtime) -> FastAPI:
    """The service's HTTP application.

    Raises:
        Misconfigured: see `common.web.create_app`.
    """
    return create_app(
        name=service.name,
        routers=service.routers,
        settings=runtime.settings,
        database=runtime.database,
        consumes=service.consumes,
        projections=[projection.name for projection in service.projections],
    )


async def run_process(
    service: Service, *, api: bool, roles: Sequence[str], clock: Clock, command: str, signals: bool = True
) -> None:
    """Run one process of a service until it is told to stop and has drained.

    Args:
        roles: worker roles to run beside the API, or without it.
        command: for names in logs and in `pg_stat_activity`: "api", "worker" or "serve".
    Raises:
        Misconfigured: something that a person must mend.
        ExceptionGroup: a task failed.
    """
    settings = service.settings
    database = Database.from_settings(
        settings.database,
        clock=clock,
        source=f"/frontline/{settings.installation}/{service.name}",
        application_name=f"frontline-{service.name}-{command}",
    )
    life = Life(
        clock=clock, drain_timeout=settings.life.drain_timeout, heartbeat_timeout=settings.life.heartbeat_timeout
    )
    tasks = [_admin_task(settings, life, database)]
    if api:
        tasks.append(_api_task(service, Runtime(settings=settings, database=database, clock=clock)))
    for role in roles:
        tasks += _role_tasks(service, role, database, clock)

    async def prepare() -> None:
        await _wait_for_schema(database, service)
        freeze_memory()

    try:
        await life.run(tasks, prepare=prepare, signals=signals)
    finally:
        await database.close()


def _admin_task(settings: ServiceSettings, life: Life, database: Database) -> Task:
    ping = ping_of(database)
    listener = listen(settings.admin.host, settings.admin.port, "FRONTLINE_ADMIN_PORT")

    async def run(pulse: Pulse) -> None:
        await serve_http(AdminApp(life, ping), listener, pulse, drain=timedelta(seconds=1))

    return Task(name="admin", run=run, stage=Stage.ADMIN, beats=False)


def _api_task(service: Service, runtime: Runtime) -> Task:
    app = create_api(service, runtime)
    listener = listen(runtime.settings.api.host, runtime.settings.api.port, "FRONTLINE_API_PORT")

    async def run(pulse: Pulse) -> None:
        drain_edge_with(app, pulse.stopping)
        await serve_http(app, listener, pulse, drain=runtime.settings.life.drain_timeout)

    return Task(name="api", run=run, beats=False)


def _role_tasks(service: Service, role: str, database: Database, clock: Clock) -> list[Task]:
    """The tasks of one worker role. The Kafka client is imported here, so that an API process never loads it."""
    settings = service.settings
    name, kafka = service.name, settings.kafka

    async def consume(pulse: Pulse) -> None:
        from common.backbone.consume import run_consumer

        await run_consumer(
            database=database,
            kafka=kafka,
            service=name,
            sources=service.consumes,
            handlers=service.handlers,
            bootstrap=kafka.bootstrap_mode,
            beat=pulse.beat,
            stop=pulse.stopping,
            ready=pulse.ready,
            gather=service.gather,
        )

    async def redrive(pulse: Pulse) -> None:
        from common.backbone.redrive import run_redrive

        await run_redrive(
            database=database, service=name, handlers=service.handlers, beat=pulse.beat, stop=pulse.stopping
        )

    async def operate(pulse: Pulse) -> None:
        from common.backbone.operating import Operator, run_operations

        operator = Operator(
            database=database,
            kafka=kafka,
            service=name,
            sources=service.consumes,
            projections=service.projections,
        )
        await run_operations(operator, pulse.stopping)

    async def relay(pulse: Pulse) -> None:
        from common.backbone.relay import run_relay

        await run_relay(
            database=database, kafka=kafka, service=name, beat=pulse.beat, stop=pulse.stopping, ready=pulse.ready
        )

    async def fire_timers(pulse: Pulse) -> None:

        await run_timers(
            database=database,
            service=name,
            timers=service.timers,
            periodic=(*service.periodic, EXPIRED_KEYS),
            beat=pulse.beat,
            stop=pulse.stopping,
        )

    async def own(pulse: Pulse) -> None:
        await service.roles[role](
            Runtime(settings=settings, database=database, clock=clock, beat=pulse.beat, stopping=pulse.stopping)
        )

    match role:
        case "consumer":
            tasks = [
                Task(name="consumer", run=consume, says_ready=True),
                Task(name="redrive", run=redrive),
                # A rebuild's last statement may take longer than a task may be silent; all that it does has a limit.
                Task(name="operations", run=operate, beats=False),
            ]
            return tasks if service.consumes else []
        case "relay":
            return [Task(name="relay", run=relay, stage=Stage.OUTLET, says_ready=True)]
        case "timers":
            return [Task(name="timers", run=fire_timers)]
        case _:
            return [Task(name=role, run=own)]


async def _wait_for_schema(database: Database, service: Service) -> None:
    """Wait until the database answers, then look whether it is new enough.

    Raises:
        Misconfigured: it never will be, unless a person acts.
    """
    pause = _FIRST_PAUSE_S
    while True:
        try:
            await check_schema(database, service.migrations)
            return
        except Unavailable as away:
            _log.warning("waiting for the database: %s", away.detail)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)
