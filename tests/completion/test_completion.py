"""What a Tab brings in bash, zsh and fish."""
import pytest

from shells import ONE, SHELLS, start

INI = """\
[porter]
tunnels = 2 ; [forward not]
# [forward nor]
[cluster prod]
[forward api] ; the front
profile = dev, web
[ forward my-db]
template: base
;[forward neither]
[template base]
profile: oncall,dev
"""
OTHER_INI = "\ufeff[forward other]\r\nprofile = rare\r\n"
KUBECONFIG = """\
apiVersion: v1
clusters:
- cluster: {server: https://127.0.0.1:1}
  name: a-cluster
contexts:
- context:
    cluster: a-cluster
    extensions:
    - extension:
        provider: minikube
      name: context_info
    user: u
  name: minikube
# a comment
- context:
    cluster: a-cluster
  name: arn:aws:eks:eu-1:123:cluster/prod
- name: "me@home"
  context: {}
current-context: minikube
users:
- name: a-user
"""
OTHER_KUBECONFIG = "contexts:\n  - name: team # ours\n    context: {}\n"
CONTEXTS = ["arn:aws:eks:eu-1:123:cluster/prod", "me@home", "minikube"]
TYPES = ["deploy/", "ds/", "pod/", "sts/", "svc/"]


@pytest.fixture
def home(tmp_path):
    for folder in (".kube", "sub"):
        (tmp_path / folder).mkdir()
    (tmp_path / "porter.ini").write_text(INI)
    (tmp_path / "sub/other.ini").write_text(OTHER_INI)
    (tmp_path / ".kube/config").write_text(KUBECONFIG)
    (tmp_path / "sub/kube.yaml").write_text(OTHER_KUBECONFIG)
    return tmp_path


@pytest.fixture(params=SHELLS)
def new_shell(request, home):
    """A function that starts the shell, with more in its environment."""
    started = []

    def new(**more):
        started.append(start(request.param, home, **more))
        return started[-1]
    yield new
    for shell in started:
        shell.close()


def test_names_of_forwards_and_types_of_resources(new_shell):
    shell = new_shell()
    assert shell.all("porter ") == ["api", *TYPES[:2], "my-db", *TYPES[2:]]
    assert shell.all("porter api m") == ["my-db"]
    assert shell.all("porter -reconnect ") == ["api", "my-db"]
    assert shell.all("porter -disable=a") in (["api"], ["-disable=api"])
    assert shell.all("porter -config sub/other.ini o") == ["other"]
    assert shell.all("porter --config=sub/other.ini -verbose o") == ["other"]
    assert shell.all("porter -config ~/sub/other.ini o") == ["other"]
    assert shell.all("porter -config missing.ini ") == TYPES


def test_a_type_of_resources_is_gone_on_with(new_shell):
    assert new_shell().run("porter -n shop sv" + ONE + "api 80") == ["-n", "shop", "svc/api", "80"]


def test_the_configuration_of_the_environment(new_shell):
    shell = new_shell(PORTER_CONFIG="sub/other.ini")
    assert shell.all("porter o") == ["other"]
    assert shell.all("porter -config porter.ini a") == ["api"]


def test_profiles(new_shell):
    shell = new_shell()
    assert shell.all("porter -profile ") == ["dev", "oncall", "web"]
    assert shell.all("porter -profile dev,o") == ["dev,oncall"]
    assert shell.all("porter -config sub/other.ini -profile ") == ["rare"]


def test_contexts(new_shell):
    shell = new_shell()
    assert shell.all("porter -context ") == CONTEXTS
    assert shell.one("porter -context arn:aws:eks:e")[:2] == ["-context", CONTEXTS[0]]
    assert shell.one("porter -context=me@h")[0] in ("-context=me@home", "me@home")
    assert shell.all("porter -kubeconfig sub/kube.yaml -context ") == ["team"]


def test_contexts_of_the_files_of_the_environment(new_shell):
    shell = new_shell(KUBECONFIG="missing:sub/kube.yaml:.kube/config")
    assert shell.all("porter -context ") == [*CONTEXTS, "team"]


def test_options_with_as_many_dashes_as_are_typed(new_shell):
    shell = new_shell()
    assert shell.one("porter -verb") == ["-verbose"]
    assert shell.one("porter --verb") == ["--verbose"]
    assert shell.one("porter api -verbose --on-c")[:2] == ["api", "-verbose"]
    assert shell.all("porter --c") == ["--check", "--config", "--context"]


def test_values_there_are_few_of(new_shell):
    shell = new_shell()
    assert shell.all("porter -on-conflict ") == ["fail", "takeover"]
    assert shell.all("porter --log-format ") == ["json", "text"]


@pytest.mark.parametrize("option", ["config", "log", "kubeconfig"])
def test_values_that_are_files(new_shell, option):
    shell = new_shell()
    assert shell.one(f"porter -{option} porter.i") == [f"-{option}", "porter.ini"]
    assert shell.one(f"porter -{option} sub/k") == [f"-{option}", "sub/kube.yaml"]


def test_the_command(new_shell):
    shell = new_shell()
    assert "printenv" in shell.all("porter api -- printen")
    assert shell.one("porter api -- cat porter.i")[-1] == "porter.ini"


@pytest.mark.parametrize("new_shell", [name for name in SHELLS if name != "bash"], indirect=True)
def test_the_command_by_its_own_completion(new_shell):
    assert new_shell().one("porter api -- porter -on-conflict=f")[-1].endswith("fail")
