"""Addresses of sweeps."""

from django.urls import path

from webapp.checklist import views

urlpatterns = [
    path("collections/<uuid:collection_id>/sweeps/", views.sweeps, name="checklist-list"),
    path("collections/<uuid:collection_id>/sweep", views.create, name="checklist-create"),
    path("sweeps/<uuid:sweep_id>/", views.sweep, name="checklist-detail"),
    path("sweeps/<uuid:sweep_id>/stop", views.stop, name="checklist-stop"),
    path("sweeps/<uuid:sweep_id>/continue", views.go_on, name="checklist-continue"),
    path("cells/<uuid:cell_id>/verdict", views.verdict, name="checklist-verdict"),
]
