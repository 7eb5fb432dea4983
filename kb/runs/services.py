"""What a visitor can do with runs: submit, cancel, delete, keep."""

from __future__ import annotations

import shutil
from functools import partial

from django.db import IntegrityError, transaction

from demos.specs import DEMOS
from kb.runs import queue
from kb.runs.lifecycle import append, move
from kb.runs.models import UNFINISHED, Run, State
from kb.runs.orders import Order
from kb.runs.publish import wake_worker
from kb.runs.refusals import Refused
from kb.runs.visitors import Visitor


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
    from demos.fingerprint import cache_key  # decoding is not needed for any page

    folder = Run(pk=order.run_id).folder
    paths = [folder / name for name in order.images]
    key = cache_key(order.demo, order.paper, paths, order.options)
    try:
        run, created = enter(order, visitor, key)
    except IntegrityError:
        # The same post a moment earlier won the race; now it can be found.
        run, created = enter(order, visitor, key)
    except Refused:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not created:
        shutil.rmtree(folder, ignore_errors=True)
    return run, created


@transaction.atomic
def enter(order: Order, visitor: Visitor, key: str) -> tuple[Run, bool]:
    """Find or make the row; the message goes out once the row is really there."""
    if run := earlier(visitor, order.idempotency_key):
        return run, False
    if run := identical(key, fresh=DEMOS[order.demo].fresh):
        give_ticket(run, visitor, order.idempotency_key)
        return run, False
    queue.check_room(visitor.id)
    run = Run.objects.create(
        pk=order.run_id, demo=order.demo, paper=order.paper, options=order.options,
        images=order.images, visitor=visitor.id, address=visitor.address,
        cache_key=key, round=queue.next_round(visitor.id),
    )
    append(run.pk, "state", {"state": State.QUEUED})
    give_ticket(run, visitor, order.idempotency_key)
    transaction.on_commit(partial(wake_worker, run.pk))
    return run, True


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


@transaction.atomic
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


@transaction.atomic
def delete(run: Run, visitor: Visitor) -> None:
    """Remove row and files at once, unless somebody else asked for the run as well."""
    if hand_over(run, visitor):
        return
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
