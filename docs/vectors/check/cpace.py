"""CPace over ristretto255 with SHA-512 in plain Python, from RFC 9496 and draft-irtf-cfrg-cpace-21."""

from hashlib import sha512

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def is_negative(x):
    return x % P & 1


def absolute(x):
    return -x % P if is_negative(x) else x % P


def sqrt_ratio(u, v):
    """Section 4.2 of RFC 9496: whether u/v is a square, and the root of it or of `SQRT_M1`·u/v."""
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    if check in (-u % P, -u * SQRT_M1 % P):
        r = r * SQRT_M1 % P
    return check in (u % P, -u % P), absolute(r)


INVSQRT_A_MINUS_D = sqrt_ratio(1, (-1 - D) % P)[1]
# The one of the two roots that the RFC takes.
SQRT_AD_MINUS_ONE = P - sqrt_ratio((-D - 1) % P, 1)[1]
NEUTRAL = (0, 1, 1, 0)


def decode(data):
    """Section 4.3.1; None for what is no point."""
    s = int.from_bytes(data, 'little')
    if s >= P or is_negative(s):
        return None
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-D * u1 * u1 - u2 * u2) % P
    was_square, invsqrt = sqrt_ratio(1, v * u2 * u2 % P)
    den_x = invsqrt * u2 % P
    den_y = invsqrt * den_x * v % P
    x = absolute(2 * s * den_x)
    y = u1 * den_y % P
    t = x * y % P
    if not was_square or is_negative(t) or y == 0:
        return None
    return x, y, 1, t


def encode(point):
    """Section 4.3.2."""
    x0, y0, z0, t0 = point
    u1, u2 = (z0 + y0) * (z0 - y0) % P, x0 * y0 % P
    invsqrt = sqrt_ratio(1, u1 * u2 * u2 % P)[1]
    den1, den2 = invsqrt * u1 % P, invsqrt * u2 % P
    z_inv = den1 * den2 * t0 % P
    x, y, den_inv = x0, y0, den2
    if is_negative(t0 * z_inv):
        x, y, den_inv = y0 * SQRT_M1 % P, x0 * SQRT_M1 % P, den1 * INVSQRT_A_MINUS_D % P
    if is_negative(x * z_inv):
        y = -y % P
    return absolute(den_inv * (z0 - y)).to_bytes(32, 'little')


def elligator(data):
    """Section 4.3.4, MAP."""
    t = int.from_bytes(data, 'little') % 2**255 % P
    r = SQRT_M1 * t * t % P
    u = (r + 1) * (1 - D * D) % P
    v = (-1 - r * D) * (r + D) % P
    was_square, s = sqrt_ratio(u, v)
    c = -1
    if not was_square:
        s, c = -absolute(s * t) % P, r
    n = (c * (r - 1) * (D - 1) ** 2 - v) % P
    w0, w1, w2, w3 = 2 * s * v % P, n * SQRT_AD_MINUS_ONE % P, (1 - s * s) % P, (1 + s * s) % P
    return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, point):
    out = NEUTRAL
    for bit in f'{scalar:b}':
        out = add(out, out)
        if bit == '1':
            out = add(out, point)
    return out


def lengths_and(*parts):
    """`prepend_len`, one after the other. No part here is of 128 bytes or more, but for what `PRS` may be."""
    out = b''
    for part in parts:
        length = len(part)
        while length >= 128:
            out += bytes([length % 128 + 128])
            length //= 128
        out += bytes([length]) + part
    return out


def generator(prs, ci, sid):
    dsi = b'CPaceRistretto255'
    padding = bytes(max(0, 128 - 1 - len(lengths_and(prs)) - len(lengths_and(dsi))))
    wide = sha512(lengths_and(dsi, prs, padding, ci, sid)).digest()
    return add(elligator(wide[:32]), elligator(wide[32:]))


def scalar(random):
    return int.from_bytes(random[:31] + bytes([random[31] & 0x0F]), 'little')


def share(random, prs, ci, sid):
    return encode(times(scalar(random), generator(prs, ci, sid)))


def isk(random, theirs, sid, ya, ada, yb, adb):
    """`ISK`; None where the other side's share is no point or gives the neutral one."""
    point = decode(theirs)
    k = point and encode(times(scalar(random), point))
    if k in (None, bytes(32)):
        return None
    return sha512(lengths_and(b'CPaceRistretto255_ISK', sid, k, ya, ada, yb, adb)).digest()
