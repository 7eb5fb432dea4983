"""Wake a worker. A message is only a wake-up, so losing one loses no run."""

from __future__ import annotations

import logging
from uuid import UUID

log = logging.getLogger(__name__)


def wake_worker(run_id: UUID) -> bool:
    """Send the id to the workers; False where the broker is away.

    The sweep does it later then.
    """
    # Slow to import, and no page needs them.
    from kombu.exceptions import OperationalError

    from kb.celery import app

    try:
        # No retry: a visitor's request must not wait for a broker that is down.
        app.send_task("runs.work", args=[str(run_id)], retry=False)
    except (OperationalError, OSError) as error:
        log.warning("no wake-up for run %s, the sweep will send it: %s", run_id, error)
        return False
    return True
