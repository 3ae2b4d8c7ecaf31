"""Test what every store promises."""
