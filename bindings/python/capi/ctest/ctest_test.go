// SPDX-License-Identifier: Apache-2.0

package ctest

import (
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// folder is where the library and the program are; empty until they are built.
var folder string

// build builds them, once.
var build = sync.OnceValues(func() (*built, error) {
	dir, err := os.MkdirTemp("", "ctest-")
	if err != nil {
		return new(built), err
	}
	folder = dir
	b := &built{library: filepath.Join(dir, "libbrokermesh.so"), program: filepath.Join(dir, "ctest")}
	sources, err := filepath.Glob("testdata/*.c")
	if err != nil {
		return b, err
	}
	library := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags", "-s -w", "-o", b.library, "..")
	library.Env = append(os.Environ(), "CGO_ENABLED=1")
	program := exec.Command("cc", append([]string{"-O1", "-Wall", "-Wextra", "-Werror", "-I..", "-o", b.program}, append(sources, "-ldl", "-lpthread")...)...)
	for _, cmd := range []*exec.Cmd{library, program} {
		if b.output, err = cmd.CombinedOutput(); err != nil {
			return b, err
		}
	}
	return b, nil
})

type built struct {
	library, program string
	output           []byte // of what failed
}

func TestMain(m *testing.M) {
	result := m.Run()
	if folder != "" {
		os.RemoveAll(folder)
	}
	os.Exit(result)
}

func theBuild(t *testing.T) *built {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Fatal("there is no C compiler, cc, in PATH (Debian: apt-get install gcc libc6-dev)")
	}
	b, err := build()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, b.output)
	}
	return b
}

// TestLibrary runs the parts of the C program.
func TestLibrary(t *testing.T) {
	b := theBuild(t)
	for _, part := range []string{
		"arguments", "messages", "statuses", "publisher", "stores", "clones", "streams", "endings", "threads", "descriptors", "memory",
	} {
		t.Run(part, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, b.program, b.library, part).CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestHeader compiles the header by itself, as C and as C++ if there is a compiler.
func TestHeader(t *testing.T) {
	theBuild(t)
	for _, language := range []string{"c", "c++"} {
		cmd := exec.Command("cc", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-x", language, "../brokermesh.h")
		if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "cc1plus") {
			t.Errorf("as %s: %v\n%s", language, err, out)
		}
	}
}

// TestExports compares what the library exports with what the header declares.
func TestExports(t *testing.T) {
	b := theBuild(t)
	f, err := elf.Open(b.library)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	var exported []string
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF && strings.HasPrefix(s.Name, "bm_") {
			exported = append(exported, s.Name)
		}
	}
	header, err := os.ReadFile("../brokermesh.h")
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	for line := range strings.Lines(string(header)) {
		result, rest, _ := strings.Cut(line, " ")
		if name, _, ok := strings.Cut(rest, "("); ok && (result == "int" || result == "void") {
			declared = append(declared, name)
		}
	}
	slices.Sort(exported)
	slices.Sort(declared)
	if !slices.Equal(exported, declared) || len(declared) == 0 {
		t.Errorf("exported: %v\ndeclared: %v", exported, declared)
	}
}
