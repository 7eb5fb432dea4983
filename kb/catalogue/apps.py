from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    """Papers and their code, read as text."""

    name = "kb.catalogue"

    def ready(self) -> None:
        from kb.catalogue import checks  # noqa: F401  registers itself
