"""Programs as cron, a service manager or a terminal starts them: with no more environment than
is given, in a session of their own; and whatever they leave behind, which comes to the test."""
import fcntl
import os
import signal
import subprocess
import termios
from contextlib import suppress
from pathlib import Path

from .cluster import die_with_parent, prctl
from .waiting import LIMIT, until

PR_SET_CHILD_SUBREAPER = 36


class Starter:
    """start() begins them.  Orphans among their descendants become children of this process, until end()."""

    def __init__(self, folder):
        self.folder, self.started = folder, []
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.others = descendants()

    def start(self, *command, env=None, cwd=None, terminal=False):
        """Returns a Started; env: all of its environment but PATH."""
        files = self.folder / f"started-{len(self.started)}"
        self.started.append(Started(files, command, env or {}, cwd, terminal))
        return self.started[-1]

    def left(self):
        """The pids of all that run still, whoever started them."""
        return sorted(descendants() - self.others)

    def reap(self, pid):
        """The exit status of an orphan that was told to end."""
        _, status = until(lambda: (found := os.waitpid(pid, os.WNOHANG)) != (0, 0) and found, f"{pid} ends")
        return os.waitstatus_to_exitcode(status)

    def end(self):
        while left := self.left():
            for pid in left:
                with suppress(ProcessLookupError):  # its parent was quicker
                    os.kill(pid, signal.SIGKILL)
            self.reap_all()
        self.reap_all()
        prctl(PR_SET_CHILD_SUBREAPER, 0)
        for one in self.started:
            one.close()

    def reap_all(self):
        """All that has ended, and is a child of this process by now."""
        for one in self.started:
            one.process.poll()
        for pid in children()[os.getpid()]:
            if pid not in self.others and state(pid) == "Z":
                os.waitpid(pid, 0)


class Started:
    """One that runs.  terminal: the other end of its terminal, where it has one."""

    def __init__(self, files, command, env, cwd, terminal):
        self.files = [files.with_suffix(suffix) for suffix in (".out", ".err")]
        self.terminal, standard = os.openpty() if terminal else (None, os.open(os.devnull, os.O_RDONLY))

        def begin():
            die_with_parent()
            if terminal:
                fcntl.ioctl(standard, termios.TIOCSCTTY, 0)

        with open(self.files[0], "wb") as out, open(self.files[1], "wb") as err:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=standard, stdout=out, stderr=err, cwd=cwd,
                env={"PATH": os.environ["PATH"], **env}, start_new_session=True, preexec_fn=begin)
        os.close(standard)

    def out(self):
        return self.files[0].read_text(errors="replace")

    def err(self):
        return self.files[1].read_text(errors="replace")

    def told(self):
        """(status, stdout, stderr) of one that ends by itself."""
        return self.wait(), self.out(), self.err()

    def wait(self, limit=LIMIT):
        return self.process.wait(limit)

    def until(self, check, what):
        """until(), given up at once if it ends."""
        def alive_and_check():
            assert self.process.poll() is None, f"ended with status {self.process.returncode}: {self.err()}"
            return check()
        return until(alive_and_check, what)

    def signal(self, number):
        self.process.send_signal(number)

    def type(self, keys):
        os.write(self.terminal, keys)

    def close(self):
        """Closes its terminal, if it has one."""
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None


def state(pid):
    """As ps has it; None where there is no such process."""
    fields = stat(pid)
    return fields and fields[0]


def stat(pid):
    """The fields of /proc/PID/stat behind the name, which may have blanks and parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def children():
    """{pid: the pids of its children}, those included that have ended and are not reaped."""
    found = {os.getpid(): set()}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := stat(name)):
            found.setdefault(int(fields[1]), set()).add(int(name))
    return found


def descendants():
    """The pids of those of this process that run."""
    of, found, todo = children(), set(), [os.getpid()]
    while todo:
        todo += (those := of.get(todo.pop(), set()))
        found |= those
    return {pid for pid in found if state(pid) not in ("Z", None)}
