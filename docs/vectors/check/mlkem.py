"""ML-KEM-768 in plain Python, from FIPS 203, with its randomness as an argument."""

from hashlib import sha3_256, sha3_512, shake_128, shake_256

Q, N, K, DU, DV = 3329, 256, 3, 10, 4


def reversed_bits(i):
    return int(f'{i:07b}'[::-1], 2)


ZETAS = [pow(17, reversed_bits(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * reversed_bits(i) + 1, Q) for i in range(128)]


def ntt(f):
    f, i, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, N, 2 * length):
            for j in range(start, start + length):
                t = ZETAS[i] * f[j + length]
                f[j], f[j + length] = (f[j] + t) % Q, (f[j] - t) % Q
            i += 1
        length //= 2
    return f


def inverse_ntt(f):
    f, i, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, N, 2 * length):
            for j in range(start, start + length):
                t = f[j]
                f[j], f[j + length] = (t + f[j + length]) % Q, ZETAS[i] * (f[j + length] - t) % Q
            i -= 1
        length *= 2
    return [x * 3303 % Q for x in f]


def times(f, g):
    out = []
    for i, gamma in enumerate(GAMMAS):
        a, b, c, d = *f[2 * i : 2 * i + 2], *g[2 * i : 2 * i + 2]
        out += [(a * c + b * d * gamma) % Q, (a * d + b * c) % Q]
    return out


def plus(*polynomials):
    return [sum(terms) % Q for terms in zip(*polynomials)]


def dot(fs, gs):
    return plus(*(times(f, g) for f, g in zip(fs, gs)))


def encode(f, d):
    return sum(x << (d * i) for i, x in enumerate(f)).to_bytes(32 * d, 'little')


def decode(data, d):
    number = int.from_bytes(data, 'little')
    return [number >> (d * i) & (1 << d) - 1 for i in range(N)]


def compress(f, d):
    return [((x << d) * 2 + Q) // (2 * Q) % (1 << d) for x in f]


def decompress(f, d):
    return [(x * Q * 2 + (1 << d)) >> d + 1 for x in f]


def sample_ntt(seed):
    out, stream = [], shake_128(seed).digest(3 * 1024)
    for i in range(0, len(stream), 3):
        a, b, c = stream[i : i + 3]
        out += [x for x in (a + 256 * (b % 16), b // 16 + 16 * c) if x < Q]
    return out[:N]


def sample_cbd(seed, nonce):
    bits = int.from_bytes(shake_256(seed + bytes([nonce])).digest(128), 'little')
    bit = lambda i: bits >> i & 1
    return [(bit(4 * i) + bit(4 * i + 1) - bit(4 * i + 2) - bit(4 * i + 3)) % Q for i in range(N)]


def matrix(rho):
    return [[sample_ntt(rho + bytes([j, i])) for j in range(K)] for i in range(K)]


def encrypt(ek, m, r):
    t = [decode(ek[384 * i : 384 * i + 384], 12) for i in range(K)]
    a = matrix(ek[384 * K :])
    y = [ntt(sample_cbd(r, i)) for i in range(K)]
    u = [plus(inverse_ntt(dot([a[j][i] for j in range(K)], y)), sample_cbd(r, K + i)) for i in range(K)]
    v = plus(inverse_ntt(dot(t, y)), sample_cbd(r, 2 * K), decompress(decode(m, 1), 1))
    return b''.join(encode(compress(f, DU), DU) for f in u) + encode(compress(v, DV), DV)


def keygen(seed):
    """`ML-KEM.KeyGen_internal(d, z)` with `d ‖ z`: encapsulation key, decapsulation key."""
    d, z = seed[:32], seed[32:]
    g = sha3_512(d + bytes([K])).digest()
    rho, sigma = g[:32], g[32:]
    s = [ntt(sample_cbd(sigma, i)) for i in range(K)]
    t = [plus(dot(row, s), ntt(sample_cbd(sigma, K + i))) for i, row in enumerate(matrix(rho))]
    ek = b''.join(encode(f, 12) for f in t) + rho
    return ek, b''.join(encode(f, 12) for f in s) + ek + sha3_256(ek).digest() + z


def encapsulate(ek, m):
    """`ML-KEM.Encaps_internal`: shared secret, ciphertext. Checks the key as section 7.2 says."""
    coefficients = ek[: 384 * K]
    decoded = [x for i in range(K) for x in decode(coefficients[384 * i :][:384], 12)]
    if len(ek) != 384 * K + 32 or max(decoded) >= Q:
        raise ValueError('not an encapsulation key')
    g = sha3_512(m + sha3_256(ek).digest()).digest()
    return g[:32], encrypt(ek, m, g[32:])


def decapsulate(dk, c):
    """`ML-KEM.Decaps_internal`: the shared secret, or another one for a ciphertext that was changed."""
    s = [decode(dk[384 * i : 384 * i + 384], 12) for i in range(K)]
    ek, h, z = dk[384 * K : 768 * K + 32], dk[768 * K + 32 : 768 * K + 64], dk[768 * K + 64 :]
    u = [decompress(decode(c[32 * DU * i :][: 32 * DU], DU), DU) for i in range(K)]
    v = decompress(decode(c[32 * DU * K :], DV), DV)
    w = plus(v, [-x for x in inverse_ntt(dot(s, [ntt(f) for f in u]))])
    m = encode(compress(w, 1), 1)
    g = sha3_512(m + h).digest()
    return g[:32] if encrypt(ek, m, g[32:]) == c else shake_256(z + c).digest(32)
