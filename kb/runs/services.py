"""What a visitor can do with runs: submit, cancel, delete, keep."""

from __future__ import annotations

import logging
import shutil
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from django.db import IntegrityError, transaction
from django.utils import timezone

from demos.specs import DEMOS
from kb.runs import queue
from kb.runs.counters import SUBMITTED
from kb.runs.lifecycle import append, move
from kb.runs.models import UNFINISHED, Run, State
from kb.runs.orders import Order
from kb.runs.publish import wake_worker
from kb.runs.refusals import Refused
from kb.runs.visitors import Visitor

log = logging.getLogger(__name__)


def earlier(visitor: Visitor, idempotency_key: str | None) -> Run | None:
    """The run that this visitor already made with this key."""
    if not idempotency_key:
        return None
    return Run.objects.filter(
        tickets__visitor=visitor.id, tickets__idempotency_key=idempotency_key
    ).first()


def submit(order: Order, visitor: Visitor) -> tuple[Run, bool]:
    """The run for `order`, and True where it is new.

    An identical run that is done or in flight is shared: the caller gets that one, and
    the pictures stored for this order are removed. Raises Refused.
    """
    # Decoding is not needed for any page.
    from demos.fingerprint import cache_key

    folder = Run(pk=order.run_id).folder
    paths = [folder / name for name in order.images]
    key = cache_key(order.demo, order.paper, paths, order.options)
    size = pixels(paths)
    try:
        run, created = enter(order, visitor, key, size)
    except IntegrityError:
        # The same post a moment earlier won the race; now it can be found.
        run, created = enter(order, visitor, key, size)
    except Refused:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not created:
        shutil.rmtree(folder, ignore_errors=True)
    SUBMITTED.labels("new" if created else "shared").inc()
    log.info("run %s %s", run.pk, "submitted" if created else "shared")
    return run, created


def enter(order: Order, visitor: Visitor, key: str, size: int) -> tuple[Run, bool]:
    """Find or make the row; the message goes out once the row is really there."""
    with queue.one_at_a_time():
        if run := earlier(visitor, order.idempotency_key):
            return run, False
        now = timezone.now()
        wanted = now + timedelta(seconds=order.patience) if order.patience else None
        if run := identical(key, fresh=DEMOS[order.demo].fresh):
            give_ticket(run, visitor, order.idempotency_key)
            wait_for_all(run, wanted)
            return run, False
        queue.check_room(visitor)
        run = Run.objects.create(
            pk=order.run_id, demo=order.demo, paper=order.paper, options=order.options,
            images=order.images, visitor=visitor.id, address=visitor.address,
            cache_key=key, round=queue.next_round(visitor.id), created=now,
            deadline=wanted, pixels=size,
        )
        run.foretold = queue.foresee(run)
        run.save(update_fields=["foretold"])
        append(run.pk, "state", {"state": State.QUEUED})
        give_ticket(run, visitor, order.idempotency_key)
        transaction.on_commit(partial(wake_worker, run.pk))
        return run, True


def pixels(paths: list[Path]) -> int:
    """Of all stored pictures together; only their heads are read."""
    from PIL import Image  # as with the fingerprint

    total = 0
    for path in paths:
        with Image.open(path) as picture:
            total += picture.width * picture.height
    return total


def wait_for_all(run: Run, wanted: datetime | None) -> None:
    """Let a shared run live as long as the most patient of its visitors waits."""
    if run.deadline and (wanted is None or wanted > run.deadline):
        Run.objects.filter(pk=run.pk).update(deadline=wanted)
        run.deadline = wanted


def identical(key: str, fresh: bool) -> Run | None:
    """A run with the same pixels, options, weights and code, in flight or done.

    fresh: one that is done does not count.
    """
    states = [State.QUEUED, State.RUNNING, *([] if fresh else [State.DONE])]
    same = Run.objects.filter(cache_key=key, state__in=states)
    return same.order_by("-created").first()


def give_ticket(run: Run, visitor: Visitor, idempotency_key: str | None) -> None:
    """Note that the visitor asked for this run, once per key."""
    own = run.tickets.filter(visitor=visitor.id)
    own.update(left=False)
    if not own.filter(idempotency_key=idempotency_key).exists():
        run.tickets.create(
            visitor=visitor.id, address=visitor.address,
            idempotency_key=idempotency_key,
        )


def owns(run: Run, visitor: Visitor) -> bool:
    """True where the visitor asked for this run."""
    return run.tickets.filter(visitor__in=visitor.names).exists()


@queue.one_at_a_time()
def cancel(run: Run, visitor: Visitor) -> None:
    """Stop the run, unless somebody else waits for it; again is no harm.

    Waiting runs end at once; a working one when its worker next reports.
    """
    if not Run.objects.filter(pk=run.pk, state__in=UNFINISHED).exists():
        return
    if hand_over(run, visitor):
        return
    if not move(run.pk, [State.QUEUED], State.CANCELLED):
        move(run.pk, [State.RUNNING], State.CANCELLING)


@queue.one_at_a_time()
def delete(run: Run, visitor: Visitor) -> None:
    """Remove row and files at once, unless somebody else asked for the run as well."""
    if hand_over(run, visitor):
        return
    # A worker that is reporting holds the row: wait, so that its event goes too.
    Run.objects.select_for_update().filter(pk=run.pk).first()
    run.delete()
    transaction.on_commit(partial(shutil.rmtree, run.folder, ignore_errors=True))


def hand_over(run: Run, visitor: Visitor) -> bool:
    """Leave the run to the others who asked for it; False where there are none."""
    run.tickets.filter(visitor__in=visitor.names).update(left=True)
    other = run.tickets.filter(left=False).first()
    if other is None:
        return False
    Run.objects.filter(pk=run.pk, visitor__in=visitor.names).update(
        visitor=other.visitor, address=other.address
    )
    return True


def keep(run: Run, pinned: bool) -> None:
    """Keep the result for good, or let it expire by the rule again."""
    Run.objects.filter(pk=run.pk).update(pinned=pinned)
