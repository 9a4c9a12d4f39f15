"""The program under test: its configuration, its process, its lines."""
import signal
import subprocess
import threading
from pathlib import Path

from . import apps, asking
from .asking import BINARY
from .cluster import die_with_parent
from .started import stat
from .waiting import LIMIT, free_port, until

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whatever runs the tests: what is started has it so, too


class Porter:
    """Add clusters and forwards, then start().  Files are in its folder."""

    def __init__(self, folder, **settings):
        self.folder, self.process, self.lines = folder, None, []
        self.config, self.log_file = folder / "porter.ini", folder / "porter.log"
        self.sections = [("porter", {"check_interval": "2s", "reconnect_delay": "1s", **settings})]
        self.forwards = 0

    def cluster(self, name, kubeconfig, **settings):
        self.sections.append((f"cluster {name}", {"kubeconfig": kubeconfig, **settings}))

    def forward(self, cluster, namespace, service, remote_port, type="service", name=None, **settings):
        """Returns the local port."""
        self.forwards += 1
        local_port = free_port()
        self.sections.append((f"forward {name or 'f%d' % self.forwards}", {
            "cluster": cluster, "namespace": namespace, "service": service, "type": type,
            "local_port": local_port, "remote_port": remote_port, **settings}))
        return local_port

    def ini(self):
        return "\n".join(f"[{title}]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items())
                         for title, fields in self.sections)

    def section(self, title):
        """Its keys, to be changed before start() or reload()."""
        return dict(self.sections)[title]

    def drop(self, *titles):
        self.sections = [section for section in self.sections if section[0] not in titles]

    def write(self):
        """Writes its configuration; returns where."""
        self.config.write_text(self.ini())
        return self.config

    def start(self, command=None, by=(), options=(), begin=die_with_parent, **how):
        """Returns at once; command: how to call it, if not as usual, with those options; by: what calls it;
        begin: what the new process does before; how: as Popen has it.  Its lines are read unless its stdout
        goes elsewhere."""
        self.write()
        command = command or [BINARY, "-config", self.config, "-headless", "-log", self.log_file, *options]
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | how
        self.process = subprocess.Popen([str(c) for c in (*by, *command)], cwd=self.folder, text=True,
                                        errors="replace", preexec_fn=begin, **how)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        return self

    def read(self):
        if self.process.stdout:
            self.lines.extend(iter(self.process.stdout.readline, ""))

    def reload(self):
        """Has it read its configuration as that is now; returns the first line that it logs of it."""
        before = len(self.logged(" reloaded "))
        self.write()
        self.process.send_signal(signal.SIGHUP)
        return self.until(lambda: self.logged(" reloaded ")[before:], "the configuration is read again")[0]

    def log(self):
        """The log file's lines so far."""
        return self.log_file.read_text(errors="replace").splitlines() if self.log_file.exists() else []

    def logged(self, text):
        return [line for line in self.log() if text in line]

    def states(self, name):
        """The states it has told of a forward, "cluster/service", in their order, each once in a row."""
        told = [line.split()[1].rstrip(":") for line in self.lines if line.startswith(f"{name} ")]
        return [state for i, state in enumerate(told) if i == 0 or told[i - 1] != state]

    def wait_state(self, name, state):
        self.until(lambda: self.states(name)[-1:] == [state], f"{name} {state}")

    def answers(self):
        """Waits until it may be asked."""
        self.until(lambda: self.ask("-status")[0] == 0, "it answers")
        return self

    def ask(self, *options, **how):
        """(status, stdout, stderr) of one that asks this one."""
        return asking.ask(*options, "-pid", self.process.pid, **how)

    def status(self, name=None, **how):
        """What it says as JSON, by its schema; name: of the forward of that section only."""
        status, out, err = self.ask("-status", "-json", **how)
        assert (status, err) == (0, ""), err
        found, = asking.read(out)
        return next(f for f in found["forwards"] if f["name"] == name) if name else found

    def wake_ups(self):
        """How often it has waited and gone on, all its threads together."""
        return wake_ups(self.process.pid)

    def ticks(self):
        """How long it has had a processor, in hundredths of a second."""
        user, system = stat(self.process.pid)[11:13]
        return int(user) + int(system)

    def until(self, check, what, limit=LIMIT):
        """until(), given up at once if the program ends."""
        def alive_and_check():
            assert self.process.poll() is None, f"porter ended with status {self.process.returncode}"
            return check()
        return until(alive_and_check, what, limit)

    def wait(self, f, *args):
        """Calls f(*args), one of apps.py, until it is not refused, reset or cut short; returns its result."""
        return self.until(lambda: attempt(f, *args), f"{f.__name__}{args}")

    def wait_http(self, port, path="/"):
        return self.wait(apps.http_get, port, path)

    def wait_echo(self, port):
        return self.wait(apps.echo, port)

    def stop(self):
        """Ends it as init would; it must leave with status 0."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(LIMIT)
        finally:
            self.kill()
        assert status == 0, f"porter ended with status {status}"

    def ended(self, status):
        """Waits until it has ended by itself, with that status; it is not stopped with the test any more."""
        got = self.process.wait(LIMIT)
        self.kill()
        self.process = None
        assert got == status, f"porter ended with status {got}"

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.reader.join()

    def told(self):
        """All it has said, for the report of a failed test."""
        return "\n".join([self.ini(), "--- stdout", "".join(self.lines), "--- log", *self.log()])


def proc_field(path, name):
    """A number from a file as /proc/PID/status is."""
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(name + ":"))


def wake_ups(pid):
    return sum(proc_field(task / "status", "voluntary_ctxt_switches") for task in Path(f"/proc/{pid}/task").iterdir())


def attempt(f, *args):
    """f's result; None if the connection was refused, reset or ended early."""
    try:
        return f(*args)
    except (OSError, EOFError, apps.http.client.HTTPException):
        return None
