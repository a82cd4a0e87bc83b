"""ML-DSA-44 verification from the text of FIPS 204 alone (numbers of algorithms are those of the standard). Slow, short,
and for verification only: there is no secret here to leak."""

import hashlib

Q, D, TAU, GAMMA1, K, L, BETA, OMEGA = 8380417, 13, 39, 1 << 17, 4, 4, 78, 80
GAMMA2 = (Q - 1) // 88
HINTS = (Q - 1) // (2 * GAMMA2)
N = 256


def bit_reversed(m):
    return int("{:08b}".format(m)[::-1], 2)


ZETAS = [pow(1753, bit_reversed(m), Q) for m in range(N)]


def ntt(w):
    """Algorithm 41."""
    w, m, length = list(w), 0, 128
    while length >= 1:
        for start in range(0, N, 2 * length):
            m += 1
            for j in range(start, start + length):
                t = ZETAS[m] * w[j + length] % Q
                w[j + length], w[j] = (w[j] - t) % Q, (w[j] + t) % Q
        length //= 2
    return w


def inverse_ntt(w):
    """Algorithm 42."""
    w, m, length = list(w), N, 1
    while length < N:
        for start in range(0, N, 2 * length):
            m -= 1
            for j in range(start, start + length):
                t = w[j]
                w[j] = (t + w[j + length]) % Q
                w[j + length] = -ZETAS[m] * (t - w[j + length]) % Q
        length *= 2
    return [8347681 * value % Q for value in w]


def bits(octets, width):
    """The numbers of `width` bits that are packed in `octets` (algorithms 18 and 19)."""
    whole = int.from_bytes(octets, "little")
    return [whole >> (width * at) & ((1 << width) - 1) for at in range(len(octets) * 8 // width)]


def polynomials(octets, width, count):
    size = 32 * width
    return [bits(octets[at * size : (at + 1) * size], width) for at in range(count)]


def expand_a(rho, row, column):
    """Algorithm 30, RejNTTPoly: 3 bytes of SHAKE128 make a coefficient, if it is one."""
    stream = hashlib.shake_128(rho + bytes([column, row])).digest(3 * 512)
    found = []
    for at in range(0, len(stream), 3):
        value = int.from_bytes(stream[at : at + 3], "little") & 0x7FFFFF
        if value < Q:
            found.append(value)
    return found[:N]


def sample_in_ball(seed):
    """Algorithm 29."""
    stream = hashlib.shake_256(seed).digest(1024)
    signs, at, c = int.from_bytes(stream[:8], "little"), 8, [0] * N
    for i in range(N - TAU, N):
        while stream[at] > i:
            at += 1
        j, at = stream[at], at + 1
        c[i] = c[j]
        c[j] = -1 if signs >> (i + TAU - N) & 1 else 1
    return c


def unpack_hints(octets):
    """Algorithm 21; None for what no signer writes."""
    hints, index = [[0] * N for _ in range(K)], 0
    for i in range(K):
        end = octets[OMEGA + i]
        if end < index or end > OMEGA:
            return None
        for at in range(index, end):
            if at > index and octets[at - 1] >= octets[at]:
                return None
            hints[i][octets[at]] = 1
        index = end
    return hints if not any(octets[index:OMEGA]) else None


def use_hint(hint, r):
    """Algorithms 36 and 40."""
    r0 = r % (2 * GAMMA2)
    if r0 > GAMMA2:
        r0 -= 2 * GAMMA2
    if r - r0 == Q - 1:
        r1, r0 = 0, r0 - 1
    else:
        r1 = (r - r0) // (2 * GAMMA2)
    if not hint:
        return r1
    return (r1 + 1) % HINTS if r0 > 0 else (r1 - 1) % HINTS


def verifies(key, message, signature, context=b""):
    """Algorithms 3 and 8."""
    if len(key) != 1312 or len(signature) != 2420:
        return False
    rho, t1 = key[:32], polynomials(key[32:], 10, K)
    commitment, hints = signature[:32], unpack_hints(signature[32 + L * 576 :])
    z = [[GAMMA1 - value for value in one] for one in polynomials(signature[32 : 32 + L * 576], 18, L)]
    if hints is None or any(abs(value) >= GAMMA1 - BETA for one in z for value in one):
        return False
    tr = hashlib.shake_256(key).digest(64)
    mu = hashlib.shake_256(tr + bytes([0, len(context)]) + context + message).digest(64)
    c, z = ntt(sample_in_ball(commitment)), [ntt([value % Q for value in one]) for one in z]
    packed = 0
    for i in range(K):
        shifted = ntt([value << D for value in t1[i]])
        row = [-c[n] * shifted[n] % Q for n in range(N)]
        for j in range(L):
            a = expand_a(rho, i, j)
            row = [(row[n] + a[n] * z[j][n]) % Q for n in range(N)]
        for n, value in enumerate(inverse_ntt(row)):
            packed |= use_hint(hints[i][n], value) << (6 * (N * i + n))
    return hashlib.shake_256(mu + packed.to_bytes(K * N * 6 // 8, "little")).digest(32) == commitment
