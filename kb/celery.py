"""The Celery application; `celery -A kb worker` starts a worker."""

import os
from typing import Any

from celery import Celery
from celery.signals import before_task_publish, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
app = Celery("vitrine")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_the_site_does(**kwargs: Any) -> None:
    """Django's settings set the log up; being here keeps Celery from doing it anew."""


@before_task_publish.connect
def name_the_request(headers: dict[str, Any], **kwargs: Any) -> None:
    """A message says which request sent it, so that the worker's lines can."""
    from kb.gate.logs import origin

    headers["request_id"] = origin().request_id
