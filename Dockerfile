# Two images from one file: `web` has no torch in it, `worker` has everything.
FROM python:3.11-slim AS site
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 KB_VAR_DIR=/var/lib/vitrine
WORKDIR /app
# pg_dump and pg_restore, for manage.py backup and restore.
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client \
  && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home vitrine && install -d -o vitrine /var/lib/vitrine
COPY requirements-site.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements-site.txt
COPY . .
USER vitrine
VOLUME /var/lib/vitrine

FROM site AS web
EXPOSE 8000
# The first start indexes the papers, and the worker waits until this is healthy.
HEALTHCHECK --interval=10s --timeout=3s --start-period=300s CMD \
  python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz')"
CMD ["sh", "-c", "python manage.py migrate --noinput && python manage.py collectstatic --noinput --ignore rest_framework && python manage.py index && exec uvicorn kb.asgi:application --host 0.0.0.0 --port 8000 --lifespan off --no-proxy-headers --no-server-header"]

FROM site AS worker
USER root
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
USER vitrine
CMD ["celery", "-A", "kb", "worker", "--without-mingle", "--without-gossip", "--loglevel", "info"]
