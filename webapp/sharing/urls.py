"""Addresses of links to one answer."""

from django.urls import path

from webapp.sharing import views

urlpatterns = [
    path("answers/<uuid:answer_id>/links", views.links, name="sharing-links"),
    path("links/<uuid:link_id>/revoke", views.revoke, name="sharing-revoke"),
    path("shared/<str:token>/", views.shared, name="sharing-shared"),
]
