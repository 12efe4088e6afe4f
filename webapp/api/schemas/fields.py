"""What fields of the API share: what a text may hold, and what an id looks like in examples."""

from __future__ import annotations

# PostgreSQL keeps no NUL in a text.
NO_NUL = r"^[^\x00]*$"
# What an id looks like, for examples.
SOME_ID = "0d5c1f5e-6f5b-4c0a-9f0e-2b9b1f0f4a11"
