"""Addresses of uploading."""

from django.urls import path

from webapp.upload import views

urlpatterns = [
    path("collections/<uuid:collection_id>/upload", views.upload, name="upload-files"),
    path("documents/<uuid:document_id>/retry", views.retry, name="upload-retry"),
    path("samples/", views.samples, name="upload-samples"),
]
