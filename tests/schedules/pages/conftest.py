from tests.dashboard.conftest import browser, open_browser, outbox, patience, serve

__all__ = ["browser", "open_browser", "outbox", "patience", "serve"]
