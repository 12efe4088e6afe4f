"""Addresses of uploading."""

from django.urls import path

from webapp.upload import views

urlpatterns = [
    path("collections/<uuid:collection_id>/upload", views.upload, name="upload-files"),
    path("collections/<uuid:collection_id>/here", views.here, name="upload-here"),
    path("collections/<uuid:collection_id>/repository", views.repository, name="upload-repository"),
    path("documents/<uuid:document_id>/replace", views.replace, name="upload-replace"),
    path("documents/<uuid:document_id>/retry", views.retry, name="upload-retry"),
    path("documents/<uuid:document_id>/unlock", views.unlock, name="upload-unlock"),
    path("samples/", views.samples, name="upload-samples"),
]
