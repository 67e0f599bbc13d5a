// SPDX-License-Identifier: Apache-2.0

// Package controllers turns BrokerNodes, Peerings and DataStores into running meshes and reports what they really do. It follows the
// sections How configuration travels, Pods and How the operator stays honest of the architecture.
//
// A reconcile is four acts: gather, compile, apply, report. Decisions are made elsewhere, by pure functions: pkg/topology says what
// each pod is told, pkg/manifest what objects a node needs, pkg/evidence what the conditions are. This package reads, compares and
// writes.
//
// One goroutine per namespace owns a mesh: it listens to the caches and to the pollers, compiles and judges, and publishes the outcome
// as an immutable snapshot. The controllers of the three kinds read the newest snapshot; those whose object it changed are woken
// through a channel. One poller per pod asks it for its status by long poll, and pushes a config whenever the pod reports another one
// than it was offered.
//
// Secrets are watched by their metadata alone, and read when they are another version than the last that was seen. The authority of a mesh
// is replaced in steps, each of which is one write of its Secret.
//
// Nothing is sent that would change nothing: a live object is compared, field by field, with what is desired, as far as the operator
// is the manager of those fields.
package controllers
