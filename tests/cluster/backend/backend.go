// Package backend is what runs "inside" a pod: small servers on the pod's own
// loopback address, each with one habit that a port-forward has to carry, and
// a count of every connection as the application sees it.  When a pod runs and
// when it ends is the node's business.
package backend

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
)

// Count is what the application has seen on one port.
type Count struct {
	Accepted int            `json:"accepted"`
	Open     int            `json:"open"`
	In       int64          `json:"in"`    // bytes read
	Out      int64          `json:"out"`   // bytes written
	Ended    map[string]int `json:"ended"` // eof, reset: by the peer; closed: by the server; stopped: with the pod
}

// App is one pod's set of servers.  Its counts outlive Stop.
type App struct {
	name    string
	mu      sync.Mutex
	ip      string
	release chan struct{}        // closed: the stubborn port reads
	listen  map[int]net.Listener // nil: stopped
	conns   map[*conn]bool
	counts  map[int]*Count
}

// New makes an application that does not run yet; name is what its HTTP server says.
func New(name string) *App {
	a := &App{name: name, release: make(chan struct{}), conns: map[*conn]bool{}, counts: map[int]*Count{}}
	for port := range habits {
		a.counts[port] = &Count{Ended: map[string]int{}}
	}
	return a
}

// Start listens, at the first time on a loopback address on which every port
// is free, later on the same one again.
func (a *App) Start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ip != "" {
		return a.bind(a.ip)
	}
	var err error
	for range 100 {
		ip := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
		if err = a.bind(ip); err == nil {
			a.ip = ip
			return nil
		}
	}
	return err
}

func (a *App) bind(ip string) error {
	a.listen = map[int]net.Listener{}
	for port := range habits {
		if err := a.bindPort(ip, port); err != nil {
			a.closeListeners()
			return err
		}
	}
	return nil
}

func (a *App) bindPort(ip string, port int) error {
	l, err := net.Listen("tcp4", net.JoinHostPort(ip, fmt.Sprint(port)))
	if err == nil {
		a.listen[port] = l
		go habits[port](a, &listener{l, a, port})
	}
	return err
}

func (a *App) closeListeners() {
	for _, l := range a.listen {
		l.Close()
	}
	a.listen = nil
}

// Listen makes one port of a running application refuse new connections, or
// take them again.  Those it has go on.
func (a *App) Listen(port int, yes bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.listen == nil || habits[port] == nil {
		return fmt.Errorf("nothing runs on port %d", port)
	}
	l := a.listen[port]
	switch {
	case yes && l == nil:
		return a.bindPort(a.ip, port)
	case !yes && l != nil:
		delete(a.listen, port)
		return l.Close()
	}
	return nil
}

// Stop ends all as the death of a process does.
func (a *App) Stop() {
	a.mu.Lock()
	a.closeListeners()
	var open []*conn
	for c := range a.conns {
		open = append(open, c)
	}
	a.mu.Unlock()
	for _, c := range open {
		c.end("stopped")
		c.Close()
	}
}

// IP is the pod's address, "" before the first Start.
func (a *App) IP() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ip
}

// Release makes the stubborn port read, now and later.
func (a *App) Release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.release:
	default:
		close(a.release)
	}
}

// Counts is a copy of the counts of every port.
func (a *App) Counts() map[int]Count {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[int]Count{}
	for port, c := range a.counts {
		one := *c
		one.Ended = map[string]int{}
		for how, n := range c.Ended {
			one.Ended[how] = n
		}
		out[port] = one
	}
	return out
}

type listener struct {
	net.Listener
	app  *App
	port int
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	counted := &conn{TCPConn: c.(*net.TCPConn), app: l.app, count: l.app.counts[l.port]}
	l.app.mu.Lock()
	defer l.app.mu.Unlock()
	if l.app.listen[l.port] != l.Listener { // stopped in between
		c.Close()
		return nil, net.ErrClosed
	}
	counted.count.Accepted++
	counted.count.Open++
	l.app.conns[counted] = true
	return counted, nil
}

// conn counts what passes, and how it ended: the first sign counts.
type conn struct {
	*net.TCPConn
	app    *App
	count  *Count
	ended  bool
	closed bool
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.note(&c.count.In, n, err)
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.note(&c.count.Out, n, err)
	return n, err
}

// ReadFrom and WriteTo hide the kernel's short cuts, which nobody could count.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(struct{ io.Writer }{c}, r) }
func (c *conn) WriteTo(w io.Writer) (int64, error)  { return io.Copy(w, struct{ io.Reader }{c}) }

func (c *conn) note(sum *int64, n int, err error) {
	c.app.mu.Lock()
	*sum += int64(n)
	c.app.mu.Unlock()
	switch {
	case errors.Is(err, io.EOF):
		c.end("eof")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		c.end("reset")
	}
}

func (c *conn) end(how string) {
	c.app.mu.Lock()
	defer c.app.mu.Unlock()
	if !c.ended {
		c.ended = true
		c.count.Ended[how]++
	}
}

func (c *conn) Close() error {
	c.end("closed")
	c.app.mu.Lock()
	if !c.closed {
		c.closed = true
		c.count.Open--
		delete(c.app.conns, c)
	}
	c.app.mu.Unlock()
	return c.TCPConn.Close()
}
