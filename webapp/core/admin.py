"""How staff look at rows in Django's admin: everything can be seen, nothing is changed there.

States move by compare-and-set and files go with their rows in the services; a form that writes rows past them would leave both wrong.
"""

from __future__ import annotations

from django.contrib import admin


def never(*_: object, **__: object) -> bool:
    """A permission that nobody has here."""
    return False


class ReadOnlyAdmin(admin.ModelAdmin):
    """Lists stay quick on millions of rows: no second count, and the rows that a line names come in the same query."""

    show_full_result_count = False
    list_per_page = 50

    has_add_permission = never
    has_change_permission = never
    has_delete_permission = never
