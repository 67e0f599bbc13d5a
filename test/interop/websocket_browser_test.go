// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/brokermesh/brokermesh/pkg/broker"
	"github.com/brokermesh/brokermesh/pkg/broker/data"
	"github.com/brokermesh/brokermesh/pkg/broker/gateway"
)

// browse opens a page in a browser that ends with the test.
func browse(t *testing.T, page string) {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("these tests need a browser (Debian: apt-get install chromium)")
	}
	cmd := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(), page)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it is several processes
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
	})
}

// posted is the body of the next POST to /result.
type posted chan []byte

func (p posted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil && r.Method == http.MethodPost {
		p <- body
	}
}

func (p posted) wait(t *testing.T, into any) {
	t.Helper()
	select {
	case body := <-p:
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	case <-within(t).Done():
		t.Fatal("the page posted nothing in time")
	}
}

// site serves a page, and the gateway beside it: the page's own host.
func site(t *testing.T, e *broker.Endpoint, o gateway.Options, page http.Handler) (*httptest.Server, posted) {
	t.Helper()
	g, err := gateway.New(e, o)
	if err != nil {
		t.Fatal(err)
	}
	results := make(posted, 1)
	mux := http.NewServeMux()
	mux.Handle("/", page)
	mux.Handle("/result", results)
	mux.Handle(gateway.Path, g)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		g.Close()
		server.Close()
	})
	return server, results
}

// pageReport is what websocket_page.html saw.
type pageReport struct {
	Protocol      string
	Ack           struct{ Type, Endpoint string }
	Error, Denied struct{ Type, Code, Context string }
	Echoed        int
	Close, Binary struct{ Code int }
	Refused       struct{ Origin, Token, Agreement bool }
	Friendly      bool
	Failed        string
}

// TestWebSocketBrowser: a page exchanges values with a peer of the node, and is refused where it should be.
func TestWebSocketBrowser(t *testing.T) {
	near, far := endpoint(t, broker.Options{}, ""), endpoint(t, broker.Options{}, "")
	if _, err := near.Peer(within(t), listening(t, far), broker.PeerOptions{}); err != nil {
		t.Fatal(err)
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/websocket_page.html") })
	server, results := site(t, near, gateway.Options{Access: gateway.Access{
		Tokens:      []gateway.Token{{Name: "page", SHA256: gateway.HashToken("right")}},
		Permissions: []gateway.Permission{{Token: "page", Rights: gateway.Rights{Publish: []string{"/from/"}, Subscribe: []string{"/to/"}}}},
	}}, page)
	strict := serving(t, near, gateway.Options{})
	friendly := serving(t, near, gateway.Options{Access: gateway.Access{Origins: []string{"127.0.0.1:*"}}})
	sub := subscribe(t, far, "/from/")
	query := url.Values{"token": {"right"}, "strict": {strict.Addr().String()}, "friendly": {friendly.Addr().String()}}
	browse(t, server.URL+"/?"+query.Encode())
	if m := get(t, sub); m.Topic != "/from/ready" {
		t.Fatalf("message %+v", m)
	}
	values := []data.Value{
		data.None(), data.Boolean(true), data.Count(1 << 53), data.Integer(-5), data.Real(2), data.Real(0.1), data.String("ünï \"q\" \n\x00\xff\U0001f600"),
		data.Enum("Notice::LOG"), data.Set(data.Count(1), data.String("a")), data.Table(data.Entry{Key: data.Vector(), Value: data.Count(1)}), data.Vector(),
		data.String(strings.Repeat("long ", 1<<18)),
	}
	for _, v := range values {
		if err := far.Publish("/to/echo", v); err != nil {
			t.Fatal(err)
		}
		if m := get(t, sub); m.Topic != "/from/echo" || !data.Equal(m.Value, v) {
			t.Errorf("sent %.80s, got %.80s back on %s", v, m.Value, m.Topic)
		}
	}
	if err := far.Publish("/to/end", data.None()); err != nil {
		t.Fatal(err)
	}
	var saw pageReport
	results.wait(t, &saw)
	if saw.Protocol != gateway.Subprotocol || saw.Ack.Type != "ack" || saw.Ack.Endpoint != near.ID().String() || saw.Echoed != len(values) || saw.Failed != "" {
		t.Errorf("the page saw %+v", saw)
	}
	if saw.Error.Code != "deserialization_failed" || saw.Denied.Code != "permission_denied" || saw.Close.Code != 3000 || saw.Binary.Code != 1003 {
		t.Errorf("the page saw %+v", saw)
	}
	if !saw.Refused.Origin || !saw.Refused.Token || !saw.Refused.Agreement || !saw.Friendly {
		t.Errorf("the page saw %+v", saw)
	}
}

// TestWebSocketGuideJavaScript runs the guide's program in a page whose console is posted.
func TestWebSocketGuideJavaScript(t *testing.T) {
	const frame = `<!DOCTYPE html><meta charset="utf-8"><script>
const lines = [];
console.log = (...words) => {
  lines.push(words.join(" "));
  if (words[0] === "closed") fetch("/result", {method: "POST", body: JSON.stringify(lines)});
};
%s</script>`
	e := endpoint(t, broker.Options{}, "")
	program := block(t, "run: javascript")
	server, results := site(t, e, gateway.Options{Access: gateway.Access{Tokens: []gateway.Token{{Name: "page", SHA256: gateway.HashToken("TOKEN")}}}},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, frame, strings.ReplaceAll(program, "127.0.0.1:9997", r.Host))
		}))
	if strings.Contains(program, "</script") || html.UnescapeString(program) != program {
		t.Fatal("the program doesn't fit into a page")
	}
	sub := subscribe(t, e, "/demo/hello")
	browse(t, server.URL)
	if m := get(t, sub); !data.Equal(m.Value, data.Count(42)) {
		t.Fatalf("message %+v", m)
	}
	if err := e.Publish("/demo/answer", data.String("hi")); err != nil {
		t.Fatal(err)
	}
	var lines []string
	results.wait(t, &lines)
	if got, want := strings.Join(lines, "\n")+"\n", block(t, "output: javascript"); got != want {
		t.Errorf("the console has\n%swhere the guide has\n%s", got, want)
	}
}
