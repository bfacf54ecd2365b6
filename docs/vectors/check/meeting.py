"""docs/protocol.md, "Identity and ticket" to "Joining with another lane"."""

import base64
import ipaddress

from blake3 import blake3
from noise import hkdf, hkdf_expand

PREAMBLE = b'HAWSER' + (1).to_bytes(2, 'big')
SESSION, JOIN, CODE = b'\1', b'\2', b'\3'


class Refused(Exception):
    """A text is no ticket; the kind of error is its argument."""


def base32(data):
    return base64.b32encode(data).decode().lower().rstrip('=')


def fingerprint(key):
    text = base32(blake3(key))[:16]
    return '-'.join(text[i : i + 4] for i in range(0, 16, 4))


def checksum(body):
    return blake3(b'hawser1' + body)[:4]


def read_ticket(text):
    text = text.strip().lower()
    if len(text) > 4096:
        raise Refused('Malformed')
    if text[:6] != 'hawser' or not text[6:7].isdigit():
        raise Refused('NotATicket')
    if text[6] != '1':
        raise Refused('UnknownVersion')
    encoded = text[7:]
    try:
        whole = base64.b32decode(encoded.upper() + '=' * (-len(encoded) % 8))
    except ValueError:
        raise Refused('Mistyped') from None
    body, check = whole[:-4], whole[-4:]
    if base32(whole) != encoded or check != checksum(body):
        raise Refused('Mistyped')
    try:
        return read_body(body)
    except (IndexError, ValueError):
        raise Refused('Malformed') from None


def read_body(body):
    rest = Fields(body)
    flags = rest.number(1)
    if flags & ~7 or not flags & 3:
        raise ValueError
    ticket = {'push': bool(flags & 1), 'pull': bool(flags & 2), 'key': rest.take(32), 'secret': rest.take(16)}
    ticket['port'] = rest.number(2)
    ticket['expires'] = rest.number(8) if flags & 4 else None
    count = rest.number(1)
    ticket['addresses'] = [read_address(rest) for _ in range(count)]
    if not ticket['port'] or not 1 <= count <= 8 or rest.left():
        raise ValueError
    return ticket


def read_address(rest):
    kind = rest.number(1)
    if kind in (4, 6):
        return str(ipaddress.ip_address(rest.take({4: 4, 6: 16}[kind])))
    name = rest.take(rest.number(1))
    allowed = b'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.'
    if kind != 0 or not 1 <= len(name) <= 253 or any(byte not in allowed for byte in name):
        raise ValueError
    return name.decode()


class Fields:
    """Takes bytes and numbers off the front; ValueError where there are not enough."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        if self.left() < length:
            raise ValueError
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, length, signed=False):
        return int.from_bytes(self.take(length), 'big', signed=signed)

    def left(self):
        return len(self.data) - self.at


def ticket_id(secret):
    return hkdf(b'', secret, b'hawser ticket id', 16)


def ticket_psk(secret):
    return hkdf(b'', secret, b'hawser ticket psk', 32)


def session_secret(h, kem_secret, dialler_random, listener_random, ek, ct):
    ikm = kem_secret + dialler_random + listener_random
    return hkdf(h, ikm, b'hawser session 1' + ek + ct, 32)


def lane_key(secret, session, lane, attempt, dialler_nonce, listener_nonce, direction):
    info = b'hawser lane' + session + bytes([lane]) + attempt.to_bytes(4, 'big')
    return hkdf_expand(secret, info + dialler_nonce + listener_nonce + bytes([direction]), 32)


def return_ticket(secret):
    return hkdf_expand(secret, b'hawser return ticket', 16)
