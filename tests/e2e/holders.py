"""Processes that have local ports, and what else keeps others from one: each with its `pid`, as messages have it."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rig.cluster import die_with_parent
from rig.waiting import until

NOBODY = 65534
BY_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--pdeathsig=KILL"]
PYTHON = "/usr/bin/python3"
PATH = f"{os.environ['PATH']}:/usr/sbin:/usr/local/go/bin"


class Holder:
    """Any that says "here" to whoever asks its port by HTTP; port 0: it has none."""

    def __init__(self, command, port, address="127.0.0.1", by=(), **how):
        self.url, self.by = f"http://{address}:{port}/", list(by)
        self.process = subprocess.Popen([*self.by, *map(str, command)], stdin=subprocess.DEVNULL,
                                        preexec_fn=die_with_parent, **how)
        self.pid = self.process.pid
        until(lambda: self.serves() if port else self.process.stdout.readline() == b"ready\n", "the holder begins")

    def alive(self):
        return self.process.poll() is None

    def serves(self):
        """The same process still does."""
        assert self.alive()
        done = subprocess.run([*self.by, "curl", "-gsf", self.url], capture_output=True, text=True)
        return done.stdout == "here"

    def end(self):
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


# ---- nginx ----

NGINX = """\
daemon off;
pid {folder}/pid;
error_log {folder}/log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {listen};
        return 200 here;
    }}
}}
"""


class Nginx(Holder):
    """Its master and a worker; listen: as its configuration has it, with the port."""

    def __init__(self, folder, port, listen="127.0.0.1:{}", address="127.0.0.1", by=()):
        program = shutil.which("nginx", path=PATH)
        if not program:
            pytest.skip("needs nginx")
        (folder / "conf").write_text(NGINX.format(folder=folder, listen=listen.format(port)))
        super().__init__([program, "-e", folder / "log", "-c", folder / "conf"], port, address, by)

    def end(self):
        self.process.terminate()  # its worker, too
        super().end()


# ---- in Python ----

# PORT, or 0, then the names of abstract sockets that it binds.
SCRIPT = """\
#!/usr/bin/python3
import http.server, signal, socket, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")
    def log_message(self, *_):
        pass
names = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in sys.argv[2:]]
for name, text in zip(names, sys.argv[2:]):
    name.bind("\\0" + text)
    name.listen()
print("ready", flush=True)
if sys.argv[1] == "0":
    while True:
        signal.pause()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Script(Holder):
    """A script whose file is called porter, and so its process is."""

    def __init__(self, folder, port, *names, by=()):
        path = folder / "porter"
        path.write_text(SCRIPT)
        path.chmod(0o755)
        super().__init__([path, port, *names], port, by=by, stdout=subprocess.PIPE)


class Renamed(Holder):
    """The same by a Python that is called porter itself: its file, its process and its first argument."""

    def __init__(self, folder, port):
        program = shutil.copy(Path(PYTHON).resolve(), folder / "porter")
        super().__init__(["porter", "-c", SCRIPT, port], port, executable=program, stdout=subprocess.PIPE)


class Squatter(Holder):
    """Has names, and a port unless that is 0; nobody's, if by BY_NOBODY.  It is called python3."""

    def __init__(self, folder, port, *names, by=()):
        del folder
        super().__init__([PYTHON, "-c", SCRIPT, port, *names], port, by=by, stdout=subprocess.PIPE)


# ---- in Go ----

GO = """\
package main

import (
	"os"
	"strconv"
	"syscall"
)

func main() {
	port, _ := strconv.Atoi(os.Args[1])
	s, _ := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	at := syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	if syscall.Bind(s, &at) != nil || syscall.Listen(s, 16) != nil {
		os.Exit(1)
	}
	for {
		c, _, err := syscall.Accept(s)
		if err == nil {
			syscall.Read(c, make([]byte, 4096))
			syscall.Write(c, []byte("HTTP/1.0 200 OK\\r\\n\\r\\nhere"))
			syscall.Close(c)
		}
	}
}
"""


class Nanoporter(Holder):
    """A program of the module nanoporter; its file is called something else."""

    def __init__(self, folder, port):
        if not shutil.which("go", path=PATH):
            pytest.skip("needs Go")
        (folder / "go.mod").write_text("module example.com/nanoporter\n")
        (folder / "main.go").write_text(GO)
        env = os.environ | {"PATH": PATH, "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
        subprocess.run(["go", "build", "-o", "server", "."], cwd=folder, env=env, check=True)
        super().__init__([folder / "server", port], port)


# ---- where ----

class Network:
    """A network namespace with loopback alone; `by` runs a command there."""

    def __init__(self):
        if os.geteuid() or subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
            pytest.skip("needs network namespaces")
        self.process = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up && exec sleep infinity"],
                                        preexec_fn=die_with_parent)
        self.by = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net"]
        until(lambda: "UP" in subprocess.run([*self.by, "ip", "link", "show", "dev", "lo"], capture_output=True,
                                             text=True).stdout.split(">")[0], "loopback is up")

    def end(self):
        self.process.kill()
        self.process.wait()
