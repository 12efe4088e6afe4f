"""`./run manage api_token USER`: makes a token for a program and prints it, this once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from webapp.accounts.models import Scope, User
from webapp.accounts.services import token_create


class Command(BaseCommand):
    help = "Makes a token for the HTTP API and prints it. It is kept as a hash, so it cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="whose it is: the name with which the person signs in")
        parser.add_argument("--name", default="command line", help="what will use it")
        parser.add_argument("--scope", choices=Scope.values, default=Scope.WRITE)
        parser.add_argument("--days", type=int, default=0, help="how long it works; 0: until it is deleted")

    def handle(self, *_: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no account “{options['user']}”. Make the first one in the browser, or invite the person.")
        if options["days"] < 0:
            raise CommandError("--days is a number of days from now, or 0.")
        token = token_create(owner=user, name=options["name"][:80], scope=options["scope"], days=options["days"])[1]
        self.stdout.write(token)
