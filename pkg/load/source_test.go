// SPDX-License-Identifier: Apache-2.0

package load

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadAll(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a.yml", "c.json", "notes.txt", "kustomization.yaml", "Kustomization.yml", "sub/d.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		paths []string
		want  string // bodies read, or a part of the error
		fails bool
	}{
		{"a folder in the order of names", []string{dir}, "a.yml b.yaml c.json", false},
		{"a file named twice", []string{filepath.Join(dir, "b.yaml"), filepath.Join(dir, ".", "b.yaml"), dir}, "b.yaml a.yml c.json", false},
		{"a file of any name", []string{filepath.Join(dir, "notes.txt"), "-"}, "notes.txt input", false},
		{"a folder without manifests", []string{empty}, "no *.yaml", true},
		{"a file that isn't there", []string{filepath.Join(dir, "x.yaml")}, "x.yaml", true},
		{"nothing", nil, "no manifest", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			sources, err := readAll(c.paths, strings.NewReader("input"))
			if c.fails {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("error %v, want %q in it", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var bodies []string
			for _, s := range sources {
				bodies = append(bodies, string(s.body))
			}
			if got := strings.Join(bodies, " "); got != c.want {
				t.Errorf("read %s, want %s", got, c.want)
			}
		})
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestFilesAreBounded(t *testing.T) {
	if _, err := readAll([]string{Stdin}, endless{}); err == nil || !strings.Contains(err.Error(), "16 MiB") {
		t.Errorf("endless input: %v", err)
	}
}

func TestNothingInIt(t *testing.T) {
	for _, body := range []string{"", "# only a comment\n", "---\n---\n", "apiVersion: v1\nkind: Namespace\n", "kind: List\napiVersion: v1\nitems: []\n"} {
		_, problems, err := Read([]string{Stdin}, strings.NewReader(body))
		if err == nil || len(problems) > 0 {
			t.Errorf("%q: error %v, problems %v; want an error", body, err, problems)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		body string
		want []chunk
	}{
		{"", []chunk{{nil, 1}}},
		{"a\nb", []chunk{{[]byte("a\nb"), 1}}},
		{"a\n---\nb\n", []chunk{{[]byte("a\n"), 1}, {[]byte("b\n"), 3}}},
		{"---\na\n--- # c\r\nb", []chunk{{nil, 1}, {[]byte("a\n"), 2}, {[]byte("b"), 4}}},
		{"a: |\n ---\n----\n--- x\n", []chunk{{[]byte("a: |\n ---\n----\n--- x\n"), 1}}},
		{"a\n---", []chunk{{[]byte("a\n"), 1}, {nil, 3}}},
	} {
		got := split([]byte(c.body))
		if !slices.EqualFunc(got, c.want, func(a, b chunk) bool { return a.line == b.line && string(a.text) == string(b.text) }) {
			t.Errorf("%q: %v", c.body, got)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	for found, want := range map[string]string{
		"lisen": ` (did you mean "listen"?)`, "Datastore": ` (did you mean "DataStore"?)`, "x": "", "webhook": "", strings.Repeat("listen", 100): "",
	} {
		if got := didYouMean(found, []string{"listen", "webSocket", "DataStore"}); got != want {
			t.Errorf("%s: %q, want %q", found, got, want)
		}
	}
}
