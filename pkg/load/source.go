// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile bounds what is read from one file: a mesh of thousands of objects fits, a wrong file doesn't fill the memory.
const maxFile = 16 << 20

// Stdin is the path that stands for standard input, and stdinName how its problems call it.
const (
	Stdin     = "-"
	stdinName = "stdin"
)

// source is one file's content.
type source struct {
	name string
	body []byte
}

// readAll reads every file that paths name: files as they are, a folder's manifests in the order of their names.
// A file that is named twice is read once.
func readAll(paths []string, stdin io.Reader) ([]source, error) {
	if len(paths) == 0 {
		return nil, errors.New("no manifest is given")
	}
	var sources []source
	seen := map[string]bool{}
	for _, p := range paths {
		files, err := expand(p)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if seen[f] {
				continue
			}
			seen[f] = true
			s, err := read(f, stdin)
			if err != nil {
				return nil, err
			}
			sources = append(sources, s)
		}
	}
	return sources, nil
}

// expand returns the files that a path means.
func expand(path string) ([]string, error) {
	if path == Stdin {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err // names the path already
	}
	if !info.IsDir() {
		return []string{filepath.Clean(path)}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && isManifest(e.Name()) {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no *.yaml, *.yml or *.json in this folder", path)
	}
	return files, nil
}

// isManifest tells whether a folder's file is read: kustomizations stand beside manifests, but are none.
func isManifest(name string) bool {
	ext := filepath.Ext(name)
	base := strings.ToLower(strings.TrimSuffix(name, ext))
	return slices.Contains([]string{".yaml", ".yml", ".json"}, ext) && base != "kustomization"
}

func read(path string, stdin io.Reader) (source, error) {
	s := source{name: path}
	r := stdin
	if path == Stdin {
		s.name = stdinName
	} else {
		f, err := os.Open(path)
		if err != nil {
			return s, err
		}
		defer f.Close()
		r = f
	}
	var err error
	s.body, err = io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return s, fmt.Errorf("read %s: %w", s.name, err)
	}
	if len(s.body) > maxFile {
		return s, fmt.Errorf("%s: more than %d MiB", s.name, maxFile>>20)
	}
	return s, nil
}

// chunk is one YAML document's text.
type chunk struct {
	text []byte
	line int // of the text's first line, counted from 1
}

// split cuts a file into documents at lines that hold nothing but "---" and perhaps a comment, as kubectl does.
func split(body []byte) []chunk {
	var chunks []chunk
	start, startLine, line := 0, 1, 1
	for pos := 0; pos < len(body); line++ {
		end := len(body)
		if i := bytes.IndexByte(body[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		if isSeparator(body[pos:end]) {
			chunks = append(chunks, chunk{body[start:pos], startLine})
			start, startLine = end, line+1
		}
		pos = end
	}
	return append(chunks, chunk{body[start:], startLine})
}

func isSeparator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	if !ok {
		return false
	}
	rest = bytes.TrimSpace(rest)
	return len(rest) == 0 || rest[0] == '#'
}
