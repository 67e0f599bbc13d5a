# SPDX-License-Identifier: Apache-2.0
"""A program in a mesh that runs on this machine:

    brokerctl up -f config/samples/ring.yaml -o json > mesh.json &
    python3 connect.py mesh.json
"""

import sys

import broker

with broker.connect(sys.argv[1], node="north") as here, broker.connect(sys.argv[1], node="south") as there:
    with there.make_subscriber("/greetings") as sub:
        there.sync()  # the peers know of the subscription, and tell others
        message = None
        while message is None:
            here.publish("/greetings", "hello from north")
            message = sub.get(0.1)
        print(*message)
