"""Addresses of accounts."""

from django.urls import path

from webapp.accounts import people_views, reset_views, views

urlpatterns = [
    path("setup/", views.setup, name="accounts-setup"),
    path("login/", views.login, name="accounts-login"),
    path("logout/", views.logout, name="accounts-logout"),
    path("account/", views.account, name="accounts-account"),
    path("forgotten/", reset_views.forgotten, name="accounts-forgotten"),
    path("reset/<uidb64>/<token>/", reset_views.reset, name="accounts-reset-set"),
    path("join/<str:token>/", people_views.join, name="accounts-join"),
    path("people/", people_views.people, name="accounts-people"),
    path("people/invitations", people_views.invite, name="accounts-invite"),
    path("people/invitations/<uuid:invitation_id>/delete", people_views.uninvite, name="accounts-uninvite"),
    path("people/<int:user_id>", people_views.change, name="accounts-change"),
    path("account/email", views.email, name="accounts-email"),
    path("account/sessions/<uuid:sign_in_id>/end", views.session_end, name="accounts-session-end"),
    path("account/sessions/end", views.sessions_end, name="accounts-sessions-end"),
    path("account/password", views.password, name="accounts-password"),
    path("account/tokens", views.token_new, name="accounts-token-create"),
    path("account/tokens/<uuid:token_id>/delete", views.token_remove, name="accounts-token-delete"),
]
