"""What the tests against a real API server stand on.

waiting   until(): the only way tests wait; free_port()
cluster   starts clusters (etcd, kube-apiserver, node), and finds them again
kube      namespaces, pods, services, deployments through the API
apps      clients of the servers that run in each pod
porter    the program under test
"""
