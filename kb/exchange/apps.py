from django.apps import AppConfig


class ExchangeConfig(AppConfig):
    """Notes and references in, references out."""

    name = "kb.exchange"
