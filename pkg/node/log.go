// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"log/slog"
	"strings"

	"github.com/brokermesh/brokermesh/pkg/nodeconfig"
)

// leveled is a handler whose level can be changed while it is used.
type leveled struct {
	level *slog.LevelVar
	slog.Handler
}

func (h leveled) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level.Level() && h.Handler.Enabled(ctx, l)
}

func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{h.level, h.Handler.WithAttrs(attrs)}
}

func (h leveled) WithGroup(name string) slog.Handler {
	return leveled{h.level, h.Handler.WithGroup(name)}
}

// levelOf is the level that a config names.
func levelOf(name string) slog.Level {
	switch name {
	case nodeconfig.LogDebug:
		return slog.LevelDebug
	case nodeconfig.LogWarn:
		return slog.LevelWarn
	case nodeconfig.LogError:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

func joinWords(words []string) string { return strings.Join(words, ", ") }
