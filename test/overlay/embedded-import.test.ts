import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Encoder } from 'cbor-x';
import { open, type RootDatabase } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type DocumentKind,
  EmbeddedStore,
  IdentityOverlay,
  type OverlayDocuments,
  term,
} from '../../src/overlay/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { sampleIdentity, startMs, storedBinding } from './samples.ts';

const cbor = new Encoder({ useRecords: false, mapsAsObjects: true, variableMapSize: true });

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-overlay-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** The directory as LMDB sees it. */
async function inDirectory(body: (root: RootDatabase<Buffer, string>) => Promise<void>): Promise<void> {
  const root = open<Buffer, string>({ path: directory, noSubdir: false, maxDbs: 40, encoding: 'binary' });
  await body(root);
  await root.close();
}

/** Writes a document as the first format had it: CBOR maps under text keys, with versions. */
async function putFirstFormat<Kind extends DocumentKind>(
  root: RootDatabase<Buffer, string>,
  kind: Kind,
  key: string,
  document: OverlayDocuments[Kind],
): Promise<void> {
  const table = root.openDB<Buffer, string>({ name: kind, encoding: 'binary', useVersions: true });
  await table.put(key, cbor.encode(document), 42);
}

describe('a directory of the first format', () => {
  it('is taken over once, with all that its documents can be found by', async () => {
    const { token } = sampleIdentity('jis:alice');
    const { fingerprint, publicKey } = token;
    await inDirectory(async (root) => {
      await putFirstFormat(root, 'identity', fingerprint, {
        ...{ fingerprint, publicKey, name: 'jis:alice', token: token.bytes },
        ...{ issuedAt: token.issuedAt, notBefore: token.notBefore, expires: token.expires },
        ...{ custody: 'device', aliases: ['1007'], createdAtMs: startMs, status: 'active' },
      });
      await putFirstFormat(root, 'name', 'jis:alice', { fingerprint, publicKey });
      await putFirstFormat(root, 'bindings', fingerprint, { sequence: 7, bindings: [storedBinding()] });
      await root
        .openDB<string, string[]>({ name: 'index.terms', encoding: 'ordered-binary', dupSort: true })
        .put(['bindings', term.flow('node-1', 'udp-1')], fingerprint);
    });
    const store = EmbeddedStore.open({ directory });
    const overlay = new IdentityOverlay({ store, node: 'node-1', clock: new FakeClock(startMs) });
    expect(await overlay.lookup('alice')).toMatchObject({ fingerprint, aliases: ['1007'] });
    expect(Buffer.from((await overlay.lookup('alice'))?.token ?? [])).toEqual(Buffer.from(token.bytes));
    expect(store.find('bindings', term.flow('node-1', 'udp-1'))).toEqual([
      [fingerprint, { sequence: 7, bindings: [storedBinding()] }],
    ]);
    expect(store.due('bindings', startMs + 60_000, 10)).toEqual([fingerprint]);
    await overlay.close();

    await inDirectory(async (root) => {
      expect([...root.getKeys()]).not.toContain('identity');
      // A gateway of the old version that was forgotten: what it writes is not taken for newer.
      await putFirstFormat(root, 'alias', '1007', { fingerprint: 'somebody else' });
    });
    const again = EmbeddedStore.open({ directory });
    expect(again.get('alias', '1007')).toBeUndefined();
    expect(again.get('identity', fingerprint)?.name).toBe('jis:alice');
    await again.close();
  });

  it('is told from a later format, which is refused and left alone', async () => {
    await EmbeddedStore.open({ directory }).close();
    await inDirectory(async (root) => {
      await root.openDB<string, string>({ name: 'format', encoding: 'string' }).put('format', '3');
    });
    expect(() => EmbeddedStore.open({ directory })).toThrow(expect.objectContaining({ code: 'store-open' }));
  });
});
