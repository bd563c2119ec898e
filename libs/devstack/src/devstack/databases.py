"""A database for each service, an owner who migrates it, and a runtime role that owns nothing."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from common.errors import Unavailable


@dataclass(frozen=True, kw_only=True)
class ServiceDatabase:
    """The URLs of one service's database: its owner's, for migrations, and its runtime role's."""

    owner_url: str
    runtime_url: str


def create_database(admin_url: str, service: str, *, passwords: tuple[str, str]) -> ServiceDatabase:
    """Create roles and database where they are missing, and set the passwords.

    Args:
        admin_url: of a superuser.
        passwords: the owner's and the runtime role's; letters and digits.
    Raises:
        Unavailable: PostgreSQL does not answer, or refuses.
    """
    try:
        asyncio.run(_create(admin_url, service, passwords))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as failed:
        raise Unavailable(f"cannot create the database of {service}: {failed}") from failed
    return ServiceDatabase(
        owner_url=_url(admin_url, database_name(service), f"{service}_owner", passwords[0]),
        runtime_url=_url(admin_url, database_name(service), service, passwords[1]),
    )


def database_name(service: str) -> str:
    """The name of a service's database on the local stack."""
    return f"frontline_{service}"


async def _create(admin_url: str, service: str, passwords: tuple[str, str]) -> None:
    owner, runtime, database = f"{service}_owner", service, database_name(service)
    admin = await asyncpg.connect(admin_url, timeout=20)
    try:
        for role, password in zip((owner, runtime), passwords, strict=True):
            if not await admin.fetchval("select 1 from pg_roles where rolname = $1", role):
                await admin.execute(f'create role "{role}" login')
            await admin.execute(f"alter role \"{role}\" password '{password}'")
        if not await admin.fetchval("select 1 from pg_database where datname = $1", database):
            await admin.execute(f'create database "{database}" owner "{owner}"')
    finally:
        await admin.close()
    inside = await asyncpg.connect(_url(admin_url, database), timeout=20)
    try:
        grants = f'alter default privileges for role "{owner}" in schema public grant'
        await inside.execute(f'{grants} select, insert, update, delete on tables to "{runtime}"')
        await inside.execute(f'{grants} usage, select on sequences to "{runtime}"')
    finally:
        await inside.close()


def _url(admin_url: str, database: str, user: str = "", password: str = "") -> str:
    """The administrator's URL with another database, and another role where one is named."""
    parts = urlsplit(admin_url)
    login, at, place = parts.netloc.rpartition("@")
    if user:
        login, at = f"{user}:{password}", "@"
    return urlunsplit(parts._replace(netloc=f"{login}{at}{place}", path=f"/{database}"))
