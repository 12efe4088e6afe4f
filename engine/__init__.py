"""The Scout engine. Imports nothing here, so that torch-free callers stay torch-free."""
