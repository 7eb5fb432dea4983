"""ASGI entry point: progress streams need one."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
site = get_asgi_application()

from django.conf import settings  # noqa: E402
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: E402

from demos.intake.sandbox import SANDBOX  # noqa: E402
from kb.runs.uploads import BodyLimit  # noqa: E402  needs the settings read above

SANDBOX.start()  # or the first picture would wait for it

# Only proxies that are named are believed about who asks and whether by https: the
# nearest hop that is none of them is the client. uvicorn's own switch for this trusts
# 127.0.0.1 without being asked, so it stays off (--no-proxy-headers).
application = ProxyHeadersMiddleware(
    BodyLimit(site), trusted_hosts=settings.PROXIES,  # type: ignore[arg-type]
)
