# SPDX-License-Identifier: Apache-2.0
"""Two endpoints in one program: one listens, the other connects."""

import broker

with broker.Endpoint() as ep1, broker.Endpoint() as ep2:
    # Whoever subscribes before peering misses nothing.
    with ep1.make_subscriber("/test") as s1, ep2.make_subscriber("/test") as s2:
        port = ep1.listen("127.0.0.1", 0)
        print("connected:", ep2.peer("127.0.0.1", port, 1.0))

        # Each end learns of the other by itself, the listening one a little later.
        print("ep1 sees ep2:", ep1.await_peer(ep2.node_id()))
        print("ep2 sees ep1:", ep2.await_peer(ep1.node_id()))
        print("peers of ep1:", [p.peer.node_id() == ep2.node_id() for p in ep1.peers()])
