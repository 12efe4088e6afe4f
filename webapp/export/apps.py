"""Django's registration of this app."""

from django.apps import AppConfig


class ExportConfig(AppConfig):
    name = "webapp.export"
    label = "export"

    def ready(self) -> None:
        """Connects the tidying up."""
        import webapp.export.services  # noqa: F401
