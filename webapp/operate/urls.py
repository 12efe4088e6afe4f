"""Addresses for operators and for what watches the machine."""

from django.urls import path

from webapp.operate import metrics, views

urlpatterns = [
    path("dashboard/", views.dashboard, name="operate-dashboard"),
    path("metrics", metrics.metrics, name="operate-metrics"),
]
