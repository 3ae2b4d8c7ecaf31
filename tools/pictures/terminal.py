"""Take pictures of the command line's screens: real commands on a pseudo-terminal, drawn as SVG.

The demo becomes a recording: an SVG whose frames follow each other.
"""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import pty
import re
import signal
import struct
import sys
import tempfile
import termios
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import resources
from itertools import groupby
from pathlib import Path

import attrs
import pyte
from playwright.async_api import Browser
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

from sp00ky_core import NewJob, Outbox
from sp00ky_core.cli.demo import DemoBackend

__all__ = ["take"]

COLUMNS, LINES = 96, 26

CONFIG = """\
store: sqlite:///jobs.db
backends:
  shop: {{spec: openapi.yml, baseUrl: '{url}', concurrency: 4, method: {{table: job}}}}
"""

ROUTES = {"/spookify": 3, "/chat": 3, "/charge-payment": 0}
"""With the retries of each."""

JOBS = [
    NewJob(path=path, payload={"n": n}, max_retries=retries)
    for n in range(100)
    for path, retries in ROUTES.items()
]

PLAYED = 20.0
"""Seconds that a recording lasts, however long it took."""

HELD = 4.0
"""Seconds for which its last frame stays."""

FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)
"""Fonts that would be fetched from elsewhere."""


@attrs.define
class Terminal:
    """A command on a pseudo-terminal.

    Attributes:
        process: The command.
        screen: What is on the terminal now.
        frames: Each picture that differed from the one before, with its second.
    """

    process: asyncio.subprocess.Process
    screen: pyte.Screen
    frames: list[tuple[float, Text]] = attrs.field(factory=list)

    def picture(self) -> Text:
        """Return what is on the terminal, in its colours."""
        lines = [_line(self.screen, row) for row in range(self.screen.lines)]
        while lines and not lines[-1].plain.strip():
            lines.pop()
        return Text("\n").join(lines)

    async def record(self, every: float) -> None:
        """Note what changes until the command ends."""
        clock = asyncio.get_running_loop().time
        began, ended = clock(), asyncio.ensure_future(self.process.wait())
        while not ended.done():
            await asyncio.wait([ended], timeout=every)
            picture = self.picture()
            if picture.plain != (self.frames[-1][1].plain if self.frames else ""):
                self.frames.append((clock() - began, picture))


def _line(screen: pyte.Screen, row: int) -> Text:
    line = Text()
    chars = [screen.buffer[row][column] for column in range(screen.columns)]
    for (fg, bold, reverse), same in groupby(chars, key=lambda each: (each.fg, each.bold, each.reverse)):
        colour = None if fg == "default" else _colour(fg)
        line.append("".join(each.data for each in same), Style(color=colour, bold=bold, reverse=reverse))
    line.rstrip()
    return line


def _colour(name: str) -> str:
    return f"#{name}" if re.fullmatch(r"[0-9a-f]{6}", name) else name.replace("brown", "yellow")


@asynccontextmanager
async def opened(arguments: Sequence[str], folder: Path) -> AsyncIterator[Terminal]:
    """Start ``sp00ky`` on a terminal of its own; it is interrupted at the end, if it still runs."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    command = (sys.executable, "-m", "sp00ky_core", *arguments)
    # `sp00ky` is on the path, so that no picture shows where it lies here.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    size = {"COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    environment = {**os.environ, "PATH": path, "TERM": "xterm-256color", **size}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdin=inner, stdout=inner, stderr=inner
    )
    os.close(inner)
    terminal = Terminal(process, pyte.Screen(COLUMNS, LINES))
    stream, loop = pyte.ByteStream(terminal.screen), asyncio.get_running_loop()
    loop.add_reader(outer, _feed, loop, outer, stream)
    try:
        yield terminal
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await process.wait()
        loop.remove_reader(outer)
        os.close(outer)


def _feed(loop: asyncio.AbstractEventLoop, outer: int, stream: pyte.ByteStream) -> None:
    try:
        stream.feed(os.read(outer, 65_536))
    except OSError:  # the command has closed it
        loop.remove_reader(outer)


def drawn(picture: Text, title: str, name: str) -> str:
    """Draw one picture as SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(picture)
    return FONT.sub("", console.export_svg(title=title, theme=MONOKAI, unique_id=name))


def recording(frames: Sequence[tuple[float, Text]], title: str, name: str) -> str:
    """Draw frames that follow each other; where motion isn't wanted the last one is shown."""
    speed = PLAYED / frames[-1][0]
    starts = [second * speed for second, _ in frames]
    ends = [*starts[1:], starts[-1] + HELD]
    tallest = max(picture.plain.count("\n") for _, picture in frames)
    rules, pictures = [], []
    for index, (start, end, (_, picture)) in enumerate(zip(starts, ends, frames, strict=True)):
        one = f"{name}-{index}"
        shown, hidden = 100 * start / ends[-1], 100 * end / ends[-1]
        first = f"0%{{opacity:{int(index == 0)}}}"
        rules.append(f"@keyframes {one}{{{first}{shown:.2f}%{{opacity:1}}{hidden:.2f}%{{opacity:0}}}}")
        rules.append(f"#{one}{{opacity:0;animation:{one} {ends[-1]:.1f}s step-end infinite}}")
        picture.append("\n" * (tallest - picture.plain.count("\n")))
        pictures.append(f'<g id="{one}">{drawn(picture, title, one)}</g>')
    last = f"{name}-{len(frames) - 1}"
    calm = f"@media (prefers-reduced-motion:reduce){{g{{animation:none!important}}#{last}{{opacity:1}}}}"
    box = re.search(r'viewBox="[^"]*"', pictures[-1])
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {box[0] if box else ""}>'
    return "\n".join([opening, f"<style>{''.join(rules)}{calm}</style>", *pictures, "</svg>"])


async def take(_: Browser, folder: Path) -> None:
    """Take all pictures of the terminal."""
    with tempfile.TemporaryDirectory() as scratch:
        await _screens(Path(scratch), folder)
    async with opened(["demo"], folder) as terminal:
        await terminal.record(every=0.8)
    (folder / "demo.svg").write_text(recording(terminal.frames, "sp00ky demo", "demo") + "\n")


async def _screens(work: Path, folder: Path) -> None:
    document = resources.files("sp00ky_core") / "cli" / "templates" / "demo.yml"
    (work / "openapi.yml").write_text(document.read_text())
    with DemoBackend.started() as backend:
        (work / "sp00ky.yml").write_text(CONFIG.format(url=backend.url))
        async with Outbox.open(work / "sp00ky.yml") as outbox:
            await outbox.store.migrate()
            await outbox.run_many("shop", JOBS)
        watch = ["jobs", "watch"]
        async with opened(watch, work) as terminal, opened(["run"], work):
            await asyncio.sleep(25)  # so that rates have something to be of
            name, title = "terminal-watch", " ".join(["sp00ky", *watch])
            (folder / f"{name}.svg").write_text(drawn(terminal.picture(), title, name) + "\n")
