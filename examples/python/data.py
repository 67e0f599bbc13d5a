# SPDX-License-Identifier: Apache-2.0
"""Which type of Broker a value of Python becomes, how Broker writes it, and what comes back."""

import datetime
import ipaddress

from broker import Count, Data, Enum, Port, utc

values = [
    None,
    True,
    -42,
    Count(42),
    4.2,
    "text",
    b"\xff\x00",
    ipaddress.ip_address("1.2.3.4"),
    ipaddress.ip_network("fc00::/7"),
    Port(443, Port.TCP),
    datetime.timedelta(seconds=1.5),
    datetime.datetime(2024, 2, 29, 12, tzinfo=utc),
    Enum("Log::INFO"),
    [1, "two", None],
    {3, 1, 2},
    {"b": 2, "a": [1]},
]

for value in values:
    data = Data(value)
    text = str(data) if value != b"\xff\x00" else "-"  # these bytes are no text
    print("%-10s %-22s %r" % (data.get_type().name, text, Data.to_py(data)))

try:
    Data([0, {"a": 1j}])
except TypeError as e:
    print(e)
