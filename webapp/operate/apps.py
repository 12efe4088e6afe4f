"""Django's registration of this app."""

from django.apps import AppConfig


class OperateConfig(AppConfig):
    name = "webapp.operate"
    label = "operate"
