import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BindingsDocument, keep, type OverlayStore, term } from '../../src/overlay/index.ts';
import { storedBinding } from './samples.ts';

/** A store with nothing in it, and a second door to the same documents, as another process would have it. */
export interface StorePair {
  readonly store: OverlayStore;
  readonly other: OverlayStore;
  dispose(): Promise<void>;
}

function bindingsOn(...flows: readonly string[]): BindingsDocument {
  return {
    sequence: flows.length,
    bindings: flows.map((flowId, at) => storedBinding({ id: `contact-${at}`, flowId })),
  };
}

const claim = (fingerprint: string) => ({ fingerprint, publicKey: new Uint8Array(32) });

/** What every overlay store has to keep, whatever it is made of. */
export function describeStore(name: string, open: () => Promise<StorePair>): void {
  describe(`${name} keeps the store contract`, () => {
    let pair: StorePair;
    let store: OverlayStore;

    beforeEach(async () => {
      pair = await open();
      store = pair.store;
    });
    afterEach(() => pair.dispose());

    it('gives undefined for what is not there', async () => {
      expect(await store.get('identity', 'nobody')).toBeUndefined();
      expect(await store.find('bindings', 'flow:none')).toEqual([]);
      expect(await store.list('name', { limit: 10 })).toEqual({ entries: [], cursor: undefined });
    });

    it('gives back a document as it was stored, field for field', async () => {
      const endpoint = {
        sequence: 2n ** 63n + 1n,
        address: '203.0.113.1',
        port: 44_321,
        behindNat: true,
        capabilities: ['mqtt'],
        issuedAtMs: 1_767_225_600_000,
        expiresAtMs: 1_767_225_660_000,
        record: Uint8Array.of(0, 1, 255),
      };
      await store.update('endpoint', 'fp', () => endpoint);
      const stored = await store.get('endpoint', 'fp');
      expect({ ...stored, record: Array.from(stored?.record ?? []) }).toEqual({
        ...endpoint,
        record: [0, 1, 255],
      });
      await store.update('endpoint', 'fp', () => ({ ...endpoint, sequence: 3n }));
      expect((await store.get('endpoint', 'fp'))?.sequence).toBe(3n);
      const bindings = bindingsOn('a');
      await store.update('bindings', 'fp', () => bindings);
      expect(await store.get('bindings', 'fp')).toEqual(bindings);
    });

    it('answers an update with the document as it stands then', async () => {
      expect(await store.update('alias', '1007', () => ({ fingerprint: 'a' }))).toEqual({ fingerprint: 'a' });
      expect(await store.update('alias', '1007', () => keep)).toEqual({ fingerprint: 'a' });
      expect(await store.update('alias', '1007', () => undefined)).toBeUndefined();
      expect(await store.get('alias', '1007')).toBeUndefined();
      expect(await store.update('alias', '1007', () => undefined)).toBeUndefined();
    });

    it('changes nothing when the change throws', async () => {
      await store.update('alias', '1007', () => ({ fingerprint: 'a' }));
      const refused = store.update('alias', '1007', () => {
        throw new Error('no');
      });
      await expect(refused).rejects.toThrow('no');
      expect(await store.get('alias', '1007')).toEqual({ fingerprint: 'a' });
    });

    it('lets exactly one of many claimants have a name', async () => {
      const claimants = Array.from({ length: 20 }, (_, at) => ({
        door: at % 2 ? store : pair.other,
        who: `fp${at}`,
      }));
      const owners = await Promise.all(
        claimants.map(({ door, who }) =>
          door.update('name', 'jis:alice', (stored) => (stored ? keep : claim(who))),
        ),
      );
      expect(new Set(owners.map((owner) => owner?.fingerprint)).size).toBe(1);
    });

    it('loses no update when many change one document at once', async () => {
      const doors = Array.from({ length: 20 }, (_, at) => (at % 2 ? store : pair.other));
      await Promise.all(
        doors.map((door) =>
          door.update('standing', 'key', (stored) => ({
            verified: (stored?.verified ?? 0) + 1,
            failed: 0,
            lastProofAtMs: undefined,
            revokedAtMs: undefined,
          })),
        ),
      );
      expect((await store.get('standing', 'key'))?.verified).toBe(20);
    });

    it('finds documents by their index terms, exactly those, as they change', async () => {
      await store.update('bindings', 'alice', () => bindingsOn('a', 'b'));
      await store.update('bindings', 'bob', () => bindingsOn('b'));
      const keysOn = async (flowId: string): Promise<string[]> =>
        (await store.find('bindings', term.flow('node-1', flowId))).map(([key]) => key).sort();
      expect([await keysOn('a'), await keysOn('b')]).toEqual([['alice'], ['alice', 'bob']]);
      await store.update('bindings', 'alice', () => bindingsOn('b', 'c'));
      expect([await keysOn('a'), await keysOn('b'), await keysOn('c')]).toEqual([
        [],
        ['alice', 'bob'],
        ['alice'],
      ]);
      await store.update('bindings', 'bob', () => undefined);
      expect(await keysOn('b')).toEqual(['alice']);
      await store.update('bindings', 'bob', () => bindingsOn('b'));
      expect(await keysOn('b')).toEqual(['alice', 'bob']);
    });

    it('finds the many documents of one term in pages, also while they lose it', async () => {
      const onNode = (node: string): BindingsDocument => ({
        sequence: 1,
        bindings: [storedBinding({ node })],
      });
      const keys = Array.from({ length: 500 }, (_, at) => `phone-${String(at).padStart(3, '0')}`);
      await Promise.all(
        keys.map((key, at) => store.update('bindings', key, () => onNode(at % 5 ? 'node-1' : 'node-2'))),
      );
      const seen = new Set<string>();
      for await (const page of store.pages('bindings', term.node('node-1'))) {
        for (const [key] of page) seen.add(key);
        await Promise.all(page.map(([key]) => store.update('bindings', key, () => onNode('node-3'))));
      }
      expect([...seen].sort()).toEqual(keys.filter((_, at) => at % 5));
      expect(await store.find('bindings', term.node('node-1'))).toEqual([]);
      expect(await store.find('bindings', term.node('node-2'))).toHaveLength(100);
    });

    it('keeps the index right while two doors change one document', async () => {
      await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          (at % 2 ? store : pair.other).update('bindings', 'alice', () =>
            bindingsOn(at % 3 === 0 ? 'a' : 'b'),
          ),
        ),
      );
      const last = (await store.get('bindings', 'alice'))?.bindings[0]?.flowId ?? '';
      expect((await store.find('bindings', term.flow('node-1', last))).map(([key]) => key)).toEqual([
        'alice',
      ]);
      const gone = last === 'a' ? 'b' : 'a';
      expect(await store.find('bindings', term.flow('node-1', gone))).toEqual([]);
    });

    it('says what falls due, soonest bound first met, and forgets it with the document', async () => {
      const dueAt = (expiresAtMs: number): BindingsDocument => ({
        sequence: 1,
        bindings: [storedBinding({ expiresAtMs })],
      });
      await store.update('bindings', 'early', () => dueAt(1_000));
      await store.update('bindings', 'late', () => dueAt(9_000));
      expect(await store.due('bindings', 999, 10)).toEqual([]);
      expect(await store.due('bindings', 1_000, 10)).toEqual(['early']);
      expect((await store.due('bindings', 9_000, 10)).toSorted()).toEqual(['early', 'late']);
      expect(await store.due('bindings', 9_000, 1)).toHaveLength(1);
      await store.update('bindings', 'early', () => dueAt(20_000));
      await store.update('bindings', 'late', () => ({ sequence: 1, bindings: [] }));
      expect(await store.due('bindings', 10_000, 10)).toEqual([]);
    });

    it('lists every document once, in pages', async () => {
      const keys = Array.from({ length: 25 }, (_, at) => `name-${String(at).padStart(2, '0')}`);
      await Promise.all(keys.map((key) => store.update('name', key, () => claim(key))));
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.list('name', { limit: 10, ...(cursor !== undefined && { cursor }) });
        expect(page.entries.length).toBeLessThanOrEqual(10);
        seen.push(...page.entries.map(([key]) => key));
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(seen.toSorted()).toEqual(keys);
    });

    it('shows what the other door has written', async () => {
      await pair.other.update('alias', '1007', () => ({ fingerprint: 'a' }));
      expect(await store.get('alias', '1007')).toEqual({ fingerprint: 'a' });
      await store.update('alias', '1007', () => undefined);
      expect(await pair.other.get('alias', '1007')).toBeUndefined();
    });
  });
}
