# SPDX-License-Identifier: Apache-2.0
"""What happens if nobody listens."""

import socket

import broker
from broker import EC

with socket.socket() as s, broker.Endpoint() as ep, ep.make_status_subscriber() as errors:
    s.bind(("127.0.0.1", 0))  # a port where nobody listens
    port = s.getsockname()[1]

    # One attempt, since retry is 0.
    print("connected:", ep.peer("127.0.0.1", port, 0.0))
    error = errors.get()
    print(type(error) == broker.Error, error.code() == EC.PeerUnavailable)
    print(str(error).replace(str(port), "PORT"))

    # In the background, again each second, and each attempt that fails is told.
    ep.peer_nosync("127.0.0.1", port, 1.0)
    print([e.code() == EC.PeerUnavailable for e in errors.get(2)])
