// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/spf13/cobra"
)

// profile writes a CPU profile of a command's work, if asked for.
type profile struct{ file string }

func (p *profile) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.file, "cpu-profile", "", "write a CPU profile to `FILE`")
}

func (p *profile) around(do func() error) (err error) {
	if p.file == "" {
		return do()
	}
	f, err := os.Create(p.file)
	if err != nil {
		return fmt.Errorf("make the profile: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return fmt.Errorf("start the profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return do()
}
