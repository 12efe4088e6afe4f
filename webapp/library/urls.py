"""Addresses of collections and documents."""

from django.urls import path

from webapp.library import document_views, member_views, views

urlpatterns = [
    path("", views.home, name="library-home"),
    path("collections/", views.collection_new, name="library-collection-create"),
    path("collections/<uuid:collection_id>/rename", views.collection_name, name="library-collection-rename"),
    path("collections/<uuid:collection_id>/delete", views.collection_remove, name="library-collection-delete"),
    path("collections/<uuid:collection_id>/members", member_views.members, name="library-members"),
    path("collections/<uuid:collection_id>/members/<uuid:member_id>/remove", member_views.remove, name="library-member-remove"),
    path("collections/<uuid:collection_id>/leave", member_views.leave, name="library-leave"),
    path("documents/<uuid:document_id>/", views.document, name="library-document"),
    path("documents/<uuid:document_id>/about", document_views.about, name="library-about"),
    path("documents/<uuid:document_id>/skipped", document_views.skipped, name="library-skipped"),
    path("documents/<uuid:document_id>/rename", document_views.rename, name="library-document-rename"),
    path("documents/<uuid:document_id>/move", document_views.move, name="library-document-move"),
    path("documents/<uuid:document_id>/delete", views.document_remove, name="library-document-delete"),
    path("documents/<uuid:document_id>/original", views.original, name="library-original"),
    path("documents/<uuid:document_id>/pages/<int:number>/image", views.page_picture, name="library-page-image"),
]
