"""Django's registration of this app."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "webapp.core"
    label = "core"

    def ready(self) -> None:
        """Registers the checks of the settings with Django."""
        import webapp.core.checks  # noqa: F401
