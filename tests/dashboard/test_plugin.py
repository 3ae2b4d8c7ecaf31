from __future__ import annotations

from sp00ky_core import load_plugins


def test_the_command_is_found_by_its_entry_point() -> None:
    plugins = load_plugins()
    (info,) = [each for each in plugins.infos if each.distribution == "sp00ky-dashboard"]
    assert info.commands == ("dashboard",)
    assert plugins.commands["dashboard"].name == "dashboard"
