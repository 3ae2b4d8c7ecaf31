"""Make a release ready in ``dist/`` and try it: ``python -m tools.release``."""
