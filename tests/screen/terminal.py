"""A terminal at which the program runs: keys go in, cells come out."""
import fcntl
import os
import struct
import termios
import threading

import pyte

from rig.cluster import die_with_parent
from rig.porter import BINARY

ALTERNATE, AT_ONCE, NO_WRAP = (number << 5 for number in (1049, 2026, 7))  # as pyte has private modes
UP, DOWN, PAGE_UP, PAGE_DOWN, HOME, END = b"\x1b[A", b"\x1b[B", b"\x1b[5~", b"\x1b[6~", b"\x1b[H", b"\x1b[F"
ENTER, ESC, BACKSPACE = b"\r", b"\x1b", b"\x7f"
OWN = ("LANG", "LC_", "TERM", "NO_COLOR", "PORTER_")  # variables that are the terminal's, or the test's


class Cells(pyte.Screen):
    """pyte knows no faint text: here it is in italics, which the program does not use."""

    def select_graphic_rendition(self, *codes, **how):
        super().select_graphic_rendition(*(3 if code == 2 else code for code in codes), **how)


class Terminal:
    def __init__(self, columns=80, rows=24):
        self.master, self.its = os.openpty()
        self.name = os.ttyname(self.its)
        self.cells, self.lock = Cells(columns, rows), threading.Lock()
        self.stream, self.bytes = pyte.ByteStream(self.cells), 0
        self.tell_size(columns, rows)
        self.reader = threading.Thread(target=self.read)
        self.porter = None

    def start(self, porter, *options, **env):
        """The program, with the configuration of a Porter.  env: LC_ALL is C.UTF-8 unless given."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        self.porter = porter
        porter.start([BINARY, *options], begin=self.begin, stdin=self.its, stdout=self.its, stderr=self.its,
                     env={**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **env})
        os.close(self.its)
        self.reader.start()
        return self

    def begin(self):
        die_with_parent()
        os.login_tty(os.dup(self.its))

    def close(self):
        """To be called when the program has ended."""
        self.reader.join()
        os.close(self.master)

    def read(self):
        try:
            while True:
                said = os.read(self.master, 65536)
                with self.lock:
                    self.stream.feed(said)
                    self.bytes += len(said)
        except OSError:
            pass  # the last one who had it has closed it

    # ---- hands ----

    def type(self, *keys):
        for key in keys:
            os.write(self.master, key if isinstance(key, bytes) else key.encode())

    def tell_size(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        with self.lock:
            self.cells.resize(rows, columns)
        self.tell_size(columns, rows)

    def unread(self):
        """How many bytes that were typed the program has not read."""
        its = os.open(self.name, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            return struct.unpack("i", fcntl.ioctl(its, termios.FIONREAD, bytes(4)))[0]
        finally:
            os.close(its)

    # ---- eyes ----

    def rows(self):
        """The cells, a list for each row, between two frames; wide characters have an empty one behind them."""
        with self.lock:
            return [[self.cells.buffer[y][x] for x in range(self.cells.columns)] for y in range(self.cells.lines)]

    def lines(self):
        return [text_of(row) for row in self.rows()]

    def line(self, words):
        """The first one with these words; "" if there is none."""
        return next((line for line in self.lines() if words in line), "")

    def selected(self):
        """The selected line; "" if there is none."""
        return next((text_of(row) for row in self.rows() if row[0].reverse), "")

    def has(self, mode):
        with self.lock:
            return mode in self.cells.mode

    def cursor(self):
        """(column, row) of the cursor; None if it is hidden."""
        with self.lock:
            cursor = self.cells.cursor
            return None if cursor.hidden else (cursor.x, cursor.y)

    def until(self, check, what):
        try:
            return self.porter.until(check, what)
        except AssertionError as e:
            raise AssertionError("\n".join([str(e), *self.lines()])) from None

    def shows(self, *words):
        """Waits until all of these are to be seen, each within a line; returns the lines."""
        self.until(lambda: all(map(self.line, words)), f"it shows {words}")
        return self.lines()

    def hides(self, *words):
        """Waits until none of these is to be seen."""
        self.until(lambda: not any(map(self.line, words)), f"it hides {words}")

    def selects(self, words):
        self.until(lambda: words in self.selected(), f"it selects {words!r}")


def text_of(row):
    return "".join(cell.data for cell in row).rstrip()
