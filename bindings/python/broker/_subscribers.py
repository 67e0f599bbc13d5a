# SPDX-License-Identifier: Apache-2.0
"""Subscribers and publishers. The work is done in the extension; what is here is names, `with` and asyncio."""

from . import _native
from ._aio import AsyncReader
from ._containers import Topic

__all__ = ["Publisher", "SafeSubscriber", "StatusSubscriber", "Subscriber"]


def make_topic(topic):
    """The Topic of a str or Topic."""
    return topic if isinstance(topic, Topic) else Topic(topic)


def make_topics(topics):
    """A list of Topics: of a str, a Topic, or an iterable of them."""
    if isinstance(topics, (str, Topic)):
        topics = (topics,)
    return [make_topic(t) for t in topics]


class Source:
    """What make_subscriber hands to a subscriber's class, in the place of the reference's internal subscriber."""

    __slots__ = ("endpoint", "topics")

    def __init__(self, endpoint, topics):
        self.endpoint, self.topics = endpoint, [t.string() for t in make_topics(topics)]


class _Released:
    """Leaving `with` releases."""

    __slots__ = ()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.reset()

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, value, trace):
        self.reset()


class Subscriber(_Released, AsyncReader, _native.Subscriber):
    """Receives what others publish on topics that begin with one of its own; Endpoint.make_subscriber makes one.

        topic, value = sub.get()      waits for one message
        sub.get(2.5)                  or None after 2.5 seconds: a float is a timeout
        sub.get(3)                    a list of three: an int is a count
        sub.get(3, 2.5)               a list of up to three
        sub.poll()                    a list of all that wait
        for topic, value in sub       until the endpoint shuts down
        async for topic, value in sub

    fd() is readable while something waits, for select and event loops. Leaving `with` releases it, as reset() does.
    """

    def __init__(self, source):
        super().__init__(source.endpoint, source.topics)

    def add_topic(self, topic, block=False):
        """Subscribe to one more topic."""
        super().add_topic(make_topic(topic).string(), block)

    def remove_topic(self, topic, block=False):
        """Take a topic away. What waits already stays."""
        super().remove_topic(make_topic(topic).string(), block)


class SafeSubscriber(Subscriber):
    """A Subscriber whose values are immutable throughout: see ImmutableData.to_py. Sets of records need it."""

    _immutable = True


class StatusSubscriber(_Released, AsyncReader, _native.StatusSubscriber):
    """Receives Error and, if asked for, Status objects; Endpoint.make_status_subscriber makes one. get as that of Subscriber."""


class Publisher(_Released, _native.Publisher):
    """Publishes to one topic through a queue of its own; Endpoint.make_publisher makes one. publish waits while the queue is full."""


for _class in (Publisher, SafeSubscriber, StatusSubscriber, Subscriber):
    _class.__module__ = "broker"
