"""Settings, all from the environment; `.env.example` lists each with its default."""

import os
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from tempfile import NamedTemporaryFile

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

# The only place that is written to: database, index, uploads, results.
VAR_DIR = Path(env.str("KB_VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
VAR_DIR.mkdir(parents=True, exist_ok=True)


def own_secret_key() -> str:
    """A key made on first start and kept in VAR_DIR: there is no default to forget.

    Web and worker may start at once: the file appears whole, and only the first.
    """
    file = VAR_DIR / "secret_key"
    if not file.exists():
        with NamedTemporaryFile("w", dir=VAR_DIR, prefix="secret_key.") as made:
            made.write(get_random_secret_key())
            made.flush()
            with suppress(FileExistsError):
                os.link(made.name, file)
    return file.read_text()


def networks(name: str) -> list[str]:
    """Addresses and networks of a setting. Raises ImproperlyConfigured."""
    named = env.list(name, default=[])
    try:
        return [str(ip_network(one, strict=False)) for one in named]
    except ValueError as error:
        said = f"{name}: {error}; name addresses or networks: 127.0.0.1,10.0.0.0/8"
        raise ImproperlyConfigured(said) from error


DEBUG = env.bool("KB_DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or own_secret_key()
# By the last three the machine asks itself: probes, a container's health check.
ALLOWED_HOSTS = [*env.list("KB_HOSTS", default=[]), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.list("KB_TRUSTED_ORIGINS", default=[])
# Who may say in X-Forwarded-For and -Proto who asks, and how: see kb/asgi.py.
PROXIES = networks("KB_PROXIES")
HTTPS = env.bool("KB_HTTPS", default=False)

PAPERS_DIR = BASE_DIR / "papers"
# Further folders of Markdown notes, a reader's own.
EXTRA_PAPERS_DIRS = [Path(p) for p in env.list("KB_PAPERS_DIRS", default=[])]
IMPLS_DIR = BASE_DIR / "reference_impls"

INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "kb",  # the commands that concern the whole site
    "kb.catalogue",
    "kb.connections",
    "kb.results",
    "kb.search",
    "kb.exchange",
    "kb.runs",
    "kb.api",
]

# What adds headers stands before what answers by itself, WhiteNoise first of all.
MIDDLEWARE = [
    "kb.gate.entrance.Entrance",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.common.CommonMiddleware",
    "kb.gate.limits.Limits",
    "kb.gate.outages.Outages",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "kb.urls"
ASGI_APPLICATION = "kb.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request"],
        },
    }
]

DATABASES = {
    "default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR}/db.sqlite3")
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Readers never wait for the writer, and a writer waits its turn instead of failing.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    # Nobody waits for ever for a server that hangs; seconds, then milliseconds.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5, "tcp_user_timeout": 10_000,
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
MEDIA_ROOT = VAR_DIR / "runs"

# One request holds at most the largest upload and a little form around it.
FILE_UPLOAD_HANDLERS = ["kb.runs.uploads.CappedFile"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
FILE_UPLOAD_TEMP_DIR = VAR_DIR / "tmp"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 100
DATA_UPLOAD_MAX_NUMBER_FILES = 4

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:"],  # blob: a chosen picture, before it is sent
        "media-src": ["blob:"],  # the first frame of a chosen video is shown
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = HTTPS
# Asked from inside, by plain http.
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if HTTPS else 0
# What the operator's other host names speak is not for this site to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

# From one address, which may be a whole classroom's; queue.py limits a visitor's runs.
REQUESTS_PER_MINUTE = {
    "search": 600, "runs": 240, "events": 1200, "compare": 120,
    **env.dict("KB_REQUESTS_PER_MINUTE", cast={"value": int}, default={}),
}
# In memory and for each process: nothing kept here has to be right, or to last.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}

SEARCH_ENGINE = env.str("KB_SEARCH_ENGINE", default="whoosh")  # or fts5, tantivy
# An engine's time for one request; what it has found by then is the answer.
SEARCH_SECONDS = env.float("KB_SEARCH_SECONDS", default=0.5)

# Jobs. The embedded default keeps messages as files, so nothing has to be installed;
# CELERY_BROKER_URL=redis://… is all it takes beyond one machine.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
BROKER_DIR = None
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, str | int]
if CELERY_BROKER_URL.startswith("filesystem"):
    BROKER_DIR = VAR_DIR / "broker"
    BROKER_DIR.mkdir(exist_ok=True)
    CELERY_BROKER_TRANSPORT = "kb.runs.broker:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS = {"folder": str(BROKER_DIR)}
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
elif CELERY_BROKER_URL.startswith("redis"):
    # One that takes connections and then says nothing must not hold a visitor up. More
    # than the second for which a worker asks it to wait for a message.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "socket_timeout": 3, "socket_connect_timeout": 3, "max_retries": 0,
    }
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True  # the row is the result
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = env.int("KB_WORKERS", default=1)
CELERY_WORKER_MAX_MEMORY_PER_CHILD = env.int("KB_WORKER_MEMORY_MB", default=4000) * 1024
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "cpu"

# Runs
RUN_KEEP_DAYS = env.int("KB_RUN_KEEP_DAYS", default=7)
RUN_HEARTBEAT_SECONDS = env.int("KB_RUN_HEARTBEAT_SECONDS", default=15)
RUN_TIDY_SECONDS = env.int("KB_RUN_TIDY_SECONDS", default=60)
RUN_ORPHAN_SECONDS = env.int("KB_RUN_ORPHAN_SECONDS", default=3600)
RUN_MAX_ATTEMPTS = 3
RUN_WAITING_PER_VISITOR = env.int("KB_RUN_WAITING_PER_VISITOR", default=2)
RUN_PER_ADDRESS = env.int("KB_RUN_PER_ADDRESS", default=30)
RUN_QUEUE_LIMIT = env.int("KB_RUN_QUEUE_LIMIT", default=100)

REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "kb.api.errors.handler",
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "kb.api.openapi.Schema",
    "DEFAULT_THROTTLE_CLASSES": [],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Vitrine",
    "DESCRIPTION": "Vision papers that run: search, entries with code, demo runs.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "OAS_VERSION": "3.1.0",
}

# json: one object a line, for machines, and a line for each request.
LOG_FORMAT = env.str("KB_LOG_FORMAT", default="plain")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "origin": {"()": "kb.gate.logs.Origin"},
        "refusals": {"()": "kb.gate.logs.Refusals"},
    },
    "formatters": {
        "plain": {"format": "{levelname} {name}: {message}{origin}", "style": "{"},
        "json": {"()": "kb.gate.logs.AsJson"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler", "formatter": LOG_FORMAT,
            "filters": ["origin", "refusals"],
        }
    },
    "loggers": {
        "kb.requests": {"level": "INFO" if LOG_FORMAT == "json" else "ERROR"},
        # A stranger's made-up name is no error of ours; `doctor --url` tries the real.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # Celery's own lines on each message, also those that found nothing to do.
        "celery": {"level": "INFO" if LOG_FORMAT == "json" else "WARNING"},
    },
    "root": {"handlers": ["console"], "level": "INFO"},
}
