// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// entry is one file of a layer. Its content is text, or that of the file source.
type entry struct {
	header tar.Header
	text   string
	source string
}

// entrySet holds a layer's entries by path, so that a path occurs once and the
// order in the layer does not depend on the order of arguments.
type entrySet map[string]entry

// skeletonEntries is what programs expect to find on any system.
func skeletonEntries() entrySet {
	set := entrySet{}
	set.addDir("tmp", 0o1777)
	set.addText("etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n")
	set.addText("etc/group", "root:x:0:\nnonroot:x:65532:\n")
	return set
}

// entries collects the files, links and certificates of the spec.
func (s imageSpec) entries() (entrySet, error) {
	set := entrySet{}
	for _, pair := range s.files {
		to, from, _ := strings.Cut(pair, "=")
		if err := set.addTree(to, from); err != nil {
			return nil, err
		}
	}
	if s.caCertificates != "" {
		if err := set.addTree("etc/ssl/certs/ca-certificates.crt", s.caCertificates); err != nil {
			return nil, err
		}
	}
	for _, pair := range s.links {
		to, target, _ := strings.Cut(pair, "=")
		set.add(to, entry{header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}})
	}
	return set, nil
}

// addTree adds the file from, or the directory from with all below it, as to.
func (set entrySet) addTree(to, from string) error {
	root, err := filepath.EvalSymlinks(from)
	if err != nil {
		return fmt.Errorf("add %s: %w", to, err)
	}
	return filepath.WalkDir(root, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		return set.addFile(path.Join(to, filepath.ToSlash(below)), file)
	})
}

func (set entrySet) addFile(to, from string) error {
	info, err := os.Stat(from)
	switch {
	case err != nil:
		return fmt.Errorf("add %s: %w", to, err)
	case info.IsDir():
		set.addDir(to, int64(info.Mode().Perm()))
	case info.Mode().IsRegular():
		set.add(to, entry{
			header: tar.Header{Typeflag: tar.TypeReg, Mode: int64(info.Mode().Perm()), Size: info.Size()},
			source: from,
		})
	default:
		return fmt.Errorf("add %s: %s is neither file nor directory", to, from)
	}
	return nil
}

func (set entrySet) addText(to, text string) {
	set.add(to, entry{header: tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}, text: text})
}

func (set entrySet) addDir(to string, mode int64) {
	set.add(to, entry{header: tar.Header{Typeflag: tar.TypeDir, Mode: mode}})
}

// add enters e at a path relative to the root, and the directories above it
// that nobody has entered yet.
func (set entrySet) add(to string, e entry) {
	to = strings.TrimPrefix(path.Clean("/"+to), "/")
	if to == "" {
		return
	}
	e.header.Name = to
	if e.header.Typeflag == tar.TypeDir {
		e.header.Name += "/"
	}
	set[to] = e
	if dir := path.Dir(to); dir != "." {
		if _, ok := set[dir]; !ok {
			set.addDir(dir, 0o755)
		}
	}
}

// writeLayer writes the entries, sorted and compressed, to file: compressed
// once, here, because a layer made from an opener is compressed at each use.
func writeLayer(file string, set entrySet) (v1.Layer, error) {
	out, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("create layer: %w", err)
	}
	zip := gzip.NewWriter(out)
	archive := tar.NewWriter(zip)
	for _, to := range slices.Sorted(maps.Keys(set)) {
		if err = set[to].write(archive); err != nil {
			break
		}
	}
	if err := errors.Join(err, archive.Close(), zip.Close(), out.Close()); err != nil {
		return nil, fmt.Errorf("write layer: %w", err)
	}
	return tarball.LayerFromFile(file)
}

func (e entry) write(archive *tar.Writer) error {
	header := e.header
	header.Format = tar.FormatPAX
	if err := archive.WriteHeader(&header); err != nil {
		return err
	}
	if e.source == "" {
		_, err := io.WriteString(archive, e.text)
		return err
	}
	file, err := os.Open(e.source)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(archive, file)
	return err
}
