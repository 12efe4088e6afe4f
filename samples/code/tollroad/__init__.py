"""Fees for journeys on the Lowmere Expressway."""
