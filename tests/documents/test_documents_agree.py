"""What -help, README, the manual page and the completions say, against each other: options, variables,
exit statuses, keys of the screen and of the configuration, and defaults."""
import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PORTER = Path(os.environ.get("PORTER", ROOT / "porter")).resolve()
NOT_INSTALLED = "referenced manual not found"  # here: says nothing about the page


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


@functools.cache
def help_text():
    return subprocess.run([PORTER, "-help"], capture_output=True, text=True, check=True, timeout=60).stdout


def help_options():
    """{name: (what its value is called or "", meaning)}."""
    rows = re.findall(r"^  -(\S+) ([A-Z]*) *(\S.*)$", help_text().partition("\nenvironment")[0], re.M)
    return {name: (value, meaning) for name, value, meaning in rows}


def help_rows(after, before):
    part = help_text().partition(after)[2].partition(before)[0] if before else help_text().partition(after)[2]
    return {row.split()[0] for row in part.splitlines() if row.startswith("  ")}


def values():
    return {name: value for name, (value, _) in help_options().items()}


def section(page, head):
    return text(page).partition(f".Sh {head}\n")[2].partition("\n.Sh ")[0]


def readme_table(head):
    """The rows of the table that begins so, each a list of cells."""
    rows = text("README.md").partition(head)[2].partition("\n\n")[0].splitlines()[1:]
    assert rows
    return [re.split(r"(?<!\\)\|", row)[1:-1] for row in rows if row.startswith("|") and not row.startswith("|---")]


# ---- options ----

def test_the_readme_has_the_options_of_help():
    cells = "|".join(row[0] for row in readme_table("\n| option | environment"))
    found = dict(re.findall(r"`-([\w-]+)(?: ([A-Z]+))?`", cells))
    assert found == values() | {"namespace": ""}  # which stands beside -n


def test_the_manual_page_has_the_options_of_help():
    found = re.findall(r"^\.It Fl (\S+)(?: Ar (\S+))?$", section("porter.1", "OPTIONS"), re.M)
    assert found == list(values().items())


def bash_options():
    words = re.search(r"^_porter_options=\((.*?)\)$", text("completion/porter.bash"), re.M | re.S)[1].split()
    return {word.strip("-="): (word.endswith("="), None) for word in words}


def zsh_options():
    rows = re.findall(r"^\t\t'\*?-([\w-]+)(=?)\[(.*)\](?::.*)?'$", text("completion/_porter"), re.M)
    return {name: (bool(takes), meaning.replace("'\\''", "'")) for name, takes, meaning in rows}


def fish_options():
    form = r"^complete -c porter -o (\S+) -l (\S+) (-\w+.*?)?-d '(.*)'$"
    rows = re.findall(form, text("completion/porter.fish"), re.M)
    assert all(one == two for one, two, _, _ in rows)
    return {name: (re.match("-[xr]", how) is not None, meaning.replace("\\'", "'")) for name, _, how, meaning in rows}


@pytest.mark.parametrize("options", [bash_options, zsh_options, fish_options])
def test_completions_have_the_options_of_help(options):
    found = options()
    assert {name: takes for name, (takes, _) in found.items()} == {n: bool(v) for n, v in values().items()}
    told = {name: meaning for name, (_, meaning) in found.items() if meaning is not None}
    assert told in ({}, {name: meaning for name, (_, meaning) in help_options().items()})


def test_completions_read_files_in_the_same_way():
    programs = [re.findall(r" awk .*?'\n(.*?)\n\t\t\}'", text(f"completion/{name}"), re.S)
                for name in ("porter.bash", "_porter", "porter.fish")]
    assert len(programs[0]) == 2 and programs[0] == programs[1] == programs[2]


# ---- keys of the screen, variables, and exit statuses ----

def test_keys_of_the_screen():
    told = [row[0].replace("`", "").strip() for row in readme_table("\n| key | |")]
    found = re.findall(r"^\.It Cm (.+)$", section("porter.1", "SCREEN"), re.M)
    assert [keys.replace("\\&", "").replace(" ,", ",") for keys in found] == told


def test_variables():
    told = help_rows("\nenvironment", "\nexit status")
    listed = section("porter.1", "ENVIRONMENT").partition(".El")[0]
    assert set(re.findall(r"\bPORTER_\w+", listed)) == told
    assert all(f"`{name}`" in text("README.md") for name in told)


def test_exit_statuses():
    own, commands = help_rows("\nexit status", "\nwith COMMAND"), help_rows("\nwith COMMAND", "")
    found = re.findall(r"^\.It (\d+)$", section("porter.1", "EXIT STATUS"), re.M)
    assert set(found) == own | commands and len(found) == len(own | commands)
    assert {row[0].strip() for row in readme_table("\n| exit status |")} == own
    paragraph = text("README.md").partition("Where the command did not run")[2].partition("\n\n")[0]
    assert commands <= set(re.findall(r"\b1\d\d\b", paragraph))


# ---- the configuration ----

def readme_keys():
    """{section: {key: default}}."""
    keys, here = {}, None
    for head, key, default, _ in readme_table("\n| section | key"):
        here = keys.setdefault(head.strip().strip("`").strip("[]"), {}) if head.strip() else here
        if key.strip().startswith("`"):
            here[key.strip(" `")] = default.strip()
    return keys


def manual_keys():
    """{section: {key: what is said of it}}."""
    keys = {}
    for head, rest in re.findall(r"^\.Ss \[([^\n]*)\]\\&\n(.*?)(?=^\.Ss |\Z)", section("porter.1", "CONFIGURATION"),
                                 re.M | re.S):
        items = re.split(r"^\.It Cm (\w+)\n", rest, flags=re.M)
        keys[head] = dict(zip(items[1::2], items[2::2]))
    return keys


def kinds(keys):
    return {head.split()[0]: sorted(of) for head, of in keys.items()}


def test_readme_and_manual_page_have_the_same_keys():
    assert kinds(readme_keys()) == kinds(manual_keys())


def test_the_example_has_those_keys():
    keys, here = {}, None
    for head, key in re.findall(r"^;? *(?:\[(\w+)[^\]]*\]|(\w+) = )", text("porter.ini.example"), re.M):
        here = keys.setdefault(head, set()) if head else here
        if key:
            here.add(key)
    told = kinds(readme_keys())
    forward = set(told["forward"])
    assert keys.keys() == told.keys()
    assert keys["porter"] == set(told["porter"]) and keys["cluster"] == set(told["cluster"])
    assert keys["forward"] == forward and keys["template"] <= forward - {"template"}


def defaults():
    return [(head, key, default) for head, keys in readme_keys().items() for key, default in keys.items()]


@pytest.mark.parametrize("head, key, default", defaults())
def test_the_manual_page_has_the_defaults_of_the_readme(head, key, default):
    said = " ".join(re.sub(r"^\.\w\w ", "", manual_keys()[head][key], flags=re.M).split())
    if default == "required":
        assert said.endswith("Required.")
        return
    _, default_is, rest = said.partition("Default: ")
    assert default_is
    for word in re.findall(r"`(.+?)`", default) or [default]:
        assert word in rest


# ---- the page itself ----

@pytest.mark.skipif(not shutil.which("mandoc"), reason="there is no mandoc")
def test_the_manual_page_is_clean():
    done = subprocess.run(["mandoc", "-Tlint", ROOT / "porter.1"], capture_output=True, text=True, timeout=60)
    told = [line for line in done.stdout.splitlines() if NOT_INSTALLED not in line]
    assert not told
