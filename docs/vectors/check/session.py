"""Follows a session from outside: what both sides say has to make sense together, and the files have to come out."""

from blake3 import blake3
from records import (
    ACK, BY_SINK, BY_SOURCE, CHUNK, CLOSE, COMMITTED, DATA, END, FAILED, HELLO, MANIFEST, MANIFEST_END, MISSING, PING,
    SESSION_OK, WANT, committed, frames, hello, items, manifest, need,
)  # fmt: skip


class Side:
    def __init__(self, may_send):
        self.may_send = may_send
        self.sent = self.acknowledged = self.controls = 0
        self.hello = None
        self.closed = False


class Session:
    """One lane of one. `held` are chunks that the sink had before, by entry and number."""

    def __init__(self, held=None):
        self.source, self.sink = Side(BY_SOURCE), Side(BY_SINK)
        self.pages, self.ends, self.settled, self.given_up = [], {}, {}, {}
        self.chunks = {entry: dict(chunks) for entry, chunks in (held or {}).items()}
        self.asked = set()
        self.totals = []

    def record(self, who, plaintext):
        side = getattr(self, who)
        need(not side.closed, 'a record behind CLOSE')
        side.sent += 1
        for kind, entry, offset, payload in frames(plaintext):
            need(kind in side.may_send and not side.closed, f'frame {kind} of the {who}')
            if kind == ACK:
                side.acknowledged = offset
            elif kind == CLOSE:
                side.closed = True
                need(payload[:2] == b'\0\0', f'the {who} was not content: {payload}')
            elif kind == DATA:
                need(offset % CHUNK == 0, 'DATA is a whole chunk')
                self.chunks.setdefault(entry, {})[offset // CHUNK] = payload
            elif kind == END:
                need(self.ends.setdefault(entry, payload) == payload and len(payload) == 32, 'one END')
            elif kind != PING:
                need(offset == side.controls, 'control frames are numbered')
                need((offset == 0) == (kind == HELLO), 'HELLO is number 0')
                side.controls += 1
                self.control(side, kind, entry, payload)

    def control(self, side, kind, entry, payload):
        if kind == HELLO:
            side.hello = hello(payload)
        elif kind == MANIFEST:
            self.pages.append((entry, payload))
        elif kind in (MANIFEST_END, SESSION_OK):
            self.totals.append(payload)
        elif kind == WANT:
            self.asked.update(number for (number,) in items(payload, 4))
        elif kind == MISSING:
            after = -1
            for first, chunks in items(payload, 4, 4):
                need(first > after and chunks >= 1, 'ranges ascend, with a chunk between them')
                after = first + chunks
            self.asked.add(entry)
        elif kind == FAILED and side is self.source:
            self.given_up.update(items(payload, 4, 2))
        elif kind == FAILED:
            self.settle(dict(items(payload, 4, 2)), 'failed')
        elif kind == COMMITTED:
            self.settle({number: name for number, _, name in committed(payload)}, 'committed')

    def settle(self, numbers, how):
        need(not numbers.keys() & self.settled.keys(), 'settled once')
        self.settled.update((number, (how, value)) for number, value in numbers.items())

    def finish(self):
        """The entries, each with its `content` if all of it went over the wire or was held."""
        need(self.source.closed and self.sink.closed, 'both have said CLOSE')
        need(self.source.hello and self.sink.hello, 'both have said HELLO')
        for one, other in ((self.source, self.sink), (self.sink, self.source)):
            need(one.acknowledged <= other.sent, 'an ACK for what was not sent')
        entries = manifest(self.pages)
        total = len(entries).to_bytes(4, 'big') + blake3(b''.join(page for _, page in self.pages))
        need(self.totals == [total, total], 'MANIFEST_END and SESSION_OK have number and hash')
        need(self.settled.keys() == entries.keys(), 'all is settled')
        for number, content_hash in self.ends.items():
            need(number in self.asked, 'END of what was asked for')
            chunks = self.chunks.get(number, {})
            content = b''.join(chunks[i] for i in sorted(chunks))
            need(sorted(chunks) == list(range(len(chunks))), 'all chunks')
            need(len(content) == entries[number]['size'], 'all of the file')
            need(blake3(content) == content_hash, 'the hash of END')
            entries[number]['content'] = content
        return entries
