// SPDX-License-Identifier: Apache-2.0

// Package modeltest tries masters and clones against a model, with random histories of writes, crashes, restarts, partitions, loss and
// delay. It consists of tests alone, which use nothing but what package store shows to everybody.
//
// A history is a list of actions, made from a seed. It runs in a bubble of testing/synctest, so that minutes of it take milliseconds,
// on a simulated network and, as far as the backends can, on simulated disks. What is checked in the end:
//
//   - a clone's content at number n is that of the master after its change n: a prefix of the history;
//   - an acknowledged write is there, over all crashes; none was executed twice, and those of one writer are in their order;
//   - a comparison that succeeded found what it wanted to, and one that failed has changed nothing; a batch is there as a whole or not at
//     all, over crashes too, and two that exclude each other are never both there;
//   - what a clone tells those who watch it, whole or in several pieces, makes its former content the present one;
//   - a key was won by one PutUnique at most, and nobody was told otherwise;
//   - no entry expires before its time, or lives on after it;
//   - a clone never claims to have been in sync at a time when the master had more than the clone has;
//   - once everything works again, all clones have what the master has, and nobody waits any more.
//
// TestHandover moves the master from place to place by Clone.TakeOver, while its source, its target and others die at any moment, messages
// are lost and everybody writes: acknowledged writes are there in the end, increments count once, no master executes a write after the
// next one serves, and there is always a way on.
//
// TestForeignMemory, TestForeignPebble and TestForeignSQLite let clones of C++ Broker take part in such histories, played from the specification:
// they get one snapshot, acknowledge by numbers, ask for what is missing, and know no extension. What they have is a prefix of the history,
// their writes are executed once, and in the end they have caught up, or the master names them as stranded; which it does only if it was to
// keep little.
//
// A history that fails is made shorter for as long as it still fails, and printed with the line that runs it again. Goroutines are
// scheduled as they please, so a rare failure may take several runs.
//
// The race detector is left out here: with thousands of bubbles its runtime ends at times with "CHECK failed" (golang/go issue 78156).
// The tests of package store run with it.
package modeltest
