package backend

// The servers themselves.  Those that need an order read it as their first
// line: "LENGTH SEED".  The bytes they send are SHAKE-128 of SEED, a blank and
// the number of each piece, from 0, so that both ends can compute them, piece by
// piece, and no two places look alike.

import (
	"bufio"
	"crypto/sha256"
	"crypto/sha3"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

var (
	habits map[int]func(*App, *listener)
	byName map[string]func(*App, *conn) // what the chosen port can be
)

func init() { // not at its declaration: the servers' own code refers to it
	habits = map[int]func(*App, *listener){
		7007: each(echo),
		7009: each(sink),
		7011: each(duplex),
		7012: each(stubborn),
		7013: each(waiter),
		7014: each(resetter),
		7015: each(greeter),
		7019: each(source),
		7020: each(plain),
		7021: each(chosen),
		8080: web,
	}
	byName = map[string]func(*App, *conn){
		"echo": echo, "source": source, "sink": sink, "duplex": duplex, "waiter": waiter,
		"resetter": resetter, "late-sink": lateSink}
}

func each(serve func(*App, *conn)) func(*App, *listener) {
	return func(a *App, l *listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the pod ended
			}
			go func() {
				defer c.Close()
				serve(a, c.(*conn))
			}()
		}
	}
}

// echo sends back what comes, until the peer's end.
func echo(_ *App, c *conn) { io.Copy(c, c) }

// source takes an order, sends that many bytes and closes.
func source(_ *App, c *conn) {
	if n, seed, err := order(bufio.NewReader(c)); err == nil {
		io.CopyN(c, &stream{seed: seed}, n)
	}
}

// sink takes an order (its seed is not used), reads that many bytes, or with a
// negative number all until the peer's end, and answers with their SHA-256.
func sink(_ *App, c *conn) {
	r := bufio.NewReader(c)
	n, _, err := order(r)
	hash := sha256.New()
	if err == nil && n >= 0 {
		_, err = io.CopyN(hash, r, n)
	} else if err == nil {
		_, err = io.Copy(hash, r)
	}
	if err == nil {
		fmt.Fprintf(c, "%x\n", hash.Sum(nil))
	}
}

// duplex takes an order, sends that many bytes while it reads as many, then
// sends the SHA-256 of what it read, and closes.
func duplex(_ *App, c *conn) {
	r := bufio.NewReader(c)
	n, seed, err := order(r)
	if err != nil {
		return
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.CopyN(c, &stream{seed: seed}, n)
		sent <- err
	}()
	hash := sha256.New()
	_, err = io.CopyN(hash, r, n)
	if <-sent == nil && err == nil {
		fmt.Fprintf(c, "%x\n", hash.Sum(nil))
	}
}

// stubborn reads nothing until it is told to (App.Release), then all.
func stubborn(a *App, c *conn) {
	<-a.release
	io.Copy(io.Discard, c)
}

// lateSink is a sink that reads its order, and all behind it, when the stubborn
// port begins to read.
func lateSink(a *App, c *conn) {
	<-a.release
	sink(a, c)
}

// chosen is told by its first line which server to be, so that connections of
// every kind can share one forward.
func chosen(a *App, c *conn) {
	name, b := "", make([]byte, 1)
	for {
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		if b[0] == '\n' {
			break
		}
		name += string(b)
	}
	if serve := byName[name]; serve != nil {
		serve(a, c)
	}
}

// waiter speaks only after the peer's end.
func waiter(_ *App, c *conn) {
	n, err := io.Copy(io.Discard, c)
	if err == nil {
		fmt.Fprintf(c, "got %d bytes\n", n)
	}
}

// resetter takes an order, sends that many bytes, and aborts once the peer's
// kernel has them all.
func resetter(_ *App, c *conn) {
	n, seed, err := order(bufio.NewReader(c))
	if err != nil {
		return
	}
	io.CopyN(c, &stream{seed: seed}, n)
	for unsent(c) > 0 {
		time.Sleep(time.Millisecond)
	}
	c.SetLinger(0)
}

// plain computes nothing, so that measurements are not about it.  It takes an
// order and sends that many bytes; or reads as many, if the number is negative,
// and answers with a line; or, if it is 0, sends back what comes.
func plain(_ *App, c *conn) {
	r := bufio.NewReader(c)
	n, _, err := order(r)
	switch {
	case err != nil:
	case n > 0:
		io.CopyBuffer(struct{ io.Writer }{c}, io.LimitReader(zeros{}, n), make([]byte, 1<<18))
	case n < 0:
		if _, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(r, -n), make([]byte, 1<<18)); err == nil {
			fmt.Fprintln(c, "done")
		}
	default:
		io.Copy(c, r)
	}
}

// zeros is read into new memory only, which holds them already.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// greeter says its name and closes at once.
func greeter(a *App, c *conn) { fmt.Fprintf(c, "hello from %s\n", a.name) }

// web answers with the pod's name; under /slow after three seconds.
func web(a *App, l *listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, a.name) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(3 * time.Second)
		fmt.Fprintln(w, a.name)
	})
	server := http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	server.Serve(l)
}

func order(r *bufio.Reader) (n int64, seed string, err error) {
	line, err := r.ReadString('\n')
	if err == nil {
		_, err = fmt.Sscan(line, &n, &seed)
	}
	return n, seed, err
}

const piece = 32 << 10 // bytes

type stream struct {
	seed  string
	at    int // bytes so far
	shake *sha3.SHAKE
}

func (s *stream) Read(b []byte) (int, error) {
	if s.at%piece == 0 {
		s.shake = sha3.NewSHAKE128()
		fmt.Fprintf(s.shake, "%s %d", s.seed, s.at/piece)
	}
	b = b[:min(len(b), piece-s.at%piece)]
	s.at += len(b)
	return s.shake.Read(b)
}

// unsent is how many bytes the peer's kernel has not acknowledged.
func unsent(c *conn) (n int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err != nil {
		return 0
	}
	return n
}
