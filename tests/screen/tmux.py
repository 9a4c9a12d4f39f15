"""A real terminal: tmux, with a shell in its one pane, which starts the program."""
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import pyte

from rig.cluster import die_with_parent
from rig.porter import BINARY
from rig.waiting import until

from .terminal import OWN, Cells, Terminal

MODES = ("alternate_on", "cursor_flag", "wrap_flag", "insert_flag", "keypad_flag", "keypad_cursor_flag",
         "mouse_any_flag", "origin_flag")


class Tmux(Terminal):
    """The eyes are those of Terminal, by what tmux says is to be seen.  Its files are in `folder`."""

    def __init__(self, folder, columns=100, rows=24):
        self.folder, self.columns, self.lines_high, self.porter = folder, columns, rows, None
        self.lock = threading.Lock()
        self.own = Path(tempfile.mkdtemp(prefix="porter-tmux-"))  # the path of a socket has to be short
        kept = {name: value for name, value in os.environ.items() if not name.startswith((*OWN, "TMUX"))}
        self.env = {**kept, "LC_ALL": "C.UTF-8", "PS1": "$ ", "SHELL": "/bin/sh",
                    "ASAN_OPTIONS": "handle_segv=0:handle_abort=0:handle_sigbus=0"}  # what is looked at is the program's own handler
        self.server = subprocess.Popen([*self.command(), "-D", "-f", "/dev/null"], env=self.env, cwd=folder,
                                       preexec_fn=die_with_parent)
        until((self.own / "socket").exists, "tmux is up")
        self.ask("new-session", "-d", "-x", columns, "-y", rows, "-c", folder, "sh")
        self.sees("$")

    def command(self):
        return ["tmux", "-S", str(self.own / "socket")]

    def ask(self, *words):
        return subprocess.run([*self.command(), *map(str, words)], env=self.env, check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def close(self):
        """The terminal goes, and with it whoever has stayed for it."""
        self.server.kill()
        self.server.wait()
        shutil.rmtree(self.own)

    # ---- hands ----

    def start(self, porter, *options, before=""):
        """The program, as one types it; `before`: what the shell is told in the same line."""
        self.porter = porter
        porter.write()
        script = self.folder / "run"
        script.write_text(f'#!/bin/sh\ncd {shlex.quote(str(porter.folder))}\necho $$ >pid\nexec {BINARY} "$@"\n')
        script.chmod(0o755)
        self.enter(f"{before}./run {shlex.join(options)}; echo ended with $?")
        return self

    def pid(self):
        """The program's."""
        return int(until((self.porter.folder / "pid").read_text, "it has a pid"))

    def type(self, *keys):
        for key in keys:
            code = key if isinstance(key, bytes) else key.encode()
            self.ask("send-keys", "-H", *(f"{byte:02x}" for byte in code))

    def enter(self, line):
        self.type(f"{line}\r")

    def resize(self, columns, rows):
        self.columns, self.lines_high = columns, rows
        self.ask("resize-window", "-x", columns, "-y", rows)

    # ---- eyes ----

    def styled(self):
        """The lines, with the sequences that make them look as they do."""
        return self.ask("capture-pane", "-p", "-e", "-N").removesuffix("\n").split("\n")

    def rows(self):
        cells = Cells(self.columns, self.lines_high)
        cells.reset_mode(7, private=True)
        pyte.Stream(cells).feed("\r\n".join(self.styled()))
        return [[cells.buffer[y][x] for x in range(self.columns)] for y in range(self.lines_high)]

    def modes(self):
        return dict(zip(MODES, self.ask("display", "-p", " ".join(f"#{{{mode}}}" for mode in MODES)).split()))

    def cursor(self):
        x, y, shown = map(int, self.ask("display", "-p", "#{cursor_x} #{cursor_y} #{cursor_flag}").split())
        return (x, y) if shown else None

    def sees(self, pattern):
        """Waits for a line that matches; returns that."""
        return self.until(lambda: next(filter(None, (re.match(pattern, line) for line in self.lines())), None), pattern)

    def until(self, check, what):
        try:
            return until(check, what)
        except AssertionError as e:
            raise AssertionError("\n".join([str(e), *self.lines()])) from None
