"""yaml2ini as a function: under every awk that is installed, which must all say the same."""
import json
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCRIPT = ROOT / "yaml2ini"
LIMIT = 60  # seconds, for a loaded machine
ALL = ("mawk", "gawk", "busybox awk", "original-awk")
AWKS = [awk for awk in ALL if shutil.which(awk.split()[0])]
SOURCES = ["inifile", "json", "value", "text", "mem", "buf", "err", "log", "file"]


def start(awk, *arguments, **options):
    environment = {**os.environ, "AWK": awk}
    return subprocess.Popen([SCRIPT, *arguments], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **options)


def convert(text, *arguments, awks=AWKS, **options):
    """(status, stdout, stderr) for a text on stdin."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    processes = [start(awk, *arguments, **options) for awk in awks]
    ends = []
    for process in processes:
        out, err = process.communicate(data, timeout=LIMIT)
        ends.append((process.returncode, out.decode(), err.decode()))
    for awk, end in zip(awks, ends):
        assert end == ends[0], f"{awk} and {awks[0]} differ over {text!r}"
    return ends[0]


class Reader:
    """inifile.c: one process for all texts."""

    def __init__(self, folder):
        program = folder / "read"
        command = [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-g", "-O1", f"-I{ROOT}",
                   "-fsanitize=address,undefined", "-fno-sanitize-recover=all", HERE / "read.c",
                   *(ROOT / f"{name}.c" for name in SOURCES), "-o", program, "-linih"]
        subprocess.run(command, check=True)
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def sections(self, text):
        """[(head, {key: value})], for a text in which every line is right."""
        data = text.encode()
        self.process.stdin.write(b"%d\n" % len(data) + data)
        self.process.stdin.flush()
        found = []
        for row in json.loads(self.process.stdout.readline()):
            assert len(row) > 1, f"line {row[0]} of {text!r}"
            if len(row) == 2:
                found.append((row[1], {}))
            else:
                assert row[1] not in found[-1][1], f"line {row[0]} of {text!r}"
                found[-1][1][row[1]] = row[2]
        return found
