import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeHex, encodeHex } from '../../src/base/index.ts';
import { splitBundle } from '../../src/provenance/bundle.ts';
import { ByteWriter } from '../../src/provenance/byte-writer.ts';
import { openCheckpoint } from '../../src/provenance/checkpoint.ts';
import { decodeEntry, decodeOpening } from '../../src/provenance/entry.ts';
import { FrameMemory } from '../../src/provenance/frame-memory.ts';
import { ProvenanceError, verifyLog } from '../../src/provenance/index.ts';
import { closeFrame, FrameWriter, noDigest, scanSegment } from '../../src/provenance/journal-frame.ts';
import { decodeLayer, writeLayer } from '../../src/provenance/layer.ts';
import { leafHash } from '../../src/provenance/merkle-tree.ts';
import { unsealOpening } from '../../src/provenance/opening-seal.ts';
import { splitOpenings } from '../../src/provenance/openings-file.ts';
import { PartyKeySnapshot } from '../../src/provenance/party-keys.ts';
import { decodeReceipt, ReceiptChecker, sealBatch } from '../../src/provenance/receipt.ts';
import { openRecord, readRecord } from '../../src/provenance/record.ts';
import { openingFault } from '../../src/provenance/record-checks.ts';
import { decodeStatement } from '../../src/provenance/statement.ts';
import { bundlePath, indexPath, tilePath, widthOf } from '../../src/provenance/tile-layout.ts';
import { type CborValue, decodeCbor, encodeCbor, TokenError } from '../../src/tokens/index.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import { checkpointKey, nodeKey, origin } from './support/test-log.ts';
import { vectorFiles, vectorLog } from './support/vector-log.ts';

interface Vectors {
  readonly vkey: string;
  readonly files: Readonly<Record<string, string>>;
}

function isVectors(value: unknown): value is Vectors {
  return typeof value === 'object' && value !== null && 'vkey' in value && 'files' in value;
}

describe('exact bytes', () => {
  test('a log made with fixed keys, clock and salts is the one in test/vectors/audit-log.json', async () => {
    const { disk, vkey } = await vectorLog();
    const files = await vectorFiles(disk);
    const stored: unknown = JSON.parse(
      readFileSync(new URL('../vectors/audit-log.json', import.meta.url), 'utf8'),
    );
    if (!isVectors(stored)) throw new Error('not a vector file');
    expect({ vkey, files }).toEqual({ vkey: stored.vkey, files: stored.files });
    const restored = new SimulatedDisk();
    for (const [path, hex] of Object.entries(stored.files))
      restored.plant(path, Buffer.from(decodeHex(hex) ?? []));
    expect(
      (await verifyLog({ directory: '', storage: restored, vkey: stored.vkey })).problems.map(
        ({ file }) => file,
      ),
    ).toEqual([]);
  });

  test('every structure decodes to what general CBOR says, and encodes back to the same bytes', async () => {
    const { disk, vkey } = await vectorLog();
    const keys = await PartyKeySnapshot.read(disk);
    const entries = splitBundle((await disk.read(bundlePath(0, 3))) ?? Buffer.alloc(0), 2);
    const openings = splitOpenings((await disk.read('openings/000')) ?? Buffer.alloc(0));
    expect(entries).toHaveLength(3);
    for (const [at, entry] of entries.entries()) {
      const sealed = openings[at] ?? Buffer.alloc(0);
      const { opening } = openRecord({ position: at, entry, opening: sealed }, keys);
      expect(Buffer.from(encodeCbor(decodeCbor(entry))).equals(entry)).toBe(true);
      expect(Buffer.from(encodeCbor(decodeCbor(sealed))).equals(sealed)).toBe(true);
      expect(Buffer.from(encodeCbor(decodeCbor(opening))).equals(opening)).toBe(true);
      const { statement, receipt } = decodeEntry(entry);
      expect(openingFault(decodeStatement(statement), opening)).toBeUndefined();
      expect(new ReceiptChecker().holds(decodeReceipt(receipt), leafHash(statement), nodeKey.publicKey)).toBe(
        true,
      );
      expect(
        new ReceiptChecker().holds(decodeReceipt(receipt), leafHash(statement), checkpointKey.publicKey),
      ).toBe(false);
      for (const item of decodeOpening(opening).layers)
        expect(decodeLayer(item?.encoding ?? new Uint8Array(0))).toBeDefined();
      expect(readRecord({ position: at, entry, opening }).position).toBe(at);
    }
    const note = Buffer.from((await disk.read('public/checkpoint')) ?? []).toString();
    expect(openCheckpoint(note, { name: origin, publicKey: checkpointKey.publicKey }).size).toBe(3);
    expect(vkey.startsWith(`${origin}+`)).toBe(true);
  });

  test('openings of earlier builds, whose checksum was a digest, open as ever', async () => {
    const { disk } = await vectorLog();
    const keys = await PartyKeySnapshot.read(disk);
    const [, sealed = Buffer.alloc(0)] = splitOpenings((await disk.read('openings/000')) ?? Buffer.alloc(0));
    const [former, checksumBytes] = [Buffer.from(sealed.subarray(0, -5)), 8];
    former[1] = 3;
    const checksum = createHash('sha256').update(former).digest().subarray(0, checksumBytes);
    const whole = Buffer.concat([former, Buffer.of(0x40 | checksumBytes), checksum]);
    expect(unsealOpening(whole, keys)).toEqual(unsealOpening(sealed, keys));
    whole[former.length + 1] = (whole[former.length + 1] ?? 0) ^ 1;
    expect(() => unsealOpening(whole, keys)).toThrow(ProvenanceError);
  });

  test('paths are those of C2SP tlog-tiles', () => {
    expect(indexPath(1_234_067)).toBe('x001/x234/067');
    expect(indexPath(0)).toBe('000');
    expect(indexPath(1000)).toBe('x001/000');
    expect(tilePath(1, 0, 17)).toBe('public/tile/1/000.p/17');
    expect(bundlePath(273, 112)).toBe('public/tile/entries/273.p/112');
    // The example of the specification: a tree of 70,000.
    expect([
      widthOf(70_000, 0, 272),
      widthOf(70_000, 0, 273),
      widthOf(70_000, 1, 0),
      widthOf(70_000, 1, 1),
      widthOf(70_000, 2, 0),
      widthOf(70_000, 3, 0),
    ]).toEqual([256, 112, 256, 17, 1, 0]);
  });
});

describe('layers', () => {
  const json = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
      fc.string({ unit: 'grapheme', maxLength: 80 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string({ maxLength: 12 }), tie('value'), { maxKeys: 5, noNullPrototype: true }),
    ),
  })).value;

  function asCbor(value: unknown): CborValue {
    if (Array.isArray(value)) return value.map(asCbor);
    if (value instanceof Uint8Array || value === null) return value;
    if (typeof value === 'object')
      return new Map(Object.entries(value).map(([key, item]) => [key, asCbor(item)]));
    if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
    throw new Error('not of this shape');
  }

  test('are encoded as general deterministic CBOR (RFC 8949 §4.2.1) would, and come back', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ maxLength: 30 }), json, { maxKeys: 8, noNullPrototype: true }),
        (layer) => {
          const writer = new ByteWriter();
          writeLayer(writer, layer);
          expect(encodeHex(writer.view())).toBe(encodeHex(encodeCbor(asCbor(layer))));
          expect(decodeLayer(writer.copy())).toEqual(layer);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('decoders', () => {
  test('raise ProvenanceError or TokenError for any bytes, and nothing else', () => {
    const decoders = [
      decodeEntry,
      decodeOpening,
      decodeStatement,
      decodeReceipt,
      decodeLayer,
      (bytes: Uint8Array) => splitBundle(bytes, 2),
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(decoders.length - 1), (bytes, which) => {
        try {
          decoders[which]?.(bytes);
        } catch (error) {
          if (!(error instanceof ProvenanceError || error instanceof TokenError)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('journal frames', () => {
  interface Written {
    /** Without the mark behind it. */
    readonly bytes: Buffer;
    readonly marked: Buffer;
    readonly digest: Uint8Array;
  }
  const frameOf = (from: number, to: number, previous: Uint8Array): Written => {
    const frame = new FrameWriter();
    const ids: Uint8Array[] = [];
    for (let at = from; at <= to; at++) {
      const statement = frame.beginRecord();
      frame.writer.latin1(`statement ${at}`);
      const opening = frame.beginOpening(statement);
      frame.writer.latin1(`opening ${at}`);
      frame.endRecord(statement, opening);
      frame.undoRecord(frame.beginRecord());
      ids.push(leafHash(Buffer.from(`statement ${at}`)));
    }
    const seal = sealBatch(ids, { key: nodeKey, kid: new Uint8Array(32) }, 1);
    const open = frame.end(seal, from, new FrameMemory());
    const digest = closeFrame(open, previous);
    return { bytes: open.bytes.subarray(0, open.length), marked: open.bytes, digest };
  };
  const first = frameOf(5, 6, noDigest);
  const second = frameOf(7, 7, first.digest);
  const segment = Buffer.concat([first.bytes, second.marked]);
  const whole = first.bytes.length + second.bytes.length;

  test('come back whole', () => {
    const scan = scanSegment(segment, 5);
    expect(scan).toMatchObject({ goodBytes: whole, torn: false, damaged: false });
    expect(scan.frames.flatMap(({ records }) => [...records]).map(({ position }) => position)).toEqual([
      5, 6, 7,
    ]);
    for (const { records } of scan.frames)
      for (const { position, entry, opening } of records) {
        const { statement, receipt } = decodeEntry(entry);
        expect(Buffer.from(statement).toString()).toBe(`statement ${position}`);
        expect(Buffer.from(opening).toString()).toBe(`opening ${position}`);
        expect(
          new ReceiptChecker().holds(decodeReceipt(receipt), leafHash(statement), nodeKey.publicKey),
        ).toBe(true);
      }
  });

  test('cut anywhere, the segment reads up to the last whole frame', () => {
    for (let length = 0; length < segment.length; length++) {
      const scan = scanSegment(segment.subarray(0, length), 5);
      const goodBytes = [whole, first.bytes.length].find((end) => end <= length) ?? 0;
      expect(scan).toMatchObject({ goodBytes, damaged: false, torn: length !== goodBytes && length < whole });
    }
  });

  test('a changed byte of the last frame, or of the mark behind it, is a torn write', () => {
    for (let at = first.bytes.length; at < segment.length; at++) {
      const changed = Buffer.from(segment);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(scanSegment(changed, 5), `byte ${at}`).toMatchObject({ torn: true, damaged: false });
    }
  });

  test('what a file held as another segment is neither a record nor damage', () => {
    expect(scanSegment(segment, 8)).toMatchObject({ frames: [], goodBytes: 0, torn: false, damaged: false });
    const third = frameOf(8, 8, second.digest);
    const fourth = frameOf(9, 9, third.digest);
    const before = Buffer.concat([segment, segment, segment]);
    before.set(third.marked);
    const one = { goodBytes: third.bytes.length, damaged: false };
    expect(scanSegment(before, 8)).toMatchObject({ ...one, frames: [{ digest: third.digest }], torn: false });
    const over = Buffer.from(before);
    over.set(fourth.marked, one.goodBytes);
    const both = one.goodBytes + fourth.bytes.length;
    expect(scanSegment(over, 8)).toMatchObject({ goodBytes: both, torn: false, damaged: false });
    for (let at = 0; at < both; at++) {
      const changed = Buffer.from(over);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const last = at >= one.goodBytes;
      expect(scanSegment(changed, 8), `byte ${at}`).toMatchObject({ torn: true, damaged: !last });
      // A write that stopped there.
      const cut = Buffer.from(before);
      cut.set(over.subarray(0, at));
      if (last)
        expect(scanSegment(cut, 8), `up to ${at}`).toMatchObject({ ...one, torn: at > one.goodBytes });
    }
  });

  test('a changed byte before the last frame is damage, not a torn write', () => {
    for (let at = 0; at < first.bytes.length; at++) {
      const changed = Buffer.from(segment);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(scanSegment(changed, 5).damaged, `byte ${at}`).toBe(true);
    }
  });
});
