"""BLAKE3 in plain Python: the hash, and the chaining value of a part of a file, which journals record."""

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
BLOCK, CHUNK = 64, 1024
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
MASK = 0xFFFFFFFF


def compress(chaining, block, counter, length, flags):
    """The first 8 words of a compression: a chaining value, or the hash where it is the root."""
    v = [*chaining, *IV[:4], counter & MASK, counter >> 32, length, flags]
    block = block.ljust(BLOCK, b'\0')
    m = [int.from_bytes(block[i : i + 4], 'little') for i in range(0, BLOCK, 4)]
    for _ in range(7):
        for i, (a, b, c, d) in enumerate(COLUMNS + DIAGONALS):
            for word, r, s in ((m[2 * i], 16, 12), (m[2 * i + 1], 8, 7)):
                v[a] = (v[a] + v[b] + word) & MASK
                x = v[d] ^ v[a]
                v[d] = (x >> r | x << (32 - r)) & MASK
                v[c] = (v[c] + v[d]) & MASK
                x = v[b] ^ v[c]
                v[b] = (x >> s | x << (32 - s)) & MASK
        m = [m[i] for i in ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]


def subtree(data, first_chunk, root):
    """The chaining value of `data`, which begins at the tree's chunk number `first_chunk`."""
    if len(data) > CHUNK:
        left = 1 << ((len(data) - 1) // CHUNK).bit_length() - 1
        halves = (data[: left * CHUNK], first_chunk), (data[left * CHUNK :], first_chunk + left)
        parents = b''.join(to_bytes(subtree(half, at, 0)) for half, at in halves)
        return compress(IV, parents, 0, BLOCK, PARENT | root)
    blocks = [data[i : i + BLOCK] for i in range(0, len(data), BLOCK)] or [b'']
    chaining = IV
    for i, block in enumerate(blocks):
        flags = (CHUNK_START if i == 0 else 0) | (CHUNK_END | root if i == len(blocks) - 1 else 0)
        chaining = compress(chaining, block, first_chunk, len(block), flags)
    return chaining


def to_bytes(words):
    return b''.join(word.to_bytes(4, 'little') for word in words)


def blake3(data):
    return to_bytes(subtree(data, 0, ROOT))


def chaining_value(data, offset):
    """Of `data`, which is at `offset` of a file and not all of it."""
    return to_bytes(subtree(data, offset // CHUNK, 0))
