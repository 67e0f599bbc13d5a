// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// longestName is how much of a store's name goes into a file name; file
// systems allow 255 bytes, and the backends add endings of their own.
const longestName = 160

// storePath is where a persistent store lives: DATA/stores/NAME.sqlite, or the
// folder DATA/stores/NAME.pebble.
func storePath(dataDir string, c nodeconfig.Store) string {
	return filepath.Join(dataDir, "stores", escapeName(c.StoreName)+"."+strings.ToLower(c.Backend))
}

// backupFolder is where the backups of a store are, below the folder that
// claims are mounted in.
func backupFolder(root, claim, storeName string) string {
	return filepath.Join(root, claim, escapeName(storeName))
}

// escapeName makes a file name of a store's name: small letters, digits, dashes,
// underscores and inner dots stand for themselves, other bytes are %XX, and a
// long name ends in its hash. Different names give different file names, also
// where the file system doesn't tell capitals apart: those become %XX too.
func escapeName(name string) string {
	var b strings.Builder
	for i, c := range []byte(name) {
		lower := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if lower || c == '-' || c == '_' || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	escaped := b.String()
	if len(escaped) <= longestName {
		return escaped
	}
	sum := sha256.Sum256([]byte(name))
	return strings.TrimRight(escaped[:longestName-34], "%") + "%%" + hex.EncodeToString(sum[:16])
}
