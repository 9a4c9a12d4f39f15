"""A stand-in for a cluster in which some forwards come to each state, and stay there."""
from rig.kube import Namespace
from standin.client import Standin

# Rows of the table: cluster, namespace, service, type, remote port; and what its local port, which
# is another one each time, is called in expected/.
FORWARDS = [
    ("production", "default", "api-gateway", "service", 80, 18080),
    ("production", "databases", "postgres-primary-0", "pod", 5432, 15432),
    ("staging", "web", "frontend-service", "service", 3000, 13000),
    ("staging", "web", "backend-api", "pod", 8080, 14000),
    ("staging", "web", "search", "service", 9200, 19200),
    ("production", "default", "legacy-billing", "service", 80, 18081),
]
REPORTS = ("staging", "web", "reports", "service", 80, 18082)
LONG_WORDS = ("services \"reports\" is forbidden: User \"developer\" cannot get resource \"services\" in API group "
              "\"\" in the namespace \"web\": access is granted on weekdays from nine to five only, and to members of "
              "the group controlling, whom to become one asks the head of that department")
LONG = 63 * "s"  # as long as services' names may be
LONGEST = ".".join([63 * "p"] * 3 + [61 * "p"])  # as long as pods' may be: 253


class World:
    """One that all tests of a worker share: they leave it as it is."""

    def __init__(self, folder):
        self.standin = Standin(folder / "one")
        self.kubeconfig = self.standin.cluster.kubeconfig()
        for name in ("default", "databases", "web"):
            setattr(self, name, Namespace(self.standin.cluster, name))
        web = [{"port": 80, "targetPort": "http"}]
        for name in ("api-gateway", "legacy-billing", LONG):
            self.default.pod(f"{name[:40]}-7d9f", {"app": name})
            self.default.service(name, ports=web)
        self.databases.pod("postgres-primary-0")
        self.default.pod(LONGEST, {"app": "longest"})
        (folder / "nowhere").mkdir()
        self.nowhere = self.standin.cluster.kubeconfig(folder=folder / "nowhere", server="https://127.0.0.1:1")
        self.down = self.standin.fault("status", where="api", path="/services/frontend-service", code=503)
        self.standin.fault("status", where="api", path="/services/reports", code=403, message=LONG_WORDS)
        self.standin.fault("no-answer", where="api", path="/services/search")

    def configure(self, porter, forwards=FORWARDS):
        """Gives a Porter its clusters, and these forwards; returns what their ports are called."""
        for name in ("production", "staging"):
            porter.cluster(name, self.kubeconfig)
        porter.cluster("nowhere", self.nowhere)
        ports = {}
        for cluster, namespace, service, kind, remote, called in forwards:
            ports[porter.forward(cluster, namespace, service, remote, kind, service[:40])] = called
        return ports

    def stop(self):
        self.standin.stop()
        assert self.standin.log() == "", self.standin.log()
