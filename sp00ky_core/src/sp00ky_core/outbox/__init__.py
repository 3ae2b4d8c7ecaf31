"""Enqueue, look up, watch and operate: what applications and operators call."""
