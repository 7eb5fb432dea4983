"""How long the site takes, beside the least that Django could take.

    python benchmarks/site.py [--json]

ratio = ours / floor. The floor of a page is an empty view behind the same middleware;
the floor of a start is a Django project with no apps.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["/", "/papers/", "/papers/mae/", "/search/?q=masked+autoencoder",
         "/api/search/?q=masked+autoencoder", "/api/papers/mae/"]
EMPTY = """
from django.conf import settings
settings.configure(SECRET_KEY="x", ROOT_URLCONF="urllib", INSTALLED_APPS=[])
import django
django.setup()
"""
START = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "kb.settings"
import django
django.setup()
from django.core.management import call_command
call_command("check", verbosity=0)
import kb.urls, resource, sys
assert "torch" not in sys.modules
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def seconds(program: str) -> tuple[float, str]:
    """Best of three runs in a fresh interpreter, and what it printed."""
    times, out = [], ""
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, text=True,
                              capture_output=True, check=True)
        times.append(time.perf_counter() - started)
        out = done.stdout.strip()
    return min(times), out


def start() -> list[dict[str, object]]:
    ours, megabytes = seconds(START)
    floor, _ = seconds(EMPTY)
    memory = {"mb": int(megabytes.split()[-1])}
    return [row("start and check", ours * 1e3, floor * 1e3) | memory]


def row(what: str, ms: float, floor_ms: float) -> dict[str, object]:
    return {"what": what, "ms": round(ms, 2), "floor_ms": round(floor_ms, 2),
            "ratio": round(ms / floor_ms, 2)}


def pages(repeat: int = 30) -> list[dict[str, object]]:
    """Median over warm requests through the whole stack of middleware."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb.settings")
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.http import HttpResponse
    from django.test import Client
    from django.urls import path

    import kb.urls

    settings.ALLOWED_HOSTS = ["testserver"]
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False,
                 ignore_patterns=["rest_framework"])
    kb.urls.urlpatterns.append(path("floor/", lambda request: HttpResponse("")))
    client = Client()

    def median(url: str) -> tuple[float, int]:
        size = len(client.get(url).content)
        times = []
        for _ in range(repeat):
            started = time.perf_counter()
            client.get(url)
            times.append(time.perf_counter() - started)
        return statistics.median(times) * 1e3, size

    floor, _ = median("/floor/")
    rows = []
    for url in PAGES:
        ms, size = median(url)
        rows.append(row(f"GET {url}", ms, floor) | {"kb": round(size / 1024, 1)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    rows = start() + pages()
    if parser.parse_args().json:
        print(json.dumps(rows, indent=1))
        return
    for entry in rows:
        extra = "  ".join(f"{k} {entry[k]}" for k in ("mb", "kb") if k in entry)
        print(f"{entry['what']:42} {entry['ms']:9.1f} ms  "
              f"floor {entry['floor_ms']:7.1f}  x{entry['ratio']:<7} {extra}")


if __name__ == "__main__":
    main()
