"""A stand-in for a Kubernetes API server and a node, in Python's standard
library: what tests/cluster starts from the real parts, but in a second, and
with faults on command.  It is a drop-in: the same folder, the same API, the same
pods, so that the same tests run against both.

up           runs a command beside two of them
client       a stand-in as tests have it: process, faults, counts
server       the process
wire         one connection: TLS, and what faults do below it
web          HTTP/1.1
api          REST: get, list, watch, create, patch, delete
rights       who asks, and what they may
kinds        the kinds of objects, how they begin, change and end
store        objects, versions, changes, selectors
pods         the lives of pods
apps         what runs in a pod
loopback     connections in a pod
runtime      one connection, as container runtimes carry it
portforward  the endpoint: three transports
ws, spdy     their frames
faults       the table of faults
control      the tests' way in
counts       what has been seen
"""
