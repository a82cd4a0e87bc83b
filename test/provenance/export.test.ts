import { describe, expect, test } from 'vitest';
import {
  canonicalJson,
  csvHeader,
  recordToCsv,
  recordToJson,
  type StoredRecord,
  TibetExporter,
} from '../../src/provenance/index.ts';
import { sha256, verifySignature } from '../../src/tokens/index.ts';
import { alice, bob, nodeFingerprint, nodeKey } from './support/test-log.ts';

const record: StoredRecord = {
  id: 'a'.repeat(52),
  position: 7,
  timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  event: 'call.attempt',
  call: { id: 'c1', phase: 'attempt' },
  erin: {
    event: 'call.attempt',
    callId: 'x@y',
    caller: 'jis:alice',
    callee: 'jis:bob',
    status: 180,
    raw: Uint8Array.of(255),
  },
  eraan: { parents: ['b'.repeat(52)], tokens: ['token-hash'] },
  eromheen: { transport: 'udp' },
  erachter: '=HYPERLINK("evil"), say "hi"',
  parties: [
    { fingerprint: alice, role: 'caller', seq: 1, prev: undefined },
    { fingerprint: bob, role: 'callee', seq: 4, prev: 'c'.repeat(52) },
  ],
  node: nodeFingerprint,
  redacted: [],
  sealedAt: 1,
};

describe('exports', () => {
  test('JSON lines carry the whole record, bytes as base64url', () => {
    const parsed: unknown = JSON.parse(recordToJson(record));
    expect(parsed).toMatchObject({
      id: record.id,
      time: '2026-01-02T03:04:05.006Z',
      erin: { raw: '_w' },
      parties: [{}, {}],
    });
    expect(recordToJson(record)).not.toContain('\n');
  });

  test('CSV quotes as RFC 4180 asks and runs no formulas', () => {
    expect(csvHeader().split(',')).toHaveLength(13);
    expect(recordToCsv(record)).toBe(
      `2026-01-02T03:04:05.006Z,${record.id},call.attempt,c1,attempt,x@y,jis:alice,jis:bob,,180,"'=HYPERLINK(""evil""), say ""hi""",${alice} ${bob},7`,
    );
  });

  test.each([
    ['a;=1', "a;'=1", 'where the list separator is a semicolon, a field ends there'],
    ['a\t+1', "a\t'+1", 'where it is a tab'],
    ['a\n =1', `"a\n '=1"`, 'a line that begins within the field'],
    ['say "=1"', `"say ""'=1"""`, 'after a quote'],
    ['\uff1d1', "'\uff1d1", 'a full-width equals sign is one'],
    ['\t=1', "'\t'=1", 'a tab in front'],
    ['jis:a-b, 1+1=2; c', '"jis:a-b, 1+1=2; c"', 'what nobody takes for a formula stays as it is'],
  ])('CSV: %j runs nothing either (%#)', (intent, field, why) => {
    expect(recordToCsv({ ...record, erachter: intent }), why).toContain(`,${field},${alice}`);
  });

  test("TIBET tokens have the draft's fields, hash as RFC 8785, chain by hash and verify", () => {
    const exporter = new TibetExporter(nodeKey);
    const first = exporter.token(record);
    const second = exporter.token({
      ...record,
      id: 'd'.repeat(52),
      call: { id: 'c1', phase: 'close' },
      eraan: { parents: [], previous: record.id },
    });
    expect(Object.keys(first)).toEqual([
      'token_id',
      'version',
      'type',
      'timestamp',
      'actor',
      'erin',
      'eraan',
      'eromheen',
      'erachter',
      'parent_id',
      'parent_hash',
      'state',
      'hash',
      'signature',
    ]);
    expect(first).toMatchObject({ type: 'action', actor: 'jis:alice', state: 'created', parent_hash: null });
    expect(second).toMatchObject({
      type: 'transition',
      state: 'resolved',
      parent_id: record.id,
      parent_hash: first.hash,
    });
    const { hash, signature = '', ...body } = first;
    const digest = sha256(Buffer.from(canonicalJson(body)));
    expect(hash).toBe(`sha256:${Buffer.from(digest).toString('hex')}`);
    expect(verifySignature(nodeKey.publicKey, Buffer.from(hash), Buffer.from(signature, 'base64url'))).toBe(
      true,
    );
  });

  test('the actor of a call whose caller was erased is not the one who was called', () => {
    const [, callee] = record.parties;
    if (!callee) throw new Error('no callee');
    const left = {
      ...record,
      erin: { event: 'call.attempt', callee: 'jis:bob' },
      redacted: ['erachter', 'party 0'],
    };
    expect(new TibetExporter().token({ ...left, parties: [callee] }).actor).toBe('erased');
    const unnamed = { ...record, erin: { event: 'call.attempt' } };
    expect(new TibetExporter().token(unnamed).actor).toBe(alice);
    const nobody = { ...record, erin: { event: 'node.start' }, parties: [] };
    expect(new TibetExporter().token(nobody).actor).toBe(nodeFingerprint);
  });

  test('canonical JSON sorts keys and leaves no space (RFC 8785)', () => {
    expect(canonicalJson({ b: [1, { d: null, c: true }], a: 'ä"', z: undefined })).toBe(
      '{"a":"ä\\"","b":[1,{"c":true,"d":null}]}',
    );
  });
});
