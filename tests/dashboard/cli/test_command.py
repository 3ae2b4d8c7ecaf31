import subprocess
import sys


def test_other_commands_load_no_web_framework() -> None:
    program = "from sp00ky_core import load_plugins; load_plugins(); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "sp00ky_dashboard.plugin" in loaded
    assert not loaded & {"starlette", "uvicorn", "jinja2"}
