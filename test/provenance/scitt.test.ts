import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type AuditLog,
  logReceiptType,
  statementType,
  transparentStatement,
} from '../../src/provenance/index.ts';
import { leafHash, rootFromInclusion } from '../../src/provenance/merkle-tree.ts';
import {
  type CborValue,
  decodeCbor,
  decodeCoseSign1,
  generateSigningKey,
  verifySignature,
} from '../../src/tokens/index.ts';
import { limits, written } from '../verify/forked-log.ts';
import { alice, checkpointKey, draft, openLog, origin, scratch } from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
let log: AuditLog;
beforeEach(async () => {
  directory = scratch();
  log = await openLog(directory.path, { limits });
});
afterEach(async () => {
  await log.close();
  directory.dispose();
});

describe('a record as a transparent statement (RFC 9943) with a COSE receipt (RFC 9942)', () => {
  test('has the headers of both, and both signatures hold', async () => {
    const [id = ''] = await written(log, [draft('x'), draft('y'), draft('z')]);
    const issuer = { key: generateSigningKey(), fingerprint: alice };
    const statement = decodeCoseSign1(
      transparentStatement(await log.prove(id), id, { issuer, logKey: checkpointKey }),
    );
    expect(statement.typ).toBe(statementType);
    expect(statement.protectedMap.get(15)).toEqual(
      new Map([
        [1, alice],
        [2, id],
      ]),
    );
    expect(verifySignature(issuer.key.publicKey, statement.toBeSigned(), statement.signature)).toBe(true);

    const [bytes] = (statement.unprotectedMap.get(394) ?? []) as readonly CborValue[];
    const receipt = decodeCoseSign1(bytes as Uint8Array);
    expect(receipt).toMatchObject({ typ: logReceiptType, payload: null });
    expect(receipt.protectedMap.get(395)).toBe(1);
    expect(receipt.protectedMap.get(15)).toEqual(
      new Map([
        [1, origin],
        [2, id],
      ]),
    );
    const proofs = receipt.unprotectedMap.get(396) as ReadonlyMap<number, readonly Uint8Array[]>;
    const [size, index, path] = decodeCbor(proofs.get(-1)?.[0] ?? new Uint8Array(0)) as [
      number,
      number,
      Uint8Array[],
    ];
    const root = rootFromInclusion(leafHash(statement.payload ?? new Uint8Array(0)), index, size, path);
    expect(verifySignature(checkpointKey.publicKey, receipt.toBeSigned(root), receipt.signature)).toBe(true);
    expect(
      verifySignature(checkpointKey.publicKey, receipt.toBeSigned(new Uint8Array(32)), receipt.signature),
    ).toBe(false);
  });

  test('is not made of a proof that does not hold its entry', async () => {
    const issuer = { key: generateSigningKey(), fingerprint: alice };
    const text = `c2sp.org/tlog-proof@v1\nindex 0\n\n${log.checkpoint()}`;
    expect(() => transparentStatement(text, 'x', { issuer, logKey: checkpointKey })).toThrow(
      expect.objectContaining({ code: 'proof-malformed' }),
    );
  });
});
