"""Everything that cannot be made again, in one file, while the site runs.

    manifest.json        format, when, which database, how many runs
    database.…           the rows, as of one moment
    secret_key           if the site made its own
    runs/, imported/     pictures and results; drafts of imported notes

The rows are copied first, and a file is written before the row that names it, so every
file that a row names is there. Only what its visitor deletes in these seconds may be
missing; such rows are left out when the back-up is restored. A run that was at work is
taken up again, as after any lost worker.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from kb.operations import database
from kb.operations.parts import Trouble
from kb.runs.files import listed
from kb.runs.models import Run, State

FORMAT = 1
MANIFEST, KEY = "manifest.json", "secret_key"


@dataclass(frozen=True)
class Manifest:
    """What a back-up says of itself."""

    format: int
    made: str
    database: str
    runs: int
    files: int


def folders() -> dict[str, Path]:
    """Name inside the back-up -> folder of the site."""
    return {
        "runs": Path(settings.MEDIA_ROOT),
        "imported": settings.VAR_DIR / "imported",
    }


def save(file: Path) -> Manifest:
    """Write the back-up. Raises Trouble, leaving no half-written file."""
    with TemporaryDirectory(dir=file.parent, prefix=".backup-") as scratch:
        copy, part = Path(scratch) / database.name(), Path(scratch) / "part"
        database.save(copy)
        with tarfile.open(part, "w:gz", compresslevel=1) as archive:
            archive.add(copy, copy.name)
            if (key := settings.VAR_DIR / KEY).exists():
                archive.add(key, KEY)
            files = sum(add(archive, name, path) for name, path in stored())
            said = Manifest(
                FORMAT, timezone.now().isoformat(), copy.name, Run.objects.count(),
                files,
            )
            put(archive, MANIFEST, json.dumps(asdict(said), indent=1).encode())
        part.chmod(0o600)  # it holds the key
        part.rename(file)
    return said


def stored() -> Iterator[tuple[str, Path]]:
    """(name inside the back-up, path) of each file of the site."""
    for name, folder in folders().items():
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield f"{name}/{path.relative_to(folder)}", path


def add(archive: tarfile.TarFile, name: str, path: Path) -> bool:
    """Add a file as it is right now; False where it has just been deleted."""
    try:
        put(archive, name, path.read_bytes())
    except FileNotFoundError:
        return False
    return True


def put(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Read before it is added: a file that changes on the way would break the rest."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime = len(content), int(timezone.now().timestamp())
    archive.addfile(member, io.BytesIO(content))


def restore(file: Path) -> tuple[Manifest, int]:
    """Put everything back; the manifest, and how many rows had lost their files.

    Raises Trouble before anything is changed, if the file is no whole back-up.
    """
    with TemporaryDirectory(dir=settings.VAR_DIR, prefix=".restore-") as scratch:
        said = unpack(file, Path(scratch))
        database.load(Path(scratch) / said.database)
        call_command("migrate", verbosity=0)
        for name, folder in folders().items():
            for path in sorted(p for p in (Path(scratch) / name).rglob("*")):
                if path.is_file():
                    target = folder / path.relative_to(Path(scratch) / name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(target)
        if (key := Path(scratch) / KEY).exists():
            key.replace(settings.VAR_DIR / KEY)
    return said, forget_deleted()


def unpack(file: Path, scratch: Path) -> Manifest:
    """Unpack all of it. Raises Trouble."""
    try:
        with tarfile.open(file, "r:gz") as archive:
            archive.extractall(scratch, filter="data")  # nothing outside of scratch
        said = Manifest(**json.loads((scratch / MANIFEST).read_text()))
    except (OSError, EOFError, tarfile.TarError, ValueError, TypeError) as error:
        raise Trouble(f"{file} is no whole back-up: {error}") from error
    if said.format != FORMAT:
        raise Trouble(f"{file} has format {said.format}; this site reads {FORMAT}")
    if said.database != database.name():
        kind = "SQLite" if said.database.endswith("sqlite3") else "PostgreSQL"
        raise Trouble(f"{file} holds a {kind} database; set DATABASE_URL to one")
    return said


def forget_deleted() -> int:
    """Drop rows whose files their visitor deleted while the back-up was made."""
    kept = Run.objects.exclude(state=State.EXPIRED)
    gone = [run for run in kept if not all(path.exists() for path in listed(run))]
    for run in gone:
        run.delete()
    return len(gone)


def anything_there() -> bool:
    """Are there runs or files that a restore would mix with or replace?"""
    try:
        rows = Run.objects.exists()
    except Exception:  # no table yet, or a database of an older version
        rows = False
    return rows or any(True for _ in stored())
