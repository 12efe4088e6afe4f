"""Django's registration of this app."""

from django.apps import AppConfig


class UploadConfig(AppConfig):
    name = "webapp.upload"
    label = "upload"
