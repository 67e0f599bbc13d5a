// SPDX-License-Identifier: Apache-2.0

// Package docs gives programs the pages that they quote, so that people read the same words in both places.
package docs

import _ "embed"

// Conditions is the page about conditions and their reasons.
//
//go:embed conditions.md
var Conditions string
