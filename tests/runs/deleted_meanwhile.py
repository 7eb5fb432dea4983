"""A program: somebody deletes a run while its worker is in the middle of a report."""

import os
import threading
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402

from kb.runs import services  # noqa: E402
from kb.runs.lifecycle import append  # noqa: E402
from kb.runs.models import Event, Run, State  # noqa: E402
from kb.runs.visitors import Visitor  # noqa: E402

OPEN_FOR = 1.0  # seconds that the report's transaction lasts


def report(run: Run, written: threading.Event) -> None:
    """Row and event in one transaction, as the worker writes them."""
    with transaction.atomic():
        Run.objects.filter(pk=run.pk).update(message="Step 1 of 2")
        append(run.pk, "progress", {})
        written.set()
        time.sleep(OPEN_FOR)
    connection.close()


ann = Visitor("ann", "her-address")
run = Run.objects.create(
    demo="reconstruction", paper="mae", visitor="ann", address="her-address",
    cache_key="deleted meanwhile", state=State.RUNNING,
)
written = threading.Event()
worker = threading.Thread(target=report, args=(run, written))
worker.start()
written.wait()
services.delete(run, ann)
worker.join()
assert not Run.objects.filter(pk=run.pk).exists()
assert not Event.objects.filter(run_id=run.pk).exists()
