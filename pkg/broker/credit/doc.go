// SPDX-License-Identifier: Apache-2.0

// Package credit is the bookkeeping of flow control from end to end: who publishes (the origin) sends a subscriber no more than the
// subscriber has granted it. It is pure: messages and the time come in, messages and decisions go out. Sending, waiting and the clock
// belong to package broker. (The protocol is an extension of this project; the specification of Broker doesn't know it.)
//
// # The protocol
//
// Both sides count the messages of one origin that match one subscription, and their bytes, since the flow between the two began. A
// [Grant] goes from the subscriber to the origin and says how many have arrived and how many more there is room for; the sum is the
// limit of what the origin may have sent. A [Mark] goes from the origin to the subscriber, on the way that the messages themselves
// take and in order with them: it says how many were sent before it. So a subscriber learns from a mark what has been lost, counts it
// as arrived, and grants it anew; credit never leaks, whatever is dropped on the way. A [Withdrawal] ends a flow.
//
// An origin that hears of a flow for the first time begins to count, names its count by a random epoch, and says so in a mark. Grants
// name the epoch that they count in; those of another epoch come from a subscriber that has not seen the mark yet, or whose origin has
// forgotten it, and only their room counts.
//
// # The sides
//
// An [Outlet] is what an origin keeps of one subscription. It stops counting on a subscriber after [Patience]: that long without a
// grant while something is under way, or that long without any new room while somebody waits.
//
// A [Ledger] is what a subscription keeps of all its origins, which share the room in its queue: what is queued and what origins may
// still send is at most the queue's limit. Origins that send share most of it, silent ones the rest.
package credit
