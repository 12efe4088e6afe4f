"""Addresses of asking, and of the collection's page, which is where one asks."""

from django.urls import path

from webapp.ask import conversation_views, streams, views

urlpatterns = [
    path("collections/<uuid:collection_id>/", views.collection, name="library-collection"),
    path("collections/<uuid:collection_id>/ask", views.ask, name="ask-question"),
    path("questions/<uuid:question_id>/", views.question, name="ask-detail"),
    path("conversations/<uuid:conversation_id>/", conversation_views.conversation, name="ask-conversation"),
    path("conversations/<uuid:conversation_id>/rename", conversation_views.rename, name="ask-conversation-rename"),
    path("conversations/<uuid:conversation_id>/delete", conversation_views.delete, name="ask-conversation-delete"),
    path("answers/<uuid:answer_id>/stream", streams.answer_stream, name="ask-stream"),
    path("answers/<uuid:answer_id>/stop", views.stop, name="ask-stop"),
]
