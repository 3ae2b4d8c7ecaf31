"""The store's promises as tests, one file per subject; ``sp00ky_core.testing.store`` joins them."""
