// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// benchPackages are searched for Go benchmarks.
var benchPackages = []string{"pkg/bench", "pkg/broker", "pkg/store"}

// tree is a state of the repository whose benchmarks are run.
type tree struct {
	name, folder string
	programs     map[string]string // by package folder
	out          bytes.Buffer
}

// compareGo runs the Go benchmarks of this tree and of an earlier commit in
// turn, and lets benchstat compare them.
func compareGo(ctx context.Context, o options) error {
	work, err := os.MkdirTemp("", "brokermesh-gobench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	trees := []*tree{{name: "new", folder: "."}}
	if folder, err := checkOut(ctx, o.previous, work); err != nil {
		fmt.Fprintf(os.Stderr, "bench: nothing to compare with: %v\n", err)
	} else {
		defer git(context.WithoutCancel(ctx), "worktree", "remove", "--force", folder)
		trees = append([]*tree{{name: "old", folder: folder}}, trees...)
	}
	for _, t := range trees {
		if err := t.build(ctx, filepath.Join(work, "programs-"+t.name)); err != nil {
			return fmt.Errorf("build the benchmarks of the %s tree: %w", t.name, err)
		}
	}
	for i := range o.goRuns {
		fmt.Fprintf(os.Stderr, "== Go benchmarks, run %d of %d\n", i+1, o.goRuns)
		for _, pkg := range packagesOf(trees) {
			for _, t := range trees {
				if err := t.run(ctx, pkg, o); err != nil {
					return fmt.Errorf("benchmarks of %s, %s tree: %w", pkg, t.name, err)
				}
			}
		}
	}
	return statistics(ctx, trees, o.out)
}

// statistics writes what the benchmarks printed, and what benchstat makes of
// it.
func statistics(ctx context.Context, trees []*tree, out string) error {
	args := []string{"tool", "benchstat"}
	for _, t := range trees {
		file := filepath.Join(out, t.name+".txt")
		if err := os.WriteFile(file, t.out.Bytes(), 0o644); err != nil {
			return err
		}
		args = append(args, t.name+"="+file)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	table, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("benchstat: %w", err)
	}
	fmt.Printf("\n%s", table)
	return os.WriteFile(filepath.Join(out, "benchstat.txt"), table, 0o644)
}

// checkOut makes a worktree of a commit.
func checkOut(ctx context.Context, commit, work string) (string, error) {
	folder := filepath.Join(work, "old")
	if out, err := git(ctx, "worktree", "add", "--detach", folder, commit); err != nil {
		return "", errors.Join(err, errors.New(strings.TrimSpace(out)))
	}
	return folder, nil
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return string(out), err
}

// build makes the test programs of all packages with benchmarks.
func (t *tree) build(ctx context.Context, to string) error {
	t.programs = map[string]string{}
	folders, err := withBenchmarks(t.folder)
	if err != nil {
		return err
	}
	for _, pkg := range folders {
		program, err := filepath.Abs(filepath.Join(to, strings.ReplaceAll(pkg, "/", "-")))
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, "./"+pkg)
		cmd.Dir, cmd.Stderr = t.folder, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", pkg, err)
		}
		t.programs[pkg] = program
	}
	return nil
}

// withBenchmarks finds the folders whose tests have benchmarks.
func withBenchmarks(root string) ([]string, error) {
	var found []string
	for _, from := range benchPackages {
		err := filepath.WalkDir(filepath.Join(root, from), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil || !bytes.Contains(text, []byte("\nfunc Benchmark")) {
				return err
			}
			pkg, err := filepath.Rel(root, filepath.Dir(path))
			if pkg = filepath.ToSlash(pkg); err == nil && !slices.Contains(found, pkg) {
				found = append(found, pkg)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// packagesOf are the packages that any of the trees has benchmarks in.
func packagesOf(trees []*tree) []string {
	var all []string
	for _, t := range trees {
		for pkg := range t.programs {
			all = append(all, pkg)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (t *tree) run(ctx context.Context, pkg string, o options) error {
	program, ok := t.programs[pkg]
	if !ok {
		return nil
	}
	cmd := exec.CommandContext(ctx, program, "-test.run=^$", "-test.bench=.", "-test.benchmem", "-test.benchtime="+o.benchTime.String())
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Join(t.folder, pkg), &t.out, os.Stderr
	return cmd.Run()
}
