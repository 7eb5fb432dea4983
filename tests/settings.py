"""The site's settings, but pages render without collecting static files first."""

from kb.settings import *  # noqa: F403
from kb.settings import STORAGES

STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
