"""Django's registration of this app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "webapp.jobs"
    label = "jobs"

    def ready(self) -> None:
        """Registers the checks of what runs beside the web server with Django."""
        import webapp.jobs.checks  # noqa: F401
