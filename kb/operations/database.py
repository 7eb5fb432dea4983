"""The database as one file and back, by the means that each database has for it.

A copy is of one moment, whoever writes meanwhile; both ways keep the table of
migrations, so that an older copy can be brought up to date.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from kb.operations.parts import Trouble


def name() -> str:
    """The file's name inside a back-up, which says by what it can be read."""
    return "database.sqlite3" if connection.vendor == "sqlite" else "database.pgdump"


def save(file: Path) -> None:
    """Write a copy. Raises Trouble."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(file)) as copy:
            connection.connection.backup(copy)
    else:
        run("pg_dump", ["--format=custom", f"--file={file}"])


def load(file: Path) -> None:
    """Put the copy in the place of everything that is there. Raises Trouble."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with closing(sqlite3.connect(file)) as copy:
            copy.backup(connection.connection)
    else:
        # Tables that the copy is too old to know would stand in its migrations' way.
        call_command("migrate", "runs", "zero", verbosity=0)
        how = ["--clean", "--if-exists", "--no-owner", "--single-transaction"]
        run("pg_restore", [*how, "--exit-on-error", "--dbname"], str(file))


def run(program: str, arguments: list[str], *last: str) -> None:
    """Run a program of PostgreSQL against our database, whose name comes behind the
    arguments. Raises Trouble.
    """
    path = shutil.which(program)
    if path is None:
        raise Trouble(f"{program} is not installed; install postgresql-client")
    # Django knows how its settings are said to psql, and these understand the same.
    command, env = DatabaseClient.settings_to_cmd_args_env(
        connection.settings_dict, arguments
    )
    done = subprocess.run(  # noqa: S603  a found program, no shell
        [path, *command[1:], *last], env=os.environ | (env or {}),
        capture_output=True, text=True, check=False,
    )
    if done.returncode:
        raise Trouble(f"{program}: {done.stderr.strip()}")
