#!/usr/bin/env python3
"""A second implementation, in another language, written from the C2SP texts (signed-note, tlog-checkpoint, tlog-tiles,
tlog-proof, tlog-cosignature), RFC 6962, RFC 8032 and FIPS 204 alone: it knows nothing of tibet-sip and shares no code
with it.

verify.py DIRECTORY VKEY [--witness VKEY] [PROOF ...]

Checks the published log in DIRECTORY: the checkpoint's signature, every tile and every entry against its root; then
each tlog-proof, whose leaf is the entry that the log has at that index; with --witness also the cosignature on the
checkpoint of each proof. Prints one line for each thing that holds; ends with 1 at the first one that does not."""

import base64
import hashlib
import os
import sys

sys.dont_write_bytecode = True
import ml_dsa_44

# RFC 8032 section 5.1: the curve. Slow, and enough for a handful of signatures.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        raise ValueError("y is not reduced")
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P != 0:
        x = x * I % P
    if (x * x - x2) % P != 0 or (x == 0 and sign):
        raise ValueError("no point of the curve")
    return P - x if x & 1 != sign else x


def add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    A, B = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    C, E = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = B - A, E - C, E + C, B + A
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def decompress(octets):
    y = int.from_bytes(octets, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    x = recover_x(y, sign)
    return x, y, 1, x * y % P


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (recover_x(BASE_Y, 0), BASE_Y, 1, recover_x(BASE_Y, 0) * BASE_Y % P)


def ed25519_verifies(key, message, signature):
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L:
        return False
    try:
        a, r = decompress(key), decompress(signature[:32])
    except ValueError:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(r, multiply(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def require(condition, what):
    if not condition:
        raise SystemExit("REFUSED: " + what)


def read(path):
    with open(path, "rb") as file:
        return file.read()


# C2SP signed-note.
def parse_vkey(vkey):
    name, key_id, encoded = vkey.split("+", 2)
    typed = base64.b64decode(encoded, validate=True)
    expected = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    require(bytes.fromhex(key_id) == expected, "the id of the verifier key")
    return name, expected, typed[0], typed[1:]


def signatures_of(note):
    text, _, block = note.rpartition("\n\n")
    found = {}
    for line in block.splitlines():
        mark, name, encoded = line.split(" ")
        require(mark == "\u2014", "a signature line")
        octets = base64.b64decode(encoded, validate=True)
        found[name, octets[:4]] = octets[4:]
    return text + "\n", found


def open_checkpoint(note, vkey, witness=None):
    name, key_id, kind, key = parse_vkey(vkey)
    text, signatures = signatures_of(note)
    origin, size, root = text.split("\n")[:3]
    require(kind == 1 and origin == name, "the key is not that of this log")
    require((name, key_id) in signatures, "the log did not sign")
    require(ed25519_verifies(key, text.encode(), signatures[name, key_id]), "the log's signature")
    if witness is not None:
        # C2SP tlog-cosignature.
        name, key_id, kind, key = parse_vkey(witness)
        require(kind in (4, 6) and (name, key_id) in signatures, "the witness did not sign")
        stamped = signatures[name, key_id]
        time = stamped[:8]
        if kind == 4:
            message = "cosignature/v1\ntime %d\n%s" % (int.from_bytes(time, "big"), text)
            holds = ed25519_verifies(key, message.encode(), stamped[8:])
        else:
            octets = base64.b64decode(root, validate=True)
            vectors = [bytes([len(one.encode())]) + one.encode() for one in (name, origin)]
            message = b"subtree/v1\n\0" + vectors[0] + time + vectors[1] + bytes(8) + int(size).to_bytes(8, "big") + octets
            holds = ml_dsa_44.verifies(key, message, stamped[8:])
        require(holds, "the witness's signature")
    return int(size), base64.b64decode(root, validate=True)


# RFC 6962 section 2.1.
def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes):
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(root_of(hashes[:split]), root_of(hashes[split:]))


def root_by_path(leaf, index, size, path):
    """RFC 6962 section 2.1.1, from the definition: the path is read from its end, which is the root's child."""
    if size == 1:
        require(not path, "a path is too long")
        return leaf
    require(path, "a path is too short")
    split = 1
    while split * 2 < size:
        split *= 2
    if index < split:
        return node_hash(root_by_path(leaf, index, split, path[:-1]), path[-1])
    return node_hash(path[-1], root_by_path(leaf, index - split, size - split, path[:-1]))


# C2SP tlog-tiles.
def tile_path(directory, level, index, width):
    groups = ["%03d" % (index % 1000)]
    while index >= 1000:
        index //= 1000
        groups.insert(0, "x%03d" % (index % 1000))
    path = os.path.join(directory, "tile", level, *groups)
    return path if width == 256 else path + ".p/%d" % width


def read_tile(directory, level, index, width):
    partial = tile_path(directory, level, index, width)
    return read(partial if os.path.exists(partial) else tile_path(directory, level, index, 256))


def read_log(directory, size, root):
    entries = []
    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        bundle, at, found = read_tile(directory, "entries", index, width), 0, []
        while at < len(bundle):
            length = int.from_bytes(bundle[at : at + 2], "big")
            found.append(bundle[at + 2 : at + 2 + length])
            at += 2 + length
        require(at == len(bundle) and len(found) >= width, "an entry bundle")
        entries += found[:width]
    level, hashes = 0, [leaf_hash(entry) for entry in entries]
    require(root_of(hashes) == root, "the entries do not lead to the root")
    while hashes:
        for index in range((len(hashes) + 255) // 256):
            expected = hashes[index * 256 : index * 256 + 256]
            tile = read_tile(directory, str(level), index, len(expected))
            require(tile[: 32 * len(expected)] == b"".join(expected), "tile %d/%d" % (level, index))
        full = len(hashes) // 256
        level, hashes = level + 1, [root_of(hashes[at * 256 : at * 256 + 256]) for at in range(full)]
    return entries


# C2SP tlog-proof.
def check_proof(text, vkey, witness, entries):
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    require(lines.pop(0) == "c2sp.org/tlog-proof@v1", "the proof's first line")
    if lines[0].startswith("extra "):
        base64.b64decode(lines.pop(0)[6:], validate=True)
    index = int(lines.pop(0).removeprefix("index "))
    path = [base64.b64decode(line, validate=True) for line in lines]
    size, root = open_checkpoint(note, vkey, witness)
    require(index < size, "the proof's index")
    require(root_by_path(leaf_hash(entries[index]), index, size, path) == root, "the proof of entry %d" % index)
    return index, size


def main(arguments):
    directory, vkey, *rest = arguments
    witness = None
    if rest[:1] == ["--witness"]:
        witness, rest = rest[1], rest[2:]
    size, root = open_checkpoint(read(os.path.join(directory, "checkpoint")).decode(), vkey)
    entries = read_log(directory, size, root)
    print("log of %d entries holds" % size)
    for path in rest:
        print("entry %d of %d holds" % check_proof(read(path).decode(), vkey, witness, entries))


main(sys.argv[1:])
