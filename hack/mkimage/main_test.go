// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// fixture makes files to put into an image.
func fixture(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for file, mode := range map[string]os.FileMode{"node": 0o755, "web/index.html": 0o644} {
		file = filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(file[len(dir):]), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(t *testing.T, args ...string) {
	t.Helper()
	spec, err := parseFlags(args)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(spec); err != nil {
		t.Fatal(err)
	}
}

func TestImageContent(t *testing.T) {
	dir := fixture(t)
	out := filepath.Join(dir, "out.tar")
	run(t, "-o", out, "-t", "example/a:1", "-t", "example/b:1", "-entrypoint", "/node", "-entrypoint", "run",
		"-link", "bin/other=../node", "/node="+dir+"/node", "/srv="+dir+"/web")

	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(out) })
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range manifest {
		names = append(names, m.RepoTags...)
	}
	slices.Sort(names)
	if want := []string{"example/a:1", "example/b:1"}; !slices.Equal(names, want) {
		t.Errorf("names: got %v, want %v", names, want)
	}

	image, err := tarball.ImageFromPath(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Config.Entrypoint; !slices.Equal(got, []string{"/node", "run"}) || config.Config.User != "65532:65532" {
		t.Errorf("config: got entrypoint %q, user %q", got, config.Config.User)
	}

	got := map[string]string{}
	flat := mutate.Extract(image)
	defer flat.Close()
	for archive := tar.NewReader(flat); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !header.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s: time %v", header.Name, header.ModTime)
		}
		body, _ := io.ReadAll(archive)
		if header.Typeflag == tar.TypeSymlink {
			body = []byte("-> " + header.Linkname)
		}
		got[header.Name] = fmt.Sprintf("%o %s", header.Mode, body)
	}
	for path, want := range map[string]string{
		"node": "755 /node", "srv/index.html": "644 /web/index.html", "bin/other": "777 -> ../node", "tmp": "1777 ", "srv": "755 ",
	} {
		if got[path] != want {
			t.Errorf("%s: got %q, want %q", path, got[path], want)
		}
	}
}

func TestSameInputSameBytes(t *testing.T) {
	dir := fixture(t)
	var archives [2][]byte
	for i := range archives {
		out := filepath.Join(dir, "out.tar")
		run(t, "-o", out, "-t", "example/a:1", "/node="+dir+"/node", "/srv="+dir+"/web")
		archives[i], _ = os.ReadFile(out)
		if err := os.Chtimes(filepath.Join(dir, "node"), time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if len(archives[0]) == 0 || !bytes.Equal(archives[0], archives[1]) {
		t.Errorf("archives of %d and %d bytes differ", len(archives[0]), len(archives[1]))
	}
}

func TestBadArguments(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing":         {},
		"no output":       {"-t", "a:1", "/x=/y"},
		"no name":         {"-o", "x.tar", "/x=/y"},
		"no file":         {"-o", "x.tar", "-t", "a:1"},
		"file without =":  {"-o", "x.tar", "-t", "a:1", "/x"},
		"link without to": {"-o", "x.tar", "-t", "a:1", "-link", "/x=", "/x=/y"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseFlags(args); err == nil {
				t.Error("accepted")
			}
		})
	}
}
