package main

// The lives of pods, as a kubelet tells them to the API server.

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"porter/tests/cluster/backend"
)

// Annotations of a pod.  All but the runtime may be changed while it runs.
const (
	annRuntime   = "test-node/runtime"     // containerd (default), cri-o or docker: the containerID and the texts of errors
	annHalfClose = "test-node/half-close"  // "pass": hand the client's end to the application, go on until its own
	annReady     = "test-node/ready"       // "false": Running, but not Ready
	annPhase     = "test-node/phase"       // Pending, Succeeded or Failed instead of Running: nothing runs
	annExits     = "test-node/exits-after" // how long it serves once it is told to end; default: its whole grace period
)

type pod struct {
	key     string
	uid     types.UID
	sandbox string
	runtime string
	app     *backend.App

	mu       sync.Mutex
	phase    corev1.PodPhase
	ready    bool
	pass     bool // the half-close
	down     bool // its container is being restarted
	ended    bool // for good
	restarts int32
	started  metav1.Time
	tunnels  tunnels
	end      *time.Timer
}

type tunnels struct {
	Opened int `json:"opened"`
	Open   int `json:"open"`
}

func newPod(obj *corev1.Pod) *pod {
	p := &pod{
		key:     obj.Namespace + "/" + obj.Name,
		uid:     obj.UID,
		sandbox: hexID(obj.UID, "sandbox"),
		runtime: obj.Annotations[annRuntime],
		app:     backend.New(obj.Name),
		phase:   corev1.PodPending,
	}
	if _, known := runtimes[p.runtime]; !known {
		p.runtime = "containerd"
	}
	return p
}

func hexID(parts ...any) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint(parts...))))
}

func (p *pod) locked(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *pod) running() (yes bool) {
	p.locked(func() { yes = p.phase == corev1.PodRunning })
	return yes
}

func (p *pod) gone() (yes bool) {
	p.locked(func() { yes = p.ended })
	return yes
}

func (p *pod) passesHalfClose() (yes bool) {
	p.locked(func() { yes = p.pass || runtimes[p.runtime].passes })
	return yes
}

func (p *pod) countTunnel(by int) {
	p.locked(func() {
		p.tunnels.Opened += max(by, 0)
		p.tunnels.Open += by
	})
}

// seen takes a new or changed pod object.
func (n *node) seen(obj *corev1.Pod) {
	p := n.find(obj.Namespace + "/" + obj.Name)
	if p == nil || p.uid != obj.UID {
		if p != nil {
			p.stop()
		}
		p = newPod(obj)
		n.mu.Lock()
		n.pods[p.key] = p
		n.mu.Unlock()
	}
	if p.gone() {
		return
	}
	p.follow(obj)
	if obj.DeletionTimestamp != nil {
		n.terminate(p, obj)
	}
	n.report(p)
}

func (n *node) deleted(obj *corev1.Pod) {
	if p := n.find(obj.Namespace + "/" + obj.Name); p != nil && p.uid == obj.UID {
		p.stop()
	}
}

// follow does what the annotations say.
func (p *pod) follow(obj *corev1.Pod) {
	was, phase := p.phase, corev1.PodPhase(obj.Annotations[annPhase])
	if phase == "" {
		phase = corev1.PodRunning
	}
	p.locked(func() {
		p.ready = obj.Annotations[annReady] != "false"
		p.pass = obj.Annotations[annHalfClose] == "pass"
		p.phase = phase
	})
	switch {
	case was == phase:
	case phase == corev1.PodRunning:
		p.start()
	case was == corev1.PodRunning:
		p.app.Stop()
	}
}

func (p *pod) start() {
	if err := p.app.Start(); err != nil {
		log.Printf("%s: %v", p.key, err)
	}
	p.locked(func() { p.started, p.down = metav1.Now().Rfc3339Copy(), false })
}

// stop is the pod's end: its processes and its sandbox.  Tunnels stay, as with
// real runtimes: they learn it from the next connection.
func (p *pod) stop() {
	p.locked(func() {
		p.ended = true
		if p.end != nil {
			p.end.Stop()
		}
	})
	p.app.Stop()
}

// terminate lets the pod serve on until its time is up.  It stays Ready until
// then, as with a real kubelet, unless its annotation says otherwise: the
// kubelet's readiness knows nothing of deletion, only EndpointSlices do.
func (n *node) terminate(p *pod, obj *corev1.Pod) {
	left := time.Until(obj.DeletionTimestamp.Time)
	if after, err := time.ParseDuration(obj.Annotations[annExits]); err == nil {
		left = min(left, after)
	}
	p.locked(func() {
		if p.end != nil {
			p.end.Stop()
		}
		p.end = time.AfterFunc(max(left, 0), func() {
			p.stop()
			n.report(p)
			n.remove(p, obj)
		})
	})
}

func (n *node) remove(p *pod, obj *corev1.Pod) {
	opts := metav1.NewDeleteOptions(0)
	opts.Preconditions = metav1.NewUIDPreconditions(string(p.uid))
	err := n.client.CoreV1().Pods(obj.Namespace).Delete(context.Background(), obj.Name, *opts)
	if err != nil && !apierrors.IsNotFound(err) {
		log.Printf("%s: %v", p.key, err)
	}
}

// restart ends the pod's processes and, after a while, starts them anew in
// the same sandbox: another containerID, the same pod.
func (n *node) restart(p *pod, after time.Duration) {
	p.locked(func() { p.down = true })
	p.app.Stop()
	n.report(p)
	time.Sleep(after)
	if p.gone() || !p.running() {
		return
	}
	p.locked(func() { p.restarts++ })
	p.start()
	n.report(p)
}

// report writes the pod's status if it differs from what the API server has.
func (n *node) report(p *pod) {
	ctx := context.Background()
	namespace, name, _ := strings.Cut(p.key, "/")
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		obj, err := n.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil || obj.UID != p.uid {
			return err
		}
		old := obj.Status
		obj.Status = p.status(obj)
		if equality.Semantic.DeepEqual(old, obj.Status) {
			return nil
		}
		_, err = n.client.CoreV1().Pods(namespace).UpdateStatus(ctx, obj, metav1.UpdateOptions{})
		return err
	})
	if err != nil && !apierrors.IsNotFound(err) {
		log.Printf("%s: %v", p.key, err)
	}
}

func (p *pod) status(obj *corev1.Pod) corev1.PodStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := *obj.Status.DeepCopy()
	st.Phase, st.HostIP, st.PodIP, st.PodIPs = p.phase, "127.0.0.1", p.app.IP(), nil
	if st.PodIP != "" {
		st.PodIPs = []corev1.PodIP{{IP: st.PodIP}}
	}
	if st.StartTime == nil {
		now := metav1.Now().Rfc3339Copy()
		st.StartTime = &now
	}
	runs := p.phase == corev1.PodRunning && !p.down && !p.ended
	ready := runs && p.ready
	st.Conditions = []corev1.PodCondition{
		condition(st.Conditions, corev1.PodScheduled, true), condition(st.Conditions, corev1.PodInitialized, true),
		condition(st.Conditions, corev1.ContainersReady, ready), condition(st.Conditions, corev1.PodReady, ready),
	}
	st.ContainerStatuses = nil
	for _, c := range obj.Spec.Containers {
		st.ContainerStatuses = append(st.ContainerStatuses, p.container(c, runs, ready))
	}
	return st
}

func (p *pod) container(c corev1.Container, runs, ready bool) corev1.ContainerStatus {
	cs := corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: c.Image, Ready: ready, Started: &runs, RestartCount: p.restarts}
	switch {
	case runs:
		cs.State.Running = &corev1.ContainerStateRunning{StartedAt: p.started}
	case p.phase == corev1.PodPending:
		cs.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
		return cs
	default:
		cs.State.Terminated = &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: p.started}
	}
	cs.ContainerID = p.runtime + "://" + hexID(p.uid, c.Name, p.restarts)
	return cs
}

// condition keeps the time of an old one that says the same.
func condition(old []corev1.PodCondition, t corev1.PodConditionType, yes bool) corev1.PodCondition {
	status := map[bool]corev1.ConditionStatus{true: corev1.ConditionTrue, false: corev1.ConditionFalse}[yes]
	for _, c := range old {
		if c.Type == t && c.Status == status {
			return c
		}
	}
	return corev1.PodCondition{Type: t, Status: status, LastTransitionTime: metav1.Now().Rfc3339Copy()}
}
