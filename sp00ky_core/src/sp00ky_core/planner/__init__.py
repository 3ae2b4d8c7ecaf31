"""Forecast what becomes of jobs in an outage of their backend, by the rules that runners go by. Pure."""
