"""Django's registration of this app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "webapp.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Connects what follows people signing in and out."""
        import webapp.accounts.signing_in  # noqa: F401
