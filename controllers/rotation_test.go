// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/brokermesh/brokermesh/api/v1alpha1"
	"github.com/brokermesh/brokermesh/pkg/manifest"
	"github.com/brokermesh/brokermesh/pkg/meshtls"
	"github.com/brokermesh/brokermesh/pkg/pki"
)

func newRing(t *testing.T, now time.Time, steps int) pki.Keyring {
	t.Helper()
	make := func(name string) *pki.Authority {
		a, err := pki.NewAuthority(rand.Reader, now, name)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	ring := pki.NewKeyring(make("old"))
	if steps > 0 {
		ring = ring.Begin(make("new"))
	}
	for range steps - 1 {
		ring = ring.Advance()
	}
	return ring
}

// TestRotationDecisions tries what each step waits for.
func TestRotationDecisions(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const (
		settled = iota
		spreading
		replacing
	)
	outside := func(installed string) func(r *rotation) {
		return func(r *rotation) { r.pods, r.outside = r.pods[:1], map[string]string{"b": installed} }
	}
	for name, c := range map[string]struct {
		step    int
		change  func(r *rotation)
		want    string // begin, advance, forced, or empty
		waiting string // words of the only node that is waited for
	}{
		"nothing asked":         {settled, nil, "", ""},
		"asked":                 {settled, func(r *rotation) { r.wanted = true }, "begin", ""},
		"asked again meanwhile": {spreading, func(r *rotation) { r.wanted, r.pods[0].trustHash = true, "x" }, "", "pod a-0 has not reported that it trusts the new authority"},
		"all trust both":        {spreading, nil, "advance", ""},
		"one pod doesn't": {spreading, func(r *rotation) { r.pods[1].trustHash = "x" }, "",
			"pod b-0 has not reported that it trusts the new authority"},
		"one pod is away":                      {spreading, func(r *rotation) { r.pods[1].trustHash, r.pods[1].silent = "", true }, "", "it doesn't answer"},
		"one pod was heard and is away now":    {spreading, func(r *rotation) { r.pods[1].silent = true }, "advance", ""},
		"one pod is on no machine":             {spreading, func(r *rotation) { r.pods = r.pods[:1] }, "advance", ""},
		"a Secret isn't written":               {spreading, func(r *rotation) { r.certified["b-tls"] = certified{} }, "", "its Secret is not written yet"},
		"a pod of a node that is gone":         {spreading, func(r *rotation) { r.nodes = r.nodes[:1]; r.pods[1].trustHash = "x" }, "advance", ""},
		"no nodes":                             {spreading, func(r *rotation) { r.nodes, r.pods = nil, nil }, "advance", ""},
		"leaves differ while bundles are sent": {spreading, func(r *rotation) { r.pods[1].leafSerial = "x" }, "advance", ""},
		"the old authority is about to end":    {spreading, func(r *rotation) { r.pods[1].trustHash, r.now = "x", r.ring.Deadline() }, "forced", "has not reported"},
		"all have new leaves":                  {replacing, nil, "advance", ""},
		"one pod has an old leaf":              {replacing, func(r *rotation) { r.pods[0].leafSerial = "x" }, "", "pod a-0 has not reported a certificate of the new authority"},
		"the old authority has ended":          {replacing, func(r *rotation) { r.pods[0].leafSerial, r.now = "x", r.ring.Deadline() }, "forced", "a certificate of the new"},
		"the bundle of now doesn't matter":     {replacing, func(r *rotation) { r.pods[0].trustHash = "x" }, "advance", ""},
		"a Secret is of the step before":       {replacing, func(r *rotation) { r.certified["a-tls"] = certified{trustHash: "x", serial: "a"} }, "", "its Secret is not written yet"},
		"nobody says what is outside":          {spreading, outside(""), "", "nobody has said that it has the certificates of Secret b-tls"},
		"outside has others":                   {replacing, outside("c0ffee"), "", "allowed: b0b, or *"},
		"outside has them":                     {spreading, outside("B0B"), "advance", ""},
		"outside doesn't matter":               {replacing, outside("*"), "advance", ""},
		"outside, and the old authority ends":  {spreading, func(r *rotation) { outside("")(r); r.now = r.ring.Deadline() }, "forced", "nobody has said"},
		"outside, its Secret isn't written":    {spreading, func(r *rotation) { outside("")(r); r.certified["b-tls"] = certified{} }, "", "its Secret is not written yet"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rotation{ring: newRing(t, now, c.step), nodes: []string{"a", "b"}, certified: make(map[string]certified), now: now}
			hash := meshtls.Hash(r.ring.Authority().CertPEM())
			for _, node := range r.nodes {
				r.certified[manifest.SecretName(node)] = certified{trustHash: hash, serial: node, content: node + "0" + node}
				r.pods = append(r.pods, podTrust{node: node, pod: node + "-0", trustHash: hash, leafSerial: node})
			}
			if c.change != nil {
				c.change(&r)
			}
			got := r.decide()
			said := map[[3]bool]string{
				{}: "", {true, false, false}: "begin", {false, true, false}: "advance", {false, true, true}: "forced",
			}[[3]bool{got.begin, got.advance, got.forced}]
			words := slices.Collect(maps.Values(got.waiting))
			if said != c.want || len(words) > 1 || (c.waiting == "") != (len(words) == 0) || len(words) == 1 && !hasAll(words[0], []string{c.waiting}) {
				t.Errorf("%q, waits for %q", said, words)
			}
		})
	}
}

// ring reads where the rotation of the world's authority is.
func (w *world) ring() pki.Keyring {
	w.t.Helper()
	var secret corev1.Secret
	w.mustGet(CASecret, &secret)
	ring, err := pki.ParseKeyring(secret.Data)
	if err != nil {
		w.t.Fatal(err)
	}
	return ring
}

// step waits until the rotation is in a step and the Secrets of all nodes are of that step.
func (w *world) step(want pki.Step, nodes ...string) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("step %v", want), func() error {
		ring := w.ring()
		if ring.Step() != want {
			return fmt.Errorf("it is %v", ring.Step())
		}
		for _, name := range append(nodes, "brokermesh-client") {
			request := pki.NodeRequest(w.namespace, name)
			if name == "zeek" {
				request = pki.ExternalRequest(w.namespace, name, "")
			}
			secret := manifest.SecretName(name)
			if name == "brokermesh-client" {
				request, secret = pki.ClientRequest(w.namespace), ClientSecret
			}
			var s corev1.Secret
			w.mustGet(secret, &s)
			if meshtls.Hash(s.Data[manifest.CAKey]) != meshtls.Hash(ring.Authority().CertPEM()) {
				return fmt.Errorf("%s has another bundle", secret)
			}
			leaf := pki.Leaf{Cert: s.Data[manifest.CertKey], Key: s.Data[manifest.KeyKey]}
			if err := ring.Authority().Check(leaf, time.Now(), request); err != nil {
				return fmt.Errorf("%s: %w", secret, err)
			}
		}
		return nil
	})
}

// TestRotation replaces the authority of a mesh in which one pod is slow, with a manager that dies on the way.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ahead atomic.Int64
	w.options.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	w.start()
	pods := w.triangle()
	names := []string{"a", "b", "c"}
	old := w.ring().Authority()
	var ca corev1.Secret
	w.change(CASecret, &ca, "user", func() { ca.Annotations = map[string]string{RotateAnnotation: "now"} })
	w.step(pki.Spreading, names...)
	w.event("RotationBegan", "Step 1 of 3")
	pods["a"].remount()
	pods["b"].remount()

	ahead.Store(int64(rotationPatience + time.Minute))
	held := func() error {
		return condition(w.node("c").Status.Conditions, v1alpha1.ConditionCertificatesCurrent, metav1.ConditionFalse, string(v1alpha1.ReasonHoldsUpRotation))
	}
	w.eventually("c's status says that it is waited for", held)
	w.event(string(v1alpha1.ReasonHoldsUpRotation), "pod c-0 has not reported")
	if err := condition(w.node("a").Status.Conditions, v1alpha1.ConditionCertificatesCurrent, "", ""); err == nil || w.ring().Step() != pki.Spreading {
		t.Errorf("step %v; a: %v", w.ring().Step(), err)
	}
	w.stop()
	w.start()
	w.eventually("the next manager waits for c", held)

	pods["c"].remount()
	w.step(pki.Replacing, names...)
	w.eventually("c is no longer waited for", func() error {
		if held() == nil {
			return errors.New("it is")
		}
		return nil
	})
	for _, p := range pods {
		p.remount()
	}
	w.step(pki.Settled, names...)
	w.event("RotationDone", "Step 3 of 3")
	if now := w.ring().Authority(); meshtls.Hash(now.CertPEM()) == meshtls.Hash(old.CertPEM()) {
		t.Error("the authority is the old one")
	}
	for _, p := range pods {
		p.remount()
	}
	w.mustGet(CASecret, &ca)
	if ca.Annotations[RotatedAnnotation] != "now" || ca.Annotations[RotationAnnotation] != "" || len(ca.Data) != 2 {
		t.Errorf("annotations %v, %d keys", ca.Annotations, len(ca.Data))
	}
	w.moreAnswers(pods, 2, true)
	w.healthy()
}

// TestRotationByAge: two thirds of the life of an authority that the operator made start a rotation; those of a user's don't.
func TestRotationByAge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.create(brokerNode("a"))
	w.appears("a", &appsv1.StatefulSet{})
	w.step(pki.Settled, "a")
	old := w.ring().Authority()
	w.stop()
	ahead := pki.AuthorityLifetime * 3 / 4
	w.options.Now = func() time.Time { return time.Now().Add(ahead) }
	w.start()
	w.event("RotationDone") // nobody has to be waited for
	if now := w.ring().Authority(); meshtls.Hash(now.CertPEM()) == meshtls.Hash(old.CertPEM()) {
		t.Error("the authority is the old one")
	}
}

// TestRotationOutside: a rotation waits for what the owner of an external node says.
func TestRotationOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ahead atomic.Int64
	w.options.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	w.start()
	zeek := brokerNode("zeek")
	zeek.Spec.External = &v1alpha1.ExternalSpec{}
	w.create(brokerNode("a"), zeek)
	for _, name := range []string{CASecret, ClientSecret, manifest.SecretName("a"), manifest.SecretName("zeek")} {
		w.appears(name, &corev1.Secret{})
	}
	w.step(pki.Settled, "a", "zeek")
	var ca corev1.Secret
	w.change(CASecret, &ca, "user", func() { ca.Annotations = map[string]string{RotateAnnotation: "now"} })
	for _, step := range []pki.Step{pki.Spreading, pki.Replacing} {
		w.step(step, "a", "zeek")
		var s corev1.Secret
		w.mustGet(manifest.SecretName("zeek"), &s)
		content := contentOf(s.Data[manifest.CAKey], s.Data[manifest.CertKey])
		ahead.Add(int64(rotationPatience + time.Minute))
		w.eventually("zeek is waited for", func() error {
			c := apimeta.FindStatusCondition(w.node("zeek").Status.Conditions, v1alpha1.ConditionCertificatesCurrent)
			if c == nil || c.Reason != string(v1alpha1.ReasonHoldsUpRotation) || !hasAll(c.Message, []string{content, v1alpha1.InstalledAnnotation}) {
				return fmt.Errorf("%+v", c)
			}
			return nil
		})
		if now := w.ring().Step(); now != step {
			t.Errorf("step %v, want %v", now, step)
		}
		node := w.node("zeek")
		w.change("zeek", node, "owner", func() { node.Annotations = map[string]string{v1alpha1.InstalledAnnotation: content} })
	}
	w.step(pki.Settled, "a", "zeek")
}
