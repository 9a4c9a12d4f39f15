"""A port that an older porter has, before a command: left to it, unless that is not wanted."""
import pytest

from rig.porter import BINARY
from rig.waiting import LIMIT

PAGE = "curl -sf localhost:$PORTER_API_PORT"


@pytest.fixture
def launch(namespace, porter, starter):
    """A function that starts porter before a command, which has the forward api."""
    namespace.pod("app")
    namespace.service("app")
    porter.api = porter.forward("one", namespace.name, "app", 80, name="api")

    def start(script, *options):
        return starter.start(BINARY, "-config", porter.write(), "-wait", "50s", *options, "--", "sh", "-c", script,
                             cwd=porter.folder)
    return start


def test_jobs_that_overlap_do_not_end_each_other(porter, launch):
    """As cron starts them.  The first one's port is served all the while."""
    first = launch(f"{PAGE} && while [ ! -e stop ]; do sleep 0.05; done && {PAGE}")
    first.until(lambda: first.out() == "app\n", "the first one's command runs")
    line = porter.ini().splitlines().index(f"local_port = {porter.api}") + 1
    for options in ([], ["-on-conflict=fail"]):
        assert launch("touch ran", *options).told() == (
            125, "",
            f"Error: port {porter.api} is in use by another nanoporter instance (PID: {first.process.pid})\n"
            f"  stop it with 'porter -stop -pid {first.process.pid}', take over from it with -on-conflict=takeover, "
            f"or change local_port of 'one/app' ({porter.config}:{line})\n")
    assert not (porter.folder / "ran").exists()
    (porter.folder / "stop").touch()
    assert first.told() == (0, "app\napp\n", "")


def test_where_it_is_wanted_a_command_has_the_port(porter, launch):
    porter.start()
    assert porter.wait_http(porter.api) == "app"
    older = porter.process
    assert launch(PAGE, "-on-conflict=takeover").told() == (0, "app\n", "")
    assert older.wait(LIMIT) == 6
    porter.kill()
    porter.process = None
