"""Run the command line as a module: ``python -m sp00ky_core``."""

from sp00ky_core.cli import main

main()
