"""Addresses of files to take home."""

from django.urls import path

from webapp.export import views

urlpatterns = [
    path("questions/<uuid:question_id>/export.<str:form>", views.question, name="ask-export"),
    path("questions/<uuid:question_id>/conversation.<str:form>", views.conversation, name="ask-export-conversation"),
    path("sweeps/<uuid:sweep_id>/export.<str:form>", views.sweep, name="checklist-export"),
]
