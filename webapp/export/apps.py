"""Django's registration of this app."""

from django.apps import AppConfig


class ExportConfig(AppConfig):
    name = "webapp.export"
    label = "export"
