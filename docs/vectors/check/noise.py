"""What docs/protocol.md takes from elsewhere and what a package or the standard library has: X25519,
ChaCha20-Poly1305, HKDF; and the two Noise patterns, by hand, from the Noise specification, revision 34."""

import hmac
from hashlib import blake2s, sha256

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def public(private):
    key = X25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def x25519(private, theirs):
    """Raises ValueError for a result of 32 zero bytes."""
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(theirs))


def hkdf_expand(prk, info, length):
    out, block, count = b'', b'', 1
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([count]), sha256)
        out, count = out + block, count + 1
    return out[:length]


def hkdf(salt, ikm, info, length):
    return hkdf_expand(hmac.digest(salt or bytes(32), ikm, sha256), info, length)


def nonce(number):
    return bytes(4) + number.to_bytes(8, 'little')


def seal(key, number, ad, plaintext):
    return ChaCha20Poly1305(key).encrypt(nonce(number), plaintext, ad)


def open_sealed(key, number, ad, ciphertext):
    return ChaCha20Poly1305(key).decrypt(nonce(number), ciphertext, ad)


# Tokens of each message. `psk3` is at the end of the third message, `psk0` at the beginning of the first.
XKPSK3 = b'Noise_XKpsk3_25519_ChaChaPoly_BLAKE2s', (('e', 'es'), ('e', 'ee'), ('s', 'se', 'psk'))
XXPSK0 = b'Noise_XXpsk0_25519_ChaChaPoly_BLAKE2s', (('psk', 'e'), ('e', 'ee', 's', 'es'), ('s', 'se'))


class Handshake:
    """One side's state. `s` and `e` are private keys, `rs` the other side's public one if known before."""

    def __init__(self, protocol, prologue, initiator, s, e, psk, rs=None):
        name, self.messages = protocol
        self.h = self.ck = name.ljust(32, b'\0') if len(name) <= 32 else blake2s(name).digest()
        self.k, self.n = None, 0
        self.initiator, self.s, self.e, self.psk = initiator, s, e, psk
        self.rs, self.re, self.turn = rs, None, 0
        self.mix_hash(prologue)
        if protocol == XKPSK3:
            self.mix_hash(rs if initiator else public(s))

    def mix_hash(self, data):
        self.h = blake2s(self.h + data).digest()

    def derive(self, material, count):
        key, out, last = hmac.digest(self.ck, material, blake2s), [], b''
        for i in range(1, count + 1):
            last = hmac.digest(key, last + bytes([i]), blake2s)
            out.append(last)
        return out

    def mix_key(self, material):
        self.ck, self.k = self.derive(material, 2)
        self.n = 0

    def mix_psk(self):
        self.ck, mixed, self.k = self.derive(self.psk, 3)
        self.mix_hash(mixed)
        self.n = 0

    def encrypt(self, plaintext):
        ciphertext = plaintext
        if self.k is not None:
            ciphertext = seal(self.k, self.n, self.h, plaintext)
            self.n += 1
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt(self, ciphertext):
        plaintext = ciphertext
        if self.k is not None:
            plaintext = open_sealed(self.k, self.n, self.h, ciphertext)
            self.n += 1
        self.mix_hash(ciphertext)
        return plaintext

    def agree(self, token):
        """`ee`, `es`, `se`: the first letter is the initiator's key, the second the responder's."""
        own, other = token if self.initiator else reversed(token)
        self.mix_key(x25519({'e': self.e, 's': self.s}[own], {'e': self.re, 's': self.rs}[other]))

    def write(self, payload):
        out = b''
        for token in self.messages[self.turn]:
            if token == 'e':
                own = public(self.e)
                out += own
                self.mix_hash(own)
                # In a handshake with a pre-shared key, `e` goes into the key, too.
                self.mix_key(own)
            elif token == 's':
                out += self.encrypt(public(self.s))
            elif token == 'psk':
                self.mix_psk()
            else:
                self.agree(token)
        self.turn += 1
        return out + self.encrypt(payload)

    def read(self, message):
        for token in self.messages[self.turn]:
            if token == 'e':
                self.re, message = message[:32], message[32:]
                self.mix_hash(self.re)
                self.mix_key(self.re)
            elif token == 's':
                length = 32 if self.k is None else 48
                self.rs, message = self.decrypt(message[:length]), message[length:]
            elif token == 'psk':
                self.mix_psk()
            else:
                self.agree(token)
        self.turn += 1
        return self.decrypt(message)

    def transport_keys(self):
        """From initiator to responder, and back."""
        return self.derive(b'', 2)
