// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/brokermesh/brokermesh/pkg/ctl/storetool"
)

const exportLines = `Each line is {"key": KEY, "value": VALUE, "expires": TIME} with keys and values as in the
WebSocket protocol: {"@data-type":"count","data":42}; expires is missing for what stays.
The first line of an export is {"brokermeshStore":1,"store":NAME}.`

func newStoreStat() *cobra.Command {
	var s storeFlags
	cmd := &cobra.Command{
		Use:   "stat [NAME] " + storeReach,
		Short: "Show how the master and the clones of a store are",
		Long: `Ask the master of a store and its clones, and show their states, how far they are in
the store's history, by how much each clone lags and how old its content may be. Clones
of C++ Broker answer nothing: CLONES of the master counts them.`,
		RunE: s.work(0, false, func(cmd *cobra.Command, _ []string) error {
			return storetool.Stat(cmd.Context(), s.Options)
		}),
	}
	s.add(cmd, true, false)
	return cmd
}

func newStoreExport() *cobra.Command {
	var s storeFlags
	var x storetool.ExportOptions
	cmd := &cobra.Command{
		Use:   "export [NAME] " + storeReach,
		Short: "Write all entries as JSON lines",
		Long: `Write all entries as they are at one moment; writers are not held up meanwhile.

` + exportLines,
		Example: `  brokerctl store export known --to known.jsonl --peer 127.0.0.1:9999 --plain
  brokerctl store export --file known.sqlite > known.jsonl`,
		RunE: s.work(0, false, func(cmd *cobra.Command, _ []string) error {
			return storetool.Export(cmd.Context(), s.Options, x)
		}),
	}
	s.add(cmd, true, false)
	cmd.Flags().StringVar(&x.To, "to", "", "write `FILE`, which must not exist, instead of standard output")
	cmd.Flags().BoolVar(&x.Resume, "resume", false, "go on with FILE: keep what it has, append what it lacks")
	_ = cmd.MarkFlagFilename("to")
	return cmd
}

func newStoreImport() *cobra.Command {
	var s storeFlags
	var m storetool.ImportOptions
	cmd := &cobra.Command{
		Use:   "import [NAME] " + storeReach,
		Short: "Put the entries of JSON lines",
		Long: `Put all entries of an export; what has expired meanwhile is left out, other keys of the
store stay. To import again changes nothing, and an import that failed can go on at the
line that it names.

` + exportLines,
		Example: `  brokerctl store import known --from known.jsonl --peer 127.0.0.1:9999 --plain
  brokerctl store import --file known.db --backend pebble < known.jsonl`,
		RunE: s.work(0, false, func(cmd *cobra.Command, _ []string) error {
			m.In = cmd.InOrStdin()
			return storetool.Import(cmd.Context(), s.Options, m)
		}),
	}
	s.add(cmd, true, false)
	cmd.Flags().StringVar(&m.From, "from", "", "read `FILE` instead of standard input")
	cmd.Flags().IntVar(&m.FromLine, "from-line", 1, "begin with this line")
	cmd.Flags().StringVar(&s.Backend, "backend", "", "make --file if it isn't there: `KIND` is sqlite or pebble")
	_ = cmd.MarkFlagFilename("from")
	return cmd
}

func newStoreVerify() *cobra.Command {
	var s storeFlags
	cmd := &cobra.Command{
		Use:   "verify [NAME] " + storeReach,
		Short: "Compare the clones of a store with its master, or check a database",
		Long: `Compare checksums of ranges at the master and at every clone, and exit with 1 if one is
not equal. Nobody is held up, and what is on its way to a clone is no difference: ranges
that differ are looked at again. With --file, read everything in a database, whose
checksums are verified on the way.`,
		RunE: s.work(0, false, func(cmd *cobra.Command, _ []string) error {
			return storetool.Verify(cmd.Context(), s.Options, false, false)
		}),
	}
	s.add(cmd, true, false)
	return cmd
}

func newStoreDiff() *cobra.Command {
	var s storeFlags
	var files []string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "diff [NAME] (--peer HOST:PORT (--tls-dir DIR | --plain | --anonymous) | --file PATH)...",
		Short: "Name the keys in which clones differ from their master, or databases from each other",
		Long: `Compare as verify does, and print a line for each key that differs: < if only the master
has it, > if only the clone, and ! if the values differ.

With --file, compare the store of the mesh with a database; with --file twice, compare two
databases and no mesh. Then < is a key that only the first has, and > one that only the second
has. Each side is what it is at one moment; entries that have expired are not looked at.`,
		Example: `  brokerctl store diff known --peer 127.0.0.1:9999 --plain
  brokerctl store diff known --peer 127.0.0.1:9999 --plain --file backup.sqlite
  brokerctl store diff --file a.sqlite --file b.db`,
		RunE: work(func(cmd *cobra.Command, args []string) error {
			if len(files) > 0 && len(args) == 0 { // Diff says what is missing
				args = []string{""}
			}
			if _, err := s.begin(cmd, args, 0, false); err != nil {
				return err
			}
			return storetool.Diff(cmd.Context(), s.Options, files, verbose)
		}),
	}
	s.add(cmd, false, true)
	cmd.Flags().StringArrayVar(&files, "file", nil, "a database at `PATH`; may be given twice")
	_ = cmd.MarkFlagFilename("file")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the values, too")
	return cmd
}

func newStoreAdopt() *cobra.Command {
	var s storeFlags
	cmd := &cobra.Command{
		Use:   "adopt NAME " + reachUse,
		Short: "Let clones take the new history of their master",
		Long: `A clone whose master comes back with another history, because its database was lost or
replaced, keeps what it has, stale, until somebody confirms that the new content is
wanted. This does, for all clones that wait for it. What they have is gone then.`,
		RunE: s.work(0, false, func(cmd *cobra.Command, _ []string) error {
			return storetool.Adopt(cmd.Context(), s.Options)
		}),
	}
	s.format = "text"
	reach(cmd, &s.Options.Options)
	return cmd
}

func newStoreCompact() *cobra.Command {
	var s storeFlags
	cmd := &cobra.Command{
		Use:   "compact [NAME] " + storeReach,
		Short: "Make a database as small as it can be",
		Long: `Write a database anew without the room that erased entries have left. A master that is
running does it itself: whoever reads or writes the store waits meanwhile, some seconds for
each GB. SQLite needs as much room again on the disk. --timeout bounds only the way to the
master; what it has begun it ends, also if brokerctl is stopped.`,
		RunE: s.work(0, false, func(cmd *cobra.Command, _ []string) error {
			return storetool.Compact(cmd.Context(), s.Options)
		}),
	}
	s.format = "text"
	reach(cmd, &s.Options.Options)
	cmd.Flags().StringVar(&s.File, "file", "", "work on the database at `PATH` instead of a mesh")
	_ = cmd.MarkFlagFilename("file")
	return cmd
}
