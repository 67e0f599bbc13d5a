// SPDX-License-Identifier: Apache-2.0

// Command mkimage writes a container image as a docker-archive tar out of files
// on disk: no daemon, no base image, no network. The same files give the same
// bytes, so an image's digest changes only when its content does.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
)

const usage = `Usage: mkimage -o OUT.tar -t NAME:TAG [flags] PATH-IN-IMAGE=FILE...

Writes a container image with the given files and nothing else, as a docker-archive
tar that "kind load image-archive", "docker load" and "ctr images import" read.
FILE may be a directory, which is copied with what is in it; symbolic links are
followed. Files belong to root and keep only their permission bits; every time
stamp is 1970, and layers are compressed, so equal input gives equal output.

Every image also has a world-writable /tmp and an /etc/passwd and /etc/group
that know root and nonroot (65532).

Example:
  mkimage -o node.tar -t example/node:dev -entrypoint /node /node=bin/node

Flags:
`

func main() {
	spec, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = write(spec)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// parseFlags reads the command line into a spec that is complete and valid.
func parseFlags(args []string) (imageSpec, error) {
	var s imageSpec
	flags := flag.NewFlagSet("mkimage", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&s.output, "o", "", "write the archive to `FILE` (replaced at once when complete)")
	flags.Var((*list)(&s.tags), "t", "name the image `NAME:TAG` (repeatable)")
	flags.Var((*list)(&s.entrypoint), "entrypoint", "one `WORD` of the entrypoint (repeatable)")
	flags.Var((*list)(&s.env), "env", "set `NAME=VALUE` in the environment (repeatable)")
	flags.Var((*list)(&s.links), "link", "add a symbolic link `PATH=TARGET` (repeatable)")
	flags.StringVar(&s.user, "user", "65532:65532", "run as `UID:GID`")
	flags.StringVar(&s.workdir, "workdir", "/", "working `DIR`ectory")
	flags.StringVar(&s.caCertificates, "ca-certificates", "", "add the PEM bundle `FILE` where Go looks for it")
	flags.StringVar(&s.arch, "arch", runtime.GOARCH, "`ARCH`itecture that the files are built for")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.files = flags.Args()
	return s, s.validate()
}
