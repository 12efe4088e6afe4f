"""Addresses of files to take home."""

from django.urls import path

from webapp.export import views

urlpatterns = [
    path("questions/<uuid:question_id>/export.<str:form>", views.question, name="ask-export"),
    path("questions/<uuid:question_id>/conversation.<str:form>", views.conversation, name="ask-export-conversation"),
    path("exports/", views.exports, name="export-list"),
    path("exports/<uuid:export_id>/file", views.file, name="export-file"),
    path("exports/<uuid:export_id>/delete", views.delete, name="export-delete"),
    path("sweeps/<uuid:sweep_id>/export.<str:form>", views.sweep, name="checklist-export"),
]
