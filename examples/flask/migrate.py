"""Once for each deploy, before the first worker starts: python migrate.py."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    if not os.environ.get("DATABASE_URL"):
        print("set DATABASE_URL, as in postgresql://user:password@host/database", file=sys.stderr)
        sys.exit(2)
    from main import Base, engine, outbox

    Base.metadata.create_all(engine)  # or: alembic upgrade head
    engine.dispose()
    with outbox:
        outbox.migrate()  # what `sp00ky migrate` does
