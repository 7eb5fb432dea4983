"""ASGI entry point: progress streams need one."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
site = get_asgi_application()

from kb.runs.uploads import BodyLimit  # noqa: E402  needs the settings read above

application = BodyLimit(site)
