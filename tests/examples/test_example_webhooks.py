"""examples/webhooks: a shop tells a tenant of an order, and the tenant's receiver verifies it."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from typing import Any

from tests.ports import free_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "webhooks"


def asked(url: str, method: str = "GET") -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def sp00ky(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "sp00ky_core", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)


@contextmanager
def served(folder: Path, app: str, port: int, **environ: str) -> Iterator[str]:
    """Serve an application, and yield its URL once it answers."""
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port)]
    with subprocess.Popen(
        command, cwd=folder, env=os.environ | environ, stderr=subprocess.DEVNULL
    ) as process:
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while True:
            try:
                asked(f"{url}/openapi.json")
                break
            except OSError:
                assert time.monotonic() < until
                assert process.poll() is None
                time.sleep(0.05)
        yield url
        process.terminate()


def test_an_order_arrives_at_its_tenant_and_once(tmp_path: Path) -> None:
    folder = copytree(EXAMPLE, tmp_path / "webhooks")
    sp00ky(folder, "migrate")
    port = free_port()
    with served(folder, "shop:app", free_port()) as shop:
        made = asked(f"{shop}/tenants/7/endpoints?url=http://127.0.0.1:{port}/hooks", "POST")
        assert asked(f"{shop}/tenants/8/orders?total=1", "POST")["deliveries"] == 0
        order = asked(f"{shop}/tenants/7/orders?total=20", "POST")
        assert order["deliveries"] == 1
        with served(folder, "receiver:app", port, WEBHOOK_SECRET=made["secret"]) as receiver:
            sp00ky(folder, "run", "--until-empty")
            sp00ky(folder, "webhooks", "replay", made["endpoint"], "--since", "1h")
            sp00ky(folder, "run", "--until-empty")
            taken = asked(f"{receiver}/taken")
    assert {name: event["data"] for name, event in taken.items()} == {
        order["event"]: {"order": order["order"], "total": 20}
    }
