"""Forecast what becomes of jobs in an outage: ``sp00ky plan``."""
