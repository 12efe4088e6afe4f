"""The web application: everything with a request, a row or a user."""
