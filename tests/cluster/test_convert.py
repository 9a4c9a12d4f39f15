"""The way from the Go nanoporter: its own example of a config.yaml, with namespaces and kubeconfigs that there
are, converted, checked, and run."""
import subprocess
from pathlib import Path

from rig import apps
from rig.porter import BINARY
from rig.waiting import LIMIT, free_port

YAML2INI = Path(__file__).parents[2] / "yaml2ini"

EXAMPLE = """\
# Global settings
check_interval: 10s  # How often to check port-forward health
reconnect_delay: 5s  # Delay before attempting reconnect

clusters:
  - name: production
    kubeconfig: {production}
    context: {context}  # Optional
    \n\
    forwards:
      - namespace: {default}
        service: api-gateway
        type: service  # "service" or "pod"
        local_port: {ports[0]}
        remote_port: 80
      \n\
      - namespace: {databases}
        service: postgres-primary-0
        type: pod
        local_port: {ports[1]}
        remote_port: 7007

  - name: staging
    kubeconfig: {staging}
    \n\
    forwards:
      - namespace: {web}
        service: frontend
        type: service
        local_port: {ports[2]}
        remote_port: 80
"""


def test_the_example_of_the_go_nanoporter(new_namespace, new_porter, clusters, tmp_path):
    first, second = clusters
    default, databases, web = new_namespace(first), new_namespace(first), new_namespace(second)
    for namespace, name in (default, "api-gateway"), (web, "frontend"):
        namespace.pod(name)
        namespace.service(name)
    databases.pod("postgres-primary-0")
    ports = [free_port() for _ in range(3)]
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (tmp_path / "config.yaml").write_text(EXAMPLE.format(
        production=first.kubeconfig(folder=one), context="developer", staging=second.kubeconfig(folder=two),
        default=default.name, databases=databases.name, web=web.name, ports=ports))

    ini = subprocess.run([YAML2INI, "config.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT)
    assert (ini.returncode, ini.stderr) == (0, "")
    (tmp_path / "porter.ini").write_text(ini.stdout)
    done = subprocess.run([BINARY, "-check"], cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for name, port, pod, remote in (
            ("production/api-gateway", ports[0], "api-gateway", 8080),
            ("production/postgres-primary-0", ports[1], "postgres-primary-0", 7007),
            ("staging/frontend", ports[2], "frontend", 8080)):
        assert f"{name} ok: {port} -> pod {pod} (Ready), port {remote}, by websocket\n" in done.stdout

    porter = new_porter()
    porter.start([BINARY, "-config", tmp_path / "porter.ini", "-log", porter.log_file])
    assert porter.wait_http(ports[0]) == "api-gateway"
    assert porter.wait(apps.echo, ports[1])
    assert porter.wait_http(ports[2]) == "frontend"
