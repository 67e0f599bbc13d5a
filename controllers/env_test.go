// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"
)

var (
	verbose = flag.Bool("manager-log", false, "show the manager's log")
	logger  *slog.Logger
)

// cluster is a kube-apiserver with its etcd, started by the first test that needs one. There is no kubelet and no other controller:
// nothing makes pods of StatefulSets, and nothing collects garbage.
var cluster struct {
	sync.Once
	env    *envtest.Environment
	config *rest.Config
	err    error
}

func TestMain(m *testing.M) {
	flag.Parse()
	handler := slog.DiscardHandler
	if *verbose {
		handler = slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	logger = slog.New(handler)
	log.SetLogger(logr.FromSlogHandler(handler))
	code := reachedAll(m.Run())
	if cluster.env != nil {
		if err := cluster.env.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the API server:", err)
		}
	}
	os.Exit(code)
}

func startCluster() {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		cluster.err = errors.New("KUBEBUILDER_ASSETS is not set; set it to what hack/envtest/assets prints")
		return
	}
	if _, err := os.Stat(filepath.Join(assets, "kube-apiserver")); err != nil {
		cluster.err = fmt.Errorf("no API server in KUBEBUILDER_ASSETS, hack/envtest/assets builds it: %w", err)
		return
	}
	cluster.env = &envtest.Environment{
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{"../config/crd/bases"},
		ErrorIfCRDPathMissing: true,
		// A machine that builds other things at the same time is slow.
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
		Scheme:                   NewScheme(),
	}
	if cluster.config, cluster.err = cluster.env.Start(); cluster.err == nil {
		cluster.err = bindRoles("../config/rbac/role.yaml", "../config/rbac/role_binding.yaml")
	}
}

// managerUser is who the manager is in a cluster. The tests' managers are too, so that they find out what its role lacks.
const managerUser = "system:serviceaccount:brokermesh-system:brokermesh-manager"

func bindRoles(files ...string) error {
	c, err := client.New(cluster.config, client.Options{})
	if err != nil {
		return err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var o unstructured.Unstructured
		if err := yaml.Unmarshal(b, &o.Object); err != nil {
			return fmt.Errorf("decode %s: %w", file, err)
		}
		if err := c.Create(context.Background(), &o); err != nil {
			return fmt.Errorf("create %s: %w", o.GetKind(), err)
		}
	}
	return nil
}

// world is a namespace of its own with a manager that looks at nothing else.
type world struct {
	t         *testing.T
	namespace string
	client    client.Client
	requests  *requests
	puppets   *puppets
	user      string // whose rights the manager has
	options   Options
	stop      func()
}

// newWorld makes a namespace. Its manager runs after start.
func newWorld(t *testing.T) *world {
	t.Helper()
	cluster.Do(startCluster)
	if cluster.err != nil {
		t.Fatalf("start the API server: %v", cluster.err)
	}
	scheme := NewScheme()
	if err := eventsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(cluster.config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "mesh-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, namespace: namespace.Name, client: c, requests: &requests{}, user: managerUser}
	w.puppets = &puppets{world: w, byName: make(map[string]*puppet)}
	w.options = Options{Image: "brokermesh-node:test", Address: w.puppets.address, Logger: logger}
	t.Cleanup(w.puppets.close)
	return w
}

// secretive checks that no Secret was listed or watched with its contents.
func (w *world) secretive() {
	w.t.Helper()
	w.requests.mu.Lock()
	defer w.requests.mu.Unlock()
	if seen := w.requests.mu.revealing; len(seen) > 0 {
		w.t.Errorf("contents of Secrets were asked for wholesale: %q", seen)
	}
}

// start runs a manager until stop is called or the test ends.
func (w *world) start() {
	w.t.Helper()
	mgr, err := newManager(w.namespace, w.user, w.requests)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := Add(mgr, w.options); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the manager ended: %v", err)
		}
		w.secretive()
	})
	w.t.Cleanup(w.stop)
}

func newManager(namespace, user string, seen *requests, mods ...func(*ctrl.Options)) (ctrl.Manager, error) {
	cfg := rest.CopyConfig(cluster.config)
	cfg.QPS = -1
	cfg.Impersonate.UserName = user
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &counter{next: next, seen: seen} })
	o := ctrl.Options{
		Scheme:     NewScheme(),
		Cache:      CacheOptions(namespace),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)},
	}
	for _, mod := range mods {
		mod(&o)
	}
	return ctrl.NewManager(cfg, o)
}

// requests remembers what a manager sends, other than reads.
type requests struct {
	mu struct {
		sync.Mutex
		writes []string
		reads  int
		// revealing are lists and watches of Secrets with their contents.
		revealing []string
	}
}

func (r *requests) writes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.mu.writes...)
}

// counter is a transport that tells requests.
type counter struct {
	next http.RoundTripper
	seen *requests
}

// RoundTrip notes the request and passes it on.
func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.seen.mu.Lock()
	if r.Method == http.MethodGet {
		c.seen.mu.reads++
		if strings.HasSuffix(r.URL.Path, "/secrets") && !strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata") {
			c.seen.mu.revealing = append(c.seen.mu.revealing, r.URL.String())
		}
	} else {
		c.seen.mu.writes = append(c.seen.mu.writes, r.Method+" "+r.URL.Path)
	}
	c.seen.mu.Unlock()
	note(r)
	return c.next.RoundTrip(r)
}

const patience = time.Minute

// eventually waits until check finds nothing wrong.
func (w *world) eventually(what string, check func() error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			w.t.Fatalf("%s: %v", what, err)
		case <-tick.C:
		}
	}
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, o := range objects {
		o.SetNamespace(w.namespace)
		if err := w.client.Create(w.t.Context(), o); err != nil {
			w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
		}
	}
}

func (w *world) get(name string, o client.Object) error {
	return w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, o)
}

func (w *world) mustGet(name string, o client.Object) {
	w.t.Helper()
	if err := w.get(name, o); err != nil {
		w.t.Fatalf("get %T %s: %v", o, name, err)
	}
}

// appears waits for an object.
func (w *world) appears(name string, o client.Object) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("%T %s", o, name), func() error { return w.get(name, o) })
}

// change reads an object, changes it and writes it, as a user does.
func (w *world) change(name string, o client.Object, manager string, mod func()) {
	w.t.Helper()
	w.eventually("change "+name, func() error {
		if err := w.get(name, o); err != nil {
			return err
		}
		mod()
		return w.client.Update(w.t.Context(), o, client.FieldOwner(manager))
	})
}

// event waits for an Event with the reason whose note has all the words.
func (w *world) event(reason string, words ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("an Event %s with %q", reason, words), func() error {
		var list eventsv1.EventList
		if err := w.client.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Reason == reason && hasAll(e.Note, words) {
				return nil
			}
		}
		return fmt.Errorf("none of %d", len(list.Items))
	})
}

func hasAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// condition wants a condition of an object to have a status and a reason.
func condition(conditions []metav1.Condition, kind string, status metav1.ConditionStatus, reason string) error {
	for _, c := range conditions {
		if c.Type == kind {
			if c.Status == status && c.Reason == reason {
				return nil
			}
			return fmt.Errorf("%s is %s, %s (%s)", c.Type, c.Status, c.Reason, c.Message)
		}
	}
	return fmt.Errorf("no condition %s", kind)
}
