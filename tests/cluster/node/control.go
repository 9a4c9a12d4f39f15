package main

// The tests' way in, plain HTTP on a loopback port:
//
//	GET  /pods/NAMESPACE/NAME                  what the pod has seen
//	POST /pods/NAMESPACE/NAME/read             its stubborn port begins to read
//	POST /pods/NAMESPACE/NAME/restart?down=2s  its container restarts, and is down that long
//	POST /pods/NAMESPACE/NAME/listen?port=7007&yes=false  a port refuses new connections (yes=true: takes them again)

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"porter/tests/cluster/backend"
)

type report struct {
	UID     string                `json:"uid"`
	IP      string                `json:"ip"`
	Sandbox string                `json:"sandbox"`
	Ended   bool                  `json:"ended"`
	Tunnels tunnels               `json:"tunnels"`
	Ports   map[int]backend.Count `json:"ports"`
}

func (n *node) control() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(*pod, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			p := n.find(r.PathValue("namespace") + "/" + r.PathValue("name"))
			if p == nil {
				http.NotFound(w, r)
				return
			}
			if err := f(p, r); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(p.report())
		})
	}
	handle("GET /pods/{namespace}/{name}", func(*pod, *http.Request) error { return nil })
	handle("POST /pods/{namespace}/{name}/read", func(p *pod, _ *http.Request) error {
		p.app.Release()
		return nil
	})
	handle("POST /pods/{namespace}/{name}/restart", func(p *pod, r *http.Request) error {
		down, err := time.ParseDuration(r.FormValue("down"))
		if err == nil {
			n.restart(p, down)
		}
		return err
	})
	handle("POST /pods/{namespace}/{name}/listen", func(p *pod, r *http.Request) error {
		port, _ := strconv.Atoi(r.FormValue("port"))
		return p.app.Listen(port, r.FormValue("yes") == "true")
	})
	return mux
}

func (p *pod) report() report {
	p.mu.Lock()
	defer p.mu.Unlock()
	return report{string(p.uid), p.app.IP(), p.sandbox, p.ended, p.tunnels, p.app.Counts()}
}
