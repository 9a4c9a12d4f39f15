"""Shells as their users drive them: at a pseudo-terminal, where keys are pressed.

A shell completes, then runs the line; what is called porter there writes down its words.
"""
import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "completion"
LIMIT = 60  # seconds, for a loaded machine
PROMPT = b"ready> "
RECORDED = b"recorded\r\n"
RECORD = """\
porter() { printf '%s\\n' "$@" >words; echo recorded; }
PS1='ready> '
"""
BASH = RECORD + """\
PS2= PROMPT_COMMAND=
bind 'set enable-bracketed-paste off' 'set bell-style none'
bind '"\\C-g": insert-completions'
source "$FOLDER/porter.bash"
"""
BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")
ZSH = RECORD + """\
unsetopt prompt_sp prompt_cr
fpath=("$FOLDER" $fpath)
autoload -Uz compinit
compinit -D -u
bindkey -e
zle -C insert-all complete-word _generic
bindkey '^G' insert-all
zstyle ':completion:insert-all:*' completer _all_matches _complete
zstyle ':completion:insert-all:*' insert true
zstyle ':completion:*' menu no
LISTMAX=1000
"""
FISH = """\
function porter; printf '%s\\n' $argv >words; echo recorded; end
function fish_prompt; printf 'ready> '; end
set -g fish_greeting
set -g fish_autosuggestion_enabled 0
source $FOLDER/porter.fish
"""
ONE, ALL = "\t", "\x07"


def environment(home, **more):
    return {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb", "LC_ALL": "C.UTF-8", "FOLDER": str(FOLDER),
            **more}


class Typed:
    """A shell in the folder that is its home, too."""

    def __init__(self, command, home, **more):
        self.home, self.more, self.words = home, more, home / "words"
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.chdir(home)
            os.execvpe(command[0], command, environment(home, **more))
        self.shown = b""
        self.wait_for(PROMPT)

    def wait_for(self, text):
        end = time.monotonic() + LIMIT
        while text not in self.shown:
            ready, _, _ = select.select([self.fd], [], [], max(end - time.monotonic(), 0))
            assert ready, self.shown
            self.shown += os.read(self.fd, 4096)
        self.shown = self.shown.partition(text)[2]

    def run(self, keys):
        """The words that porter is started with, when these keys and Enter were pressed."""
        os.write(self.fd, keys.encode() + b"\r")
        self.wait_for(RECORDED)
        self.wait_for(PROMPT)
        text = self.words.read_bytes().decode()
        self.words.unlink()
        return text.split("\n")[:-1]

    def all(self, line):
        """All that the last word of the line may become."""
        words = self.run(line + ALL)
        return sorted(words[len(line.split(" ")) - 2:])

    def one(self, line):
        """The words of the line, the last one completed by a Tab."""
        return self.run(line + ONE)

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class Fish(Typed):
    """Which has no key that puts in all there are; what its Tab would list, it tells."""

    def all(self, line):
        done = subprocess.run(["fish", "--no-config", "-c", "source $FOLDER/porter.fish; complete -C $LINE"],
                              cwd=self.home, env=environment(self.home, LINE=line, **self.more), capture_output=True,
                              text=True, check=True, timeout=LIMIT)
        return sorted(row.partition("\t")[0] for row in done.stdout.splitlines())


def bash(home, **more):
    (home / ".bashrc").write_text(BASH)
    return Typed(["bash", "--noprofile", "--rcfile", home / ".bashrc", "-i"], home, **more)


def bash_completion(home, **more):
    (home / ".bashrc").write_text(f"source {BASH_COMPLETION}\n{BASH}")
    return Typed(["bash", "--noprofile", "--rcfile", home / ".bashrc", "-i"], home, **more)


def zsh(home, **more):
    (home / ".zshrc").write_text(ZSH)
    return Typed(["zsh", "-d", "-i"], home, **more)


def fish(home, **more):
    (home / "config.fish").write_text(FISH)
    return Fish(["fish", "--no-config", "-i", "-C", "source ~/config.fish"], home, **more)


SHELLS = {  # and what has to be there
    "bash": (bash, "bash"),
    "bash-completion": (bash_completion, str(BASH_COMPLETION)),
    "zsh": (zsh, "zsh"),
    "fish": (fish, "fish"),
}


def start(name, home, **more):
    make, needs = SHELLS[name]
    if not shutil.which(needs) and not Path(needs).is_file():
        pytest.skip(f"there is no {needs}")
    return make(home, **more)
