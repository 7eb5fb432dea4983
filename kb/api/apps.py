from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The same things as JSON."""

    name = "kb.api"
