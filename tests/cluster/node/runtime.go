package main

// One connection, carried as a container runtime carries it.
//
// containerd (1.4 and later, 2.x) and CRI-O (1.20 and later) do the same: they
// copy both ways, and once either way has ended the other has one second.  The
// client's half-close is not passed on to the application.  Both close the data
// stream in good order before the kubelet's code tells an error.  Their texts
// differ.  Docker's (cri-dockerd) has socat between, which passes the client's
// half-close on; here all goes on until the application ends it.  annHalfClose
// makes a pod behave so whatever its runtime's name.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

type runtime struct {
	passes bool // the client's half-close
	closed func(sandbox string) error
	failed func(sandbox string, port int32, err error) error // could not connect
	broke  func(sandbox string, port int32, err error) error // was connected
}

var runtimes = map[string]runtime{
	"containerd": {
		closed: func(id string) error { return fmt.Errorf("network namespace for sandbox %q is closed", id) },
		failed: func(id string, port int32, err error) error {
			return fmt.Errorf("failed to execute portforward in network namespace %q: failed to connect to localhost:%d "+
				"inside namespace %q, IPv4: %v IPv6 dial tcp6: address localhost: no suitable address ", netns(id), port, id, err)
		},
		broke: func(id string, port int32, err error) error {
			return fmt.Errorf("failed to execute portforward in network namespace %q: %w", netns(id), err)
		},
	},
	"cri-o": {
		closed: func(id string) error { return fmt.Errorf("sandbox %s is not running", id) },
		failed: func(id string, port int32, err error) error {
			return fmt.Errorf("port forward into network namespace %q: failed to connect to localhost:%d inside namespace %s: %w",
				netns(id), port, id, err)
		},
		broke: func(id string, port int32, err error) error {
			return fmt.Errorf("port forward into network namespace %q: %w", netns(id), err)
		},
	},
	"docker": {
		passes: true,
		closed: func(id string) error { return fmt.Errorf("container not running (%s)", id) },
		failed: func(_ string, port int32, _ error) error {
			return socat("connect(5, AF=2 127.0.0.1:%d, 16): Connection refused", port)
		},
		broke: func(_ string, _ int32, err error) error { return socat("read(5, 0x5598, 8192): %v", err) },
	},
}

func socat(format string, args ...any) error {
	return fmt.Errorf("exit status 1: 2026/01/02 03:04:05 socat[6] E "+format+"\n", args...)
}

func netns(sandbox string) string { return "/var/run/netns/cni-" + sandbox[:8] }

// PortForward is called by the kubelet's code for each pair of streams.
func (p *pod) PortForward(ctx context.Context, sandbox string, _ types.UID, port int32, stream io.ReadWriteCloser) error {
	rt := runtimes[p.runtime]
	if p.gone() || !p.running() {
		return rt.closed(sandbox)
	}
	defer stream.Close()
	conn, err := net.Dial("tcp4", net.JoinHostPort(p.app.IP(), fmt.Sprint(port)))
	if err != nil {
		return rt.failed(sandbox, port, inside(err, port))
	}
	defer conn.Close()
	if err = carry(conn.(*net.TCPConn), stream, p.passesHalfClose()); err != nil {
		return rt.broke(sandbox, port, err)
	}
	return nil
}

// inside words a failed dial as it reads inside the pod's network namespace.
func inside(err error, port int32) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("dial tcp4 127.0.0.1:%d: %w", port, op.Err)
	}
	return err
}

func carry(conn *net.TCPConn, stream io.ReadWriter, passHalfClose bool) error {
	down, up := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := io.Copy(stream, conn)
		down <- err
	}()
	go func() {
		_, err := io.Copy(conn, stream)
		if passHalfClose {
			conn.CloseWrite()
		}
		up <- err
	}()
	if passHalfClose {
		return <-down
	}
	var first, other error
	select {
	case first = <-down:
		other = within(time.Second, up)
	case first = <-up:
		other = within(time.Second, down)
	}
	if first == nil {
		return other
	}
	return first
}

func within(limit time.Duration, c chan error) error {
	select {
	case err := <-c:
		return err
	case <-time.After(limit):
		return nil
	}
}
