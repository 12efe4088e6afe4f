"""Addresses of accounts."""

from django.urls import path

from webapp.accounts import views

urlpatterns = [
    path("setup/", views.setup, name="accounts-setup"),
    path("login/", views.login, name="accounts-login"),
    path("logout/", views.logout, name="accounts-logout"),
    path("account/", views.account, name="accounts-account"),
    path("account/password", views.password, name="accounts-password"),
    path("account/tokens", views.token_new, name="accounts-token-create"),
    path("account/tokens/<uuid:token_id>/delete", views.token_remove, name="accounts-token-delete"),
]
