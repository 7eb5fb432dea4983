"""The site's settings, but pages render without collecting static files first, and
no search is cut short because the machine is busy.
"""

from kb.settings import *  # noqa: F403
from kb.settings import STORAGES

SEARCH_SECONDS = 60.0
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
