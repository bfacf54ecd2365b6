"""An independent reader of docs/protocol.md: recomputes docs/vectors with nothing of hawser's.

    python3 docs/vectors/check [folder]

Needs Python 3.9 and the package `cryptography`, of any version that is still maintained.
"""

import json
import sys
from pathlib import Path

import cpace
import mlkem
from blake3 import blake3, chaining_value
from meeting import (
    CODE, JOIN, PREAMBLE, SESSION, Fields, Refused, fingerprint, lane_key, read_ticket, return_ticket, session_secret,
    ticket_id, ticket_psk,
)  # fmt: skip
from noise import XKPSK3, XXPSK0, Handshake, hkdf, open_sealed, public, seal
from records import CHUNK, NAMES, frames, key_of, open_records, seal_record
from session import Session


def same(computed, committed, what):
    if computed != committed:
        raise AssertionError(f'{what}: computed {shown(computed)}, the file has {shown(committed)}')


def shown(value):
    return value.hex() if isinstance(value, bytes) else value


class Vectors(dict):
    """What a file has, with all that is written in hexadecimal as bytes under the same name."""

    def bytes(self, name):
        return bytes.fromhex(self[name])

    def check(self, name, computed):
        same(computed, self.bytes(name), name)


def ticket(v):
    for case in v['valid']:
        read = read_ticket(case['text'])
        expected = {**case, 'key': bytes.fromhex(case['key']), 'secret': bytes.fromhex(case['secret'])}
        expected.setdefault('expires', None)
        same(read, {name: expected[name] for name in read}, case['case'])
    for case in v['invalid']:
        try:
            same(read_ticket(case['text']), case['error'], case['text'])
        except Refused as refused:
            same(refused.args[0], case['error'], case['text'])
    derived = Vectors(v['derived'])
    derived.check('id', ticket_id(derived.bytes('secret')))
    derived.check('psk', ticket_psk(derived.bytes('secret')))
    same(fingerprint(bytes.fromhex(v['fingerprint']['key'])), v['fingerprint']['text'], 'fingerprint')


def third_and_accept(v, role, one, other):
    """Message 3 and ACCEPT of either meeting, and the secret of the session."""
    ek, dk = mlkem.keygen(v.bytes('dialler_kem_seed'))
    third = one.write(v.bytes('dialler_random') + bytes([role]) + ek)
    v.check('message_3', third)
    heard = Fields(other.read(third))
    same(heard.take(32), v.bytes('dialler_random'), 'dialler random')
    same(heard.number(1), role, 'role')
    kem_secret, ct = mlkem.encapsulate(heard.take(1184), v.bytes('listener_kem_random'))
    same(mlkem.decapsulate(dk, ct), kem_secret, 'the secret in the ciphertext')
    same(one.h, other.h, 'handshake hash')
    to_dialler = other.transport_keys()[1]
    v.check('accept', seal(to_dialler, 0, b'', v.bytes('listener_random') + v.bytes('session_id') + ct))
    randoms = v.bytes('dialler_random'), v.bytes('listener_random')
    secret = session_secret(one.h, kem_secret, *randoms, ek, ct)
    keys = [lane_key(secret, v.bytes('session_id'), 0, 0, *randoms, direction) for direction in (0, 1)]
    plaintext = b'the first record'
    v.check('first_record_from_dialler', seal_record(keys[0], 0, plaintext))
    v.check('first_record_from_listener', seal_record(keys[1], 0, plaintext))
    return ek, ct, kem_secret, secret, keys


def handshake(cases):
    for v in map(Vectors, cases):
        v.check('listener_preamble', PREAMBLE)
        v.check('dialler_opening', PREAMBLE + SESSION)
        psk, claim = ticket_psk(v.bytes('ticket_secret')), ticket_id(v.bytes('ticket_secret'))
        v.check('psk', psk)
        v.check('ticket_id', claim)
        rs = public(v.bytes('listener_private'))
        v.check('listener_public', rs)
        v.check('dialler_public', public(v.bytes('dialler_private')))
        one = Handshake(XKPSK3, PREAMBLE * 2, True, v.bytes('dialler_private'), v.bytes('dialler_ephemeral'), psk, rs)
        keys = v.bytes('listener_private'), v.bytes('listener_ephemeral')
        other = Handshake(XKPSK3, PREAMBLE * 2, False, *keys, psk)
        v.check('message_1', one.write(claim))
        same(other.read(v.bytes('message_1')), claim, 'claim')
        v.check('message_2', other.write(b''))
        same(one.read(v.bytes('message_2')), b'', 'message 2')
        ek, ct, kem_secret, secret, keys = third_and_accept(v, v['role'], one, other)
        same(other.rs, v.bytes('dialler_public'), 'who the dialler is')
        v.check('handshake_hash', one.h)
        v.check('kem_key', ek)
        v.check('kem_ciphertext', ct)
        v.check('kem_secret', kem_secret)
        v.check('session_secret', secret)
        v.check('lane_0_key_from_dialler', keys[0])
        v.check('lane_0_key_from_listener', keys[1])


def code(v):
    v = Vectors(v)
    v.check('dialler_opening', PREAMBLE + CODE)
    run, words = v.bytes('run'), v['code'].encode()
    scalars = [v.bytes('dialler_scalar'), v.bytes('listener_scalar')]
    ya, yb = (cpace.share(scalar, words, PREAMBLE * 2, run) for scalar in scalars)
    v.check('run_and_share', run + ya)
    v.check('listener_share', yb)
    said = run, ya, b'dialler', yb, b'listener'
    isk = cpace.isk(scalars[0], yb, *said)
    same(cpace.isk(scalars[1], ya, *said), isk, 'ISK')
    psk = hkdf(b'', isk, b'hawser code psk', 32)
    prologue = PREAMBLE * 2 + run + ya + yb
    one, other = (
        Handshake(XXPSK0, prologue, who == 'dialler', v.bytes(f'{who}_private'), v.bytes(f'{who}_ephemeral'), psk)
        for who in ('dialler', 'listener')
    )
    v.check('message_1', one.write(b''))
    other.read(v.bytes('message_1'))
    v.check('message_2', other.write(b''))
    one.read(v.bytes('message_2'))
    secret = third_and_accept(v, 1, one, other)[3]
    v.check('return_ticket_id', ticket_id(return_ticket(secret)))


def records(v):
    v = Vectors(v)
    v.check('dialler_opening', PREAMBLE + JOIN)
    v.check('listener_answer', PREAMBLE + v.bytes('listener_nonce'))
    session, lane, attempt = v.bytes('session_id'), v['lane'], v['attempt']
    nonces = v.bytes('dialler_nonce'), v.bytes('listener_nonce')
    v.check('join_request', session + bytes([lane]) + attempt.to_bytes(4, 'big') + nonces[0])
    for direction in map(Vectors, v['directions']):
        first = lane_key(v.bytes('session_secret'), session, lane, attempt, *nonces, direction['direction'])
        direction.check('lane_key', first)
        for record in map(Vectors, direction['records']):
            record.check('key', key_of(first, record['number']))
            record.check('record', seal_record(first, record['number'], record.bytes('plaintext')))


def session(v):
    # Of the last file, the sink had the first chunk.
    following = Session(held={8: {0: bytes(CHUNK)}})
    for record in v['records']:
        plaintext = bytes.fromhex(record['plaintext'])
        same([describe(*frame) for frame in frames(plaintext)], record['frames'], 'frames')
        following.record(record['from'], plaintext)
    entries = following.finish()
    same(entries[2]['content'], b'hello\n', 'hello')
    same(entries[8]['content'], bytes(CHUNK + 1), 'rest')
    same(following.given_up, {7: 1}, 'given up')
    same(following.settled[5], ('committed', b'empty (1)'), 'placed under another name')


def describe(kind, entry, offset, payload):
    header = bytes([kind, 0, 0, 0]) + entry.to_bytes(4, 'big') + offset.to_bytes(8, 'big')
    return {
        'type': kind,
        'name': NAMES[kind],
        'entry': entry,
        'offset': offset,
        'length': len(payload),
        'header': (header + len(payload).to_bytes(4, 'big')).hex(),
        'payload': payload.hex(),
    }


def capture(v):
    """Both directions of a session that went over a wire, with no more than what its listener knew."""
    v = Vectors(v)
    dialler, listener = Fields(v.bytes('from_dialler')), Fields(v.bytes('from_listener'))
    same(dialler.take(9), PREAMBLE + SESSION, 'opening')
    same(listener.take(8), PREAMBLE, 'preamble')
    psk = ticket_psk(v.bytes('ticket_secret'))
    keys = v.bytes('listener_private'), v.bytes('listener_ephemeral')
    noise = Handshake(XKPSK3, PREAMBLE * 2, False, *keys, psk)
    same(noise.read(dialler.take(64)), ticket_id(v.bytes('ticket_secret')), 'claim')
    same(noise.write(b''), listener.take(48), 'message 2')
    third = Fields(noise.read(dialler.take(1281)))
    dialler_random, role, ek = third.take(32), third.number(1), third.take(1184)
    v.check('dialler_public', noise.rs)
    accept = Fields(open_sealed(noise.transport_keys()[1], 0, b'', listener.take(1152)))
    listener_random, session_id, ct = accept.take(32), accept.take(16), accept.take(1088)
    kem_secret, again = mlkem.encapsulate(ek, v.bytes('listener_kem_random'))
    same(again, ct, 'ciphertext')
    secret = session_secret(noise.h, kem_secret, dialler_random, listener_random, ek, ct)
    following = Session()
    sides = ('source', 'sink') if role == 1 else ('sink', 'source')
    for direction, (who, stream) in enumerate(zip(sides, (dialler, listener))):
        key = lane_key(secret, session_id, 0, 0, dialler_random, listener_random, direction)
        for plaintext in open_records(key, stream.take(stream.left())):
            following.record(who, plaintext)
    found = {entry.pop('path').decode(): entry for entry in following.finish().values()}
    same(found.keys(), v['tree'].keys(), 'paths')
    for path, expected in v['tree'].items():
        same(shown(found[path].get('content')), expected.get('content'), path)
        same(shown(found[path].get('target')), expected.get('target'), path)
        same(found[path]['kind'], expected['kind'], path)


def journal(v):
    v = Vectors(v)
    path, owner, content = v['path'].encode(), v.bytes('owner'), Vectors(v['content'])
    v.check('key', blake3(owner + path)[:16])
    data = bytes([content['byte']]) * content['length']
    fields = Fields(v.bytes('journal'))
    same(fields.take(8), b'HAWSERJ1', 'how it begins')
    same(fields.take(32), owner, 'owner')
    same(fields.number(8), len(data), 'size')
    same([fields.number(8, signed=True), fields.number(4)], v['mtime'], 'time')
    same(fields.take(fields.number(4)), path, 'path')
    check = blake3(fields.data[: fields.at])[:8]
    same(fields.take(8), check, 'check of the header')
    chunks = []
    while fields.left():
        number, chunk_hash = fields.take(4), fields.take(32)
        same(fields.take(4), blake3(check + number + chunk_hash)[:4], 'check of a record')
        chunks.append(int.from_bytes(number, 'big'))
        at = chunks[-1] * CHUNK
        same(chaining_value(data[at : at + CHUNK], at), chunk_hash, f'chunk {chunks[-1]}')
    same(chunks, v['chunks'], 'chunks')


def ml_kem(v):
    for case in map(Vectors, v['keyGen']):
        ek, dk = mlkem.keygen(case.bytes('d') + case.bytes('z'))
        case.check('ek', ek)
        case.check('dk', dk)
    for case in map(Vectors, v['encapsulation']):
        secret, ct = mlkem.encapsulate(case.bytes('ek'), case.bytes('m'))
        case.check('k', secret)
        case.check('c', ct)
    for case in map(Vectors, v['decapsulation']):
        case.check('k', mlkem.decapsulate(case.bytes('dk'), case.bytes('c')))


CHECKS = {
    'capture.json': capture,
    'code.json': code,
    'handshake.json': handshake,
    'journal.json': journal,
    'ml-kem-768.json': ml_kem,
    'records.json': records,
    'session.json': session,
    'ticket.json': ticket,
}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    failed = False
    for name in sorted(path.name for path in folder.glob('*.json')):
        try:
            CHECKS[name](json.loads((folder / name).read_text()))
            print(f'{name}: as computed')
        except Exception as error:
            failed = True
            print(f'{name}: {type(error).__name__}: {error}')
    sys.exit(failed)


main()
