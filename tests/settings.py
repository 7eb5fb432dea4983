"""The site's settings, but pages render without collecting static files first, no
search is cut short because the machine is busy, files go to a folder of this run's, and
torch takes one core, since tests are spread over all.
"""

import os
from tempfile import TemporaryDirectory

if "KB_VAR_DIR" not in os.environ:  # of a test's own site, or of the first of us
    _var = TemporaryDirectory(prefix="vitrine-tests-", ignore_cleanup_errors=True)
    os.environ["KB_VAR_DIR"] = _var.name

os.environ.setdefault("OMP_NUM_THREADS", "1")

from kb.settings import *  # noqa: F403
from kb.settings import STORAGES

SEARCH_SECONDS = 60.0
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
