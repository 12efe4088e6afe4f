"""Addresses of jobs."""

from django.urls import path

from webapp.jobs import views

urlpatterns = [
    path("jobs/", views.jobs, name="jobs-list"),
    path("jobs/<uuid:job_id>/retry", views.retry, name="jobs-retry"),
    path("jobs/<uuid:job_id>/cancel", views.cancel, name="jobs-cancel"),
]
