"""Django's registration of this app."""

from django.apps import AppConfig


class ChecklistConfig(AppConfig):
    name = "webapp.checklist"
    label = "checklist"
