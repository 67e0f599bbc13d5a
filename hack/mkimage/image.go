// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// imageSpec is what the command line asks for.
type imageSpec struct {
	output, user, workdir, arch, caCertificates string
	tags, entrypoint, env, links, files         []string
}

// validate reports everything that is missing or malformed.
func (s imageSpec) validate() error {
	var errs []error
	if s.output == "" {
		errs = append(errs, errors.New("-o FILE is missing"))
	}
	if len(s.tags) == 0 {
		errs = append(errs, errors.New("-t NAME:TAG is missing"))
	}
	if len(s.files) == 0 {
		errs = append(errs, errors.New("no PATH-IN-IMAGE=FILE given"))
	}
	for _, pair := range append(append([]string{}, s.files...), s.links...) {
		if path, value, ok := strings.Cut(pair, "="); !ok || path == "" || value == "" {
			errs = append(errs, fmt.Errorf("%q is not of the form PATH=VALUE", pair))
		}
	}
	return errors.Join(errs...)
}

// write builds the image and puts it in place of the output in one step.
func write(s imageSpec) error {
	scratch, err := os.MkdirTemp(filepath.Dir(s.output), ".mkimage-")
	if err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	defer os.RemoveAll(scratch)
	image, err := build(s, scratch)
	if err != nil {
		return err
	}
	refs, err := refs(s.tags, image)
	if err != nil {
		return err
	}
	whole := filepath.Join(scratch, "image.tar")
	if err := tarball.MultiRefWriteToFile(whole, refs); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return os.Rename(whole, s.output)
}

// build makes an image of two layers: the skeleton that every image shares, and
// the files. Compressed layers lie in scratch until the archive is written.
func build(s imageSpec, scratch string) (v1.Image, error) {
	skeleton, err := writeLayer(filepath.Join(scratch, "skeleton.tar.gz"), skeletonEntries())
	if err != nil {
		return nil, err
	}
	entries, err := s.entries()
	if err != nil {
		return nil, err
	}
	content, err := writeLayer(filepath.Join(scratch, "content.tar.gz"), entries)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, skeleton, content)
	if err != nil {
		return nil, fmt.Errorf("append layers: %w", err)
	}
	return mutate.ConfigFile(image, s.config(image))
}

// config keeps the layer list that image already has and adds how to run it.
func (s imageSpec) config(image v1.Image) *v1.ConfigFile {
	file := &v1.ConfigFile{}
	if have, err := image.ConfigFile(); err == nil {
		file = have.DeepCopy()
	}
	file.OS, file.Architecture = "linux", s.arch
	file.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	file.Config = v1.Config{
		Entrypoint: s.entrypoint,
		Env:        append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/"}, s.env...),
		User:       s.user,
		WorkingDir: s.workdir,
	}
	return file
}

// refs maps each name to the one image.
func refs(tags []string, image v1.Image) (map[name.Reference]v1.Image, error) {
	refs := make(map[name.Reference]v1.Image, len(tags))
	for _, tag := range tags {
		ref, err := name.NewTag(tag)
		if err != nil {
			return nil, fmt.Errorf("parse image name: %w", err)
		}
		refs[ref] = image
	}
	return refs, nil
}
