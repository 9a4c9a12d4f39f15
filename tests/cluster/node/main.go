// Command node is a Kubernetes node for tests.  It registers a Node, runs the
// pods bound to it as small servers on loopback addresses (package backend),
// and serves the kubelet's port-forward endpoint with the kubelet's own code.
//
// pods.go keeps the pods' lives, runtime.go carries one connection as the
// container runtimes do, control.go is the tests' way in.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubelet/pkg/cri/streaming/portforward"
)

type node struct {
	client kubernetes.Interface
	name   string
	mu     sync.Mutex
	pods   map[string]*pod // by namespace/name; ended ones stay, for their counts
}

// serve is the kubelet's endpoint: /portForward/NAMESPACE/POD[/UID].
func (n *node) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(path) < 3 || path[0] != "portForward" {
		http.NotFound(w, r)
		return
	}
	p := n.find(path[1] + "/" + path[2])
	if p == nil || p.gone() {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return
	}
	if !p.running() { // the kubelet asks its runtime for running pods only
		http.Error(w, "pod not found (\""+path[2]+"_"+path[1]+"\")", http.StatusInternalServerError)
		return
	}
	opts, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.countTunnel(+1)
	defer p.countTunnel(-1)
	portforward.ServePortForward(w, r, p, p.sandbox, "", opts, 4*time.Hour, 30*time.Second,
		portforward.SupportedProtocols)
}

func (n *node) find(key string) *pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pods[key]
}

// watch keeps n.pods as the API server has them.
func (n *node) watch(stop <-chan struct{}) {
	mine := func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", n.name).String()
	}
	factory := informers.NewSharedInformerFactoryWithOptions(n.client, 0, informers.WithTweakListOptions(mine))
	factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { n.seen(obj.(*corev1.Pod)) },
		UpdateFunc: func(_, obj any) { n.seen(obj.(*corev1.Pod)) },
		DeleteFunc: func(obj any) {
			if last, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = last.Obj
			}
			n.deleted(obj.(*corev1.Pod))
		},
	})
	factory.Start(stop)
}

func (n *node) register(ctx context.Context, at *net.TCPAddr) error {
	obj := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.name}}
	created, err := n.client.CoreV1().Nodes().Create(ctx, obj, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	now := metav1.Now()
	created.Status = corev1.NodeStatus{
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: at.IP.String()}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(at.Port)}},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue,
			Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now}},
	}
	_, err = n.client.CoreV1().Nodes().UpdateStatus(ctx, created, metav1.UpdateOptions{})
	return err
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "of an administrator")
	name := flag.String("name", "test-node", "of the Node object")
	cert := flag.String("cert", "", "serving certificate")
	key := flag.String("key", "", "its key")
	ready := flag.String("ready", "", "file to write once all is up: the control endpoint's address")
	flag.Parse()

	cfg := must(clientcmd.BuildConfigFromFlags("", *kubeconfig))
	cfg.QPS, cfg.Burst = 500, 1000
	n := &node{client: must(kubernetes.NewForConfig(cfg)), name: *name, pods: map[string]*pod{}}

	kubelet := must(net.Listen("tcp4", "127.0.0.1:0"))
	control := must(net.Listen("tcp4", "127.0.0.1:0"))
	if err := n.register(context.Background(), kubelet.Addr().(*net.TCPAddr)); err != nil {
		log.Fatal(err)
	}
	n.watch(make(chan struct{}))
	go http.Serve(control, n.control())
	os.WriteFile(*ready+".new", must(json.Marshal("http://"+control.Addr().String())), 0o644)
	os.Rename(*ready+".new", *ready)
	log.Fatal(http.ServeTLS(kubelet, http.HandlerFunc(n.serve), *cert, *key))
}
