# SPDX-License-Identifier: Apache-2.0
"""What endpoints tell about their peerings."""

import broker
from broker import SC

with broker.Endpoint() as ep1, broker.Endpoint() as ep2:
    with ep1.make_status_subscriber(True) as es1, ep2.make_status_subscriber(True) as es2:
        port = ep1.listen("127.0.0.1", 0)
        ep2.peer("127.0.0.1", port, 1.0)

        # First the endpoint is discovered, then it is a peer.
        for side, es, other in (("ep1", es1, ep2), ("ep2", es2, ep1)):
            discovered, added = es.get(2)
            print(side, discovered.code(), discovered.context().node_id() == other.node_id())
            print(side, added.code(), added.context().network.get().address)

        ep2.unpeer("127.0.0.1", port)
        print([s.code() == c for s, c in zip(es2.get(2), (SC.PeerRemoved, SC.EndpointUnreachable))])
