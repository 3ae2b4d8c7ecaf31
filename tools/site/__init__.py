"""Build the documents' site: ``python -m tools.site [FOLDER]``; nothing is fetched."""
