from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    """What ties papers together: comparisons, concepts, who builds on whom."""

    name = "kb.connections"

    def ready(self) -> None:
        from kb.connections import checks  # noqa: F401  registers itself
