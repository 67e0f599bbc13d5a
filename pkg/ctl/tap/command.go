// SPDX-License-Identifier: Apache-2.0

package tap

import (
	"fmt"

	"github.com/brokermesh/brokermesh/pkg/broker/code"
	"github.com/brokermesh/brokermesh/pkg/ctl/table"
	"github.com/brokermesh/brokermesh/pkg/store/command"
)

// commandText is what a store command says.
func commandText(m *command.Message) string {
	text := m.Body.Kind().String() + commandFields(m.Body)
	if m.Seq > 0 {
		text += fmt.Sprintf(", number %d", m.Seq)
	}
	text += ", from " + m.Sender.String()
	if !m.Receiver.IsZero() {
		text += " to " + m.Receiver.String()
	}
	return text
}

func commandFields(body command.Command) string {
	switch c := body.(type) {
	case *command.Put:
		return fmt.Sprintf(" %s -> %s%s", table.Plain(c.Key.String()), table.Plain(c.Value.String()), expiryText(c.Expiry))
	case *command.PutUnique:
		return fmt.Sprintf(" %s -> %s%s, request %d", table.Plain(c.Key.String()), table.Plain(c.Value.String()), expiryText(c.Expiry), c.Request)
	case *command.PutUniqueResult:
		return fmt.Sprintf(" %t, request %d of %s", c.Inserted, c.Request, c.Who)
	case *command.Erase:
		return " " + table.Plain(c.Key.String())
	case *command.Expire:
		return " " + table.Plain(c.Key.String())
	case *command.Add:
		return fmt.Sprintf(" %s + %s (%s)%s", table.Plain(c.Key.String()), table.Plain(c.Operand.String()), c.Init, expiryText(c.Expiry))
	case *command.Subtract:
		return fmt.Sprintf(" %s - %s%s", table.Plain(c.Key.String()), table.Plain(c.Operand.String()), expiryText(c.Expiry))
	case *command.AttachWriter:
		return fmt.Sprintf(" after %d, heartbeat every %d ticks", c.Offset, c.Interval)
	case *command.Keepalive:
		return fmt.Sprintf(" %d", c.Seq)
	case *command.CumulativeAck:
		return fmt.Sprintf(" %d", c.Seq)
	case *command.Nack:
		return fmt.Sprintf(" %v", c.Seqs)
	case *command.AckClone:
		return fmt.Sprintf(" after %d, heartbeat every %d ticks, %s", c.Offset, c.Interval, table.Count(c.State.Len(), "entry", "entries"))
	case *command.RetransmitFailed:
		return fmt.Sprintf(" %d", c.Seq)
	case *command.Ask:
		return fmt.Sprintf(" %d, operation %d with %s", c.Number, c.Operation, table.Count(len(c.Args), "argument", "arguments"))
	case *command.Answer:
		if c.Code != code.None {
			return fmt.Sprintf(" %d: %s", c.Number, c.Code)
		}
		return fmt.Sprintf(" %d with %s", c.Number, table.Count(len(c.Values), "value", "values"))
	default:
		return extensionFields(body)
	}
}

func extensionFields(body command.Command) string {
	switch c := body.(type) {
	case *command.Resume:
		return fmt.Sprintf(" after %d, history %x, epoch %d", c.Offset, c.History, c.Epoch)
	case *command.OtherHistory:
		return fmt.Sprintf(" %x, epoch %d, number %d", c.History, c.Epoch, c.Number)
	case *command.SnapshotBegin:
		return fmt.Sprintf(" after %d, history %x, epoch %d, %d entries", c.Offset, c.History, c.Epoch, c.Entries)
	case *command.SnapshotPart:
		return fmt.Sprintf(" %d, %s", c.Part, table.Count(c.Entries.Len(), "entry", "entries"))
	case *command.SnapshotEnd:
		return fmt.Sprintf(" part %d, %d entries in all", c.Part, c.Entries)
	case *command.SnapshotAck:
		return fmt.Sprintf(" before part %d", c.Next)
	case *command.WriteResult:
		return fmt.Sprintf(" through %d, %d refused", c.Through, len(c.Others))
	case *command.Batch:
		return fmt.Sprintf(" of %s", table.Count(len(c.Writes), "write", "writes"))
	case *command.Bundle:
		return fmt.Sprintf(" of %s", table.Count(len(c.Events), "event", "events"))
	default:
		return ""
	}
}

func expiryText(e command.Expiry) string {
	if !e.Set {
		return ""
	}
	return ", expires after " + e.After.String()
}
