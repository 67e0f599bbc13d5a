// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl"
	"github.com/brokermesh/brokermesh/pkg/ctl/storetool"
)

const storeReach = "(--peer HOST:PORT (--tls-dir DIR | --plain | --anonymous) | --file PATH)"

func newStore() *cobra.Command {
	cmd := newGroup("store", "Read, write, copy and compare stores",
		`NAME is the store's name as programs attach it. --peer may be any node of the mesh: it
knows the way to the master, and the entries stay there. A master of C++ Broker answers
no questions; then --peer has to be the endpoint that holds it, all of the store is
copied first, and standard error says so.

With --file PATH instead of --peer and NAME, the commands work on a database that no
node has open: an SQLite file, also one of C++ Broker, or the folder of a Pebble
database. It is opened exclusively and brought to the present version. What is written
to it takes numbers of the store's history, so that clones get it later.

--timeout bounds each answer.

`+textForms)
	cmd.SetFlagErrorFunc(hinted)
	cmd.AddCommand(newStoreList(), newStoreGet(), newStorePut(), newStoreRemove(), newStoreKeys(), newStoreWatch(), newStoreStat())
	cmd.AddCommand(newStoreExport(), newStoreImport(), newStoreVerify(), newStoreDiff(), newStoreCompact(), newStoreAdopt(), newStorePromote(), newStoreMove())
	return cmd
}

// storeFlags are those that all store commands have.
type storeFlags struct {
	storetool.Options
	format format
}

func (s *storeFlags) add(cmd *cobra.Command, withFile, withValues bool) {
	reach(cmd, &s.Options.Options)
	s.format.flag(cmd)
	if withValues {
		values(cmd, &s.Options.Options)
	}
	if withFile {
		cmd.Flags().StringVar(&s.File, "file", "", "work on the database at `PATH` instead of a mesh")
		_ = cmd.MarkFlagFilename("file")
	}
}

// begin reads what is the same for all, and takes NAME from the arguments.
func (s *storeFlags) begin(cmd *cobra.Command, args []string, operands int, most bool) ([]string, error) {
	var err error
	if s.JSON, err = s.format.json(); err != nil {
		return nil, err
	}
	s.Out, s.Notes = cmd.OutOrStdout(), cmd.ErrOrStderr()
	if terminalOf(s.Notes) != nil {
		s.Progress = s.Notes
	}
	if s.File == "" && len(args) > 0 {
		s.Name, args = args[0], args[1:]
	} else if s.File == "" {
		return nil, ctl.BadInput(errors.New("NAME is missing"))
	}
	if len(args) < operands || len(args) > operands && !most {
		return nil, ctl.BadInput(s.miscounted(cmd, args))
	}
	return args, nil
}

// miscounted says which arguments a command takes.
func (s *storeFlags) miscounted(cmd *cobra.Command, args []string) error {
	var wanted []string
	for _, word := range strings.Fields(cmd.Use)[1:] {
		if strings.HasPrefix(word, "(") || strings.HasPrefix(word, "--") {
			break
		}
		if strings.Trim(word, "[]") != "NAME" {
			wanted = append(wanted, word)
		}
	}
	got := "none"
	if len(args) > 0 {
		got = strings.Join(args, " ")
	}
	want := "none"
	if len(wanted) > 0 {
		want = strings.Join(wanted, " ")
	}
	if s.File != "" {
		return fmt.Errorf("arguments: %s: wanted: %s (--file takes no NAME)", got, want)
	}
	return fmt.Errorf("arguments after NAME %s: %s: wanted: %s", s.Name, got, want)
}

// hinted says how to pass values that look like flags.
func hinted(cmd *cobra.Command, err error) error {
	if text := err.Error(); strings.Contains(text, "unknown shorthand flag: '") && text[strings.Index(text, "'")+1] <= '9' {
		return fmt.Errorf("%w: -- goes before arguments that begin with a minus, after all flags", err)
	}
	return err
}

// work makes the RunE of a command that takes NAME and so many operands, or with most no more than those that it checks itself.
func (s *storeFlags) work(operands int, most bool, do func(cmd *cobra.Command, operands []string) error) func(*cobra.Command, []string) error {
	return work(func(cmd *cobra.Command, args []string) error {
		rest, err := s.begin(cmd, args, operands, most)
		if err != nil {
			return err
		}
		return do(cmd, rest)
	})
}

func newStoreList() *cobra.Command {
	var s storeFlags
	cmd := &cobra.Command{
		Use:   "ls " + reachUse,
		Short: "List the stores of the mesh: who has the master, who clones",
		Args:  cobra.NoArgs,
		RunE: work(func(cmd *cobra.Command, _ []string) error {
			if _, err := s.begin(cmd, []string{""}, 0, false); err != nil {
				return err
			}
			return storetool.List(cmd.Context(), s.Options)
		}),
	}
	s.add(cmd, false, false)
	return cmd
}

func newStoreGet() *cobra.Command {
	var s storeFlags
	cmd := &cobra.Command{
		Use:   "get [NAME] KEY " + storeReach,
		Short: "Print the value of a key",
		RunE: s.work(1, false, func(cmd *cobra.Command, args []string) error {
			return storetool.Get(cmd.Context(), s.Options, args[0])
		}),
	}
	s.add(cmd, true, true)
	return cmd
}

func newStorePut() *cobra.Command {
	var s storeFlags
	var p storetool.PutOptions
	cmd := &cobra.Command{
		Use:   "put [NAME] KEY VALUE " + storeReach,
		Short: "Set the value of a key",
		Long: `Set the value of a key, and end when the master has it on disk, or in memory if it is
one without. If the answer is lost on the way, the command says that the outcome is
unknown; nothing is done twice.`,
		RunE: s.work(2, false, func(cmd *cobra.Command, args []string) error {
			return storetool.Put(cmd.Context(), s.Options, args[0], args[1], p)
		}),
	}
	s.add(cmd, true, true)
	cmd.Flags().DurationVar(&p.Expiry, "expiry", 0, "forget the entry after this time")
	cmd.Flags().BoolVar(&p.Unique, "unique", false, "only if the key holds nothing; else exit with 1")
	return cmd
}

func newStoreRemove() *cobra.Command {
	var s storeFlags
	cmd := &cobra.Command{
		Use:   "rm [NAME] KEY... " + storeReach,
		Short: "Remove keys",
		RunE: s.work(1, true, func(cmd *cobra.Command, args []string) error {
			return storetool.Remove(cmd.Context(), s.Options, args)
		}),
	}
	s.add(cmd, true, true)
	return cmd
}

func newStoreKeys() *cobra.Command {
	var s storeFlags
	var unsorted bool
	cmd := &cobra.Command{
		Use:   "keys [NAME] " + storeReach,
		Short: "Print all keys, one a line",
		RunE: s.work(0, false, func(cmd *cobra.Command, _ []string) error {
			return storetool.Keys(cmd.Context(), s.Options, unsorted)
		}),
	}
	s.add(cmd, true, true)
	cmd.Flags().BoolVar(&unsorted, "unsorted", false, "print them as they come, without collecting them first")
	return cmd
}

func newStoreWatch() *cobra.Command {
	var s storeFlags
	var w storetool.WatchOptions
	cmd := &cobra.Command{
		Use:   "watch NAME [KEY] " + reachUse,
		Short: "Print every change of a store as it happens",
		Long: `Print a line for each change: its number in the store's history, what happened, the key,
and the value before and after, until Ctrl-C. Standard error says when it begins. With
--after, begin with what came after that number, as far as the master still has it.`,
		RunE: s.work(0, true, func(cmd *cobra.Command, args []string) error {
			if w.Count < 0 || len(args) > 1 {
				return ctl.BadInput(fmt.Errorf("%d keys, --count %d: allowed: one key at most, 0 (no end) and more", len(args), w.Count))
			}
			if len(args) == 1 {
				w.Key, w.HasKey = args[0], true
			}
			return storetool.Watch(cmd.Context(), s.Options, w)
		}),
	}
	s.add(cmd, false, true)
	fl := cmd.Flags()
	fl.StringVar(&w.Prefix, "prefix", "", "only keys that are strings and begin with `TEXT`")
	fl.Uint64Var(&w.After, "after", 0, "begin after the change with this `NUMBER`")
	fl.IntVar(&w.Count, "count", 0, "end after so many")
	return cmd
}
