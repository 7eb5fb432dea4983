"""The site: it reads papers and code as text, and never imports torch."""

from kb.celery import app as celery_app

__all__ = ["celery_app"]
