"""docs/protocol.md, "Records", "Frames", "Manifest" and "Control messages"."""

from meeting import Fields
from noise import hkdf_expand, open_sealed, seal

REKEY = 65536
CHUNK = 262144
DATA, END, HELLO, MANIFEST, MANIFEST_END, WANT, COMMITTED, FAILED, SESSION_OK, SKIPPED, MISSING = (
    1, 2, 16, 17, 18, 19, 20, 21, 22, 23, 24,
)  # fmt: skip
ACK, PING, CLOSE = 32, 33, 34
NAMES = {
    1: 'Data', 2: 'End', 16: 'Hello', 17: 'Manifest', 18: 'ManifestEnd', 19: 'Want', 20: 'Committed', 21: 'Failed',
    22: 'SessionOk', 23: 'Skipped', 24: 'Missing', 32: 'Ack', 33: 'Ping', 34: 'Close',
}  # fmt: skip
BY_SOURCE = {DATA, END, HELLO, MANIFEST, MANIFEST_END, FAILED, SKIPPED, ACK, PING, CLOSE}
BY_SINK = {HELLO, WANT, COMMITTED, FAILED, SESSION_OK, MISSING, ACK, PING, CLOSE}
OF_AN_ENTRY = {DATA, END, MANIFEST, MISSING}


def need(condition, what):
    if not condition:
        raise ValueError(what)


def key_of(key, number):
    """The key that seals a record, from the lane's first."""
    for _ in range(number // REKEY):
        key = hkdf_expand(key, b'hawser rekey', 32)
    return key


def seal_record(lane_key, number, plaintext):
    length = (len(plaintext) + 16).to_bytes(4, 'big')
    return length + seal(key_of(lane_key, number), number, length, plaintext)


def open_records(lane_key, stream):
    """The plaintexts of all records of one direction."""
    fields, number = Fields(stream), 0
    while fields.left():
        header = fields.take(4)
        length = int.from_bytes(header, 'big')
        need(17 <= length <= 266256, 'length of a record')
        yield open_sealed(key_of(lane_key, number), number, header, fields.take(length))
        number += 1


def frames(plaintext):
    """(type, entry, offset, payload) of each."""
    fields = Fields(plaintext)
    while fields.left():
        kind, flags, reserved = fields.number(1), fields.number(1), fields.number(2)
        entry, offset, length = fields.number(4), fields.number(8), fields.number(4)
        need(kind in NAMES and flags == 0 and reserved == 0, 'header')
        need(length <= (CHUNK if kind == DATA else 65536), 'length of a frame')
        need(entry == 0 or kind in OF_AN_ENTRY, 'entry of a frame about none')
        need(offset == 0 or kind not in (END, PING, CLOSE), 'offset')
        yield kind, entry, offset, fields.take(length)


def manifest(pages):
    """The entries, by number, of pages in their order: each has its path, from the target folder on."""
    entries, chain = {}, []
    for first, page in pages:
        need(first == len(entries) + 1, 'first entry of a page')
        fields = Fields(page)
        while fields.left():
            kind = fields.number(1)
            if kind == 0:
                need(chain and fields.number(4) == chain.pop(), 'left what was not the deepest open folder')
                continue
            need(kind in (1, 2, 3), 'kind of item')
            parent = fields.number(4)
            need(parent == (chain[-1] if chain else 0), 'depth first')
            name = fields.take(fields.number(2))
            need(1 <= len(name) <= 255 and name not in (b'.', b'..'), 'name')
            need(b'/' not in name and b'\0' not in name and name.lower() != b'.hawser', 'name')
            entry = {'kind': ('file', 'folder', 'link')[kind - 1], 'mode': fields.number(2)}
            entry['mtime'] = [fields.number(8, signed=True), fields.number(4)]
            need(entry['mode'] <= 0o777 and entry['mtime'][1] <= 999999999, 'mode or time')
            entry['path'] = (entries[parent]['path'] + b'/' if parent else b'') + name
            if kind == 1:
                entry['size'] = fields.number(8)
            elif kind == 3:
                entry['target'] = fields.take(fields.number(2))
            number = len(entries) + 1
            entries[number] = entry
            if kind == 2:
                chain.append(number)
    need(not chain, 'a folder was not left')
    return entries


def hello(payload):
    fields = Fields(payload)
    return {'requests': fields.number(1), 'continued': fields.take(16), 'label': fields.take(fields.left()).decode()}


def items(payload, *lengths):
    """Items of so many numbers of so many bytes each."""
    fields = Fields(payload)
    while fields.left():
        yield tuple(fields.number(length) for length in lengths)


def committed(payload):
    """(entry, placement, other name)."""
    fields = Fields(payload)
    while fields.left():
        entry, placement = fields.number(4), fields.number(1)
        need(placement <= 2, 'placement')
        yield entry, placement, fields.take(fields.number(2)) if placement == 1 else None
