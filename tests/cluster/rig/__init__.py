"""What the tests against an API server stand on: a real one, or a stand-in
(tests/standin).

waiting   until(): the only way tests wait; free_port()
cluster   starts clusters (etcd, kube-apiserver, node), and finds them again
issuer    ID tokens that a cluster takes
plugin    credential plugins
kube      namespaces, pods, services, deployments through the API
apps      clients of the servers that run in each pod
porter    the program under test
asking    asks a porter that runs
started   programs as cron, systemd or a terminal has them, with what they leave behind
probe     port-forwards by hand, without it
fixtures  for conftest.py
relay     carries connections to an API server, breaks them, reads along
proxies   tinyproxy, microsocks and sshd, as ways to an API server
island    a network namespace, whose cable can lose all it carries
"""
