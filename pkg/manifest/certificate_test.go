// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"os"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

func TestCertificateGolden(t *testing.T) {
	var got bytes.Buffer
	for _, in := range []CertificateInput{
		{
			Namespace: "demo", Secret: "worker-1-tls", Owner: node(), Issuer: IssuerRef{Name: "mine"}, CommonName: "worker-1",
			URI: "brokermesh://demo/node/worker-1", DNSNames: []string{"*.worker-1-pods.demo.svc"}, Lifetime: 90 * 24 * time.Hour,
		},
		{
			Namespace: "demo", Secret: "brokermesh-client", Issuer: IssuerRef{Name: "all", Kind: "ClusterIssuer", Group: "example.org"},
			CommonName: "client", URI: "brokermesh://demo/client", Lifetime: 15 * time.Minute,
		},
	} {
		doc, err := Document(Certificate(in))
		if err != nil {
			t.Fatal(err)
		}
		b, err := yaml.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString("---\n")
		got.Write(b)
	}
	const file = "testdata/certificates.yaml"
	if *rewrite {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}
