import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeBase64Url } from '../../src/base/index.ts';
import {
  type AuditLog,
  formatReceipts,
  type LogVerdict,
  parseReceipts,
  type RecordDraft,
  readPartyReceipt,
  verifyLog,
} from '../../src/provenance/index.ts';
import { createNodeToken, generateSigningKey } from '../../src/tokens/index.ts';
import { SimulatedDisk } from './support/simulated-disk.ts';
import {
  alice,
  attempt,
  bob,
  closing,
  draft,
  nodeKey,
  openLog,
  scratch,
  settled,
} from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch();
});
afterEach(() => directory.dispose());

const drafts = (calls: readonly string[]): RecordDraft[] => calls.flatMap((id) => [attempt(id), closing(id)]);

interface Story {
  readonly disk: SimulatedDisk;
  readonly vkey: string;
  readonly callers: string;
  readonly callees: string;
}

/** A log of these records, and what both phones keep of it. */
async function logged(records: readonly RecordDraft[]): Promise<Story> {
  const disk = new SimulatedDisk();
  const other = scratch();
  const log: AuditLog = await openLog(other.path, { storage: disk, limits: { checkpointDelayMs: 60_000 } });
  for (const record of records) await settled(log.append(record));
  const text = async (who: string): Promise<string> =>
    formatReceipts(undefined, (await log.receipts(who)).receipts);
  const story = { disk, vkey: log.vkey, callers: await text(alice), callees: await text(bob) };
  await log.close();
  other.dispose();
  return story;
}

const verify = ({ disk, vkey }: Story, receipts: string): Promise<LogVerdict> =>
  verifyLog({ directory: '', storage: disk, vkey, receipts: parseReceipts(receipts) });

describe('property 9 (bilateral receipts)', () => {
  test('caller and callee each hold a receipt of every record, with its number and the one before', async () => {
    const { callers, callees } = await logged(drafts(['one', 'two']));
    for (const [text, who] of [
      [callers, alice],
      [callees, bob],
    ] as const) {
      const { receipts } = parseReceipts(text);
      expect(receipts.map(({ seq, fingerprint }) => [seq, fingerprint])).toEqual(
        [1, 2, 3, 4].map((n) => [n, who]),
      );
      expect(receipts.map(({ prev }) => prev)).toEqual([
        undefined,
        ...receipts.slice(0, 3).map(({ record }) => record),
      ]);
      for (const receipt of receipts) {
        expect(receipt.holds(nodeKey.publicKey)).toBe(true);
        expect(receipt.holds(generateSigningKey().publicKey)).toBe(false);
      }
    }
    const own = (text: string): string[] => parseReceipts(text).receipts.map(({ record }) => record);
    expect(own(callers)).toEqual(own(callees));
  });

  test('a flipped byte anywhere in a receipt is refused', async () => {
    const { disk } = await logged([]);
    const log = await openLog(directory.path, { storage: disk });
    await settled(log.append(draft('x')));
    const [bytes = new Uint8Array(0)] = (await log.receipts(alice)).receipts;
    await log.close();
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      let held = false;
      try {
        held = readPartyReceipt(changed).holds(nodeKey.publicKey);
      } catch {
        continue;
      }
      if (held) expect.fail(`byte ${at}`);
    }
  });

  test('a phone is told as soon as its record is durable, and of its own records only', async () => {
    const log = await openLog(directory.path, { storage: new SimulatedDisk() });
    const heard: string[] = [];
    const stop = log.watchReceipts(alice, (bytes) => heard.push(readPartyReceipt(bytes).record));
    const mine = log.append(draft('mine'));
    const others = log.append(draft('others', { parties: [{ fingerprint: bob, role: 'subject' }] }));
    await Promise.all([mine, others].map(settled));
    expect(heard).toEqual([mine.id]);
    stop();
    await settled(log.append(draft('later')));
    expect(heard).toHaveLength(1);
    await log.close();
  });
});

describe('property 10 (complete per identity): dropping a record is found from either phone', () => {
  const calls = ['one', 'two', 'three'];

  test('an untouched log keeps every receipt', async () => {
    const story = await logged(drafts(calls));
    expect(await verify(story, story.callers)).toMatchObject({ valid: true, receiptsKept: 6 });
    expect(await verify(story, story.callees)).toMatchObject({ valid: true, receiptsKept: 6 });
  });

  test.each([
    ['in the middle', ['one', 'three']],
    ['at the tail', ['one', 'two']],
    ['all of them', []],
  ] as const)(
    '%s: also when the operator makes the log anew from what is left, signatures and all',
    async (_, left) => {
      const { callers, callees } = await logged(drafts(calls));
      const rewritten = await logged(drafts(left));
      // On its own it is faultless: nothing but the receipts gives it away.
      expect(await verify(rewritten, '')).toMatchObject({ valid: true });
      for (const receipts of [callers, callees]) {
        const { valid, problems } = await verify(rewritten, receipts);
        expect(valid).toBe(false);
        expect(problems.map(({ kind }) => kind)).toContain('receipt-missing');
      }
    },
  );

  test('one receipt is enough: its predecessor has to be there as well', async () => {
    const { callers } = await logged(drafts(calls));
    const rewritten = await logged(drafts(['one', 'two']));
    const [, , , , , last = ''] = callers.split('\n');
    const { problems } = await verify(rewritten, last);
    expect(problems).toMatchObject([
      { kind: 'receipt-missing', message: expect.stringContaining('record 6') },
    ]);
  });

  test('receipts that nobody has signed accuse nobody', async () => {
    const story = await logged(drafts(calls));
    const forged = new SimulatedDisk();
    const log = await openLog(directory.path, { storage: forged, nodeKey: generateSigningKey() });
    await settled(log.append(draft('never happened')));
    const { receipts } = await log.receipts(alice);
    await log.close();
    const { valid, notes } = await verify(
      story,
      `receipt ${encodeBase64Url(receipts[0] ?? new Uint8Array(0))}\nx\n`,
    );
    expect(valid).toBe(true);
    expect(notes.join()).toContain('signed by no node');
    expect(notes).toContain('a line of the receipts is no receipt');
  });

  test('nor do those of a node that their bearer has made up, token and all', async () => {
    const story = await logged(drafts(calls));
    const key = generateSigningKey();
    const now = Math.floor(Date.now() / 1000);
    const node = createNodeToken({ key, notBefore: now - 60, expires: now + 600, now });
    const log = await openLog(directory.path, {
      storage: new SimulatedDisk(),
      nodeKey: key,
      nodeFingerprint: node.fingerprint,
    });
    await settled(log.append(draft('never happened')));
    const { receipts } = await log.receipts(alice);
    await log.close();
    const { valid, notes } = await verify(story, formatReceipts(node.bytes, receipts));
    expect(notes.join()).toContain(`signed by node ${node.fingerprint}, which this log does not name`);
    expect(valid).toBe(true);
  });

  test('after one party was erased the other one’s receipts still find every record', async () => {
    const story = await logged(drafts(calls));
    const log = await openLog(directory.path, { storage: story.disk });
    await log.erase(alice);
    await log.close();
    expect(await verify(story, story.callees)).toMatchObject({ valid: true, receiptsKept: 6, redacted: 6 });
    expect(await verify(story, story.callers)).toMatchObject({ valid: true, receiptsKept: 6 });
  });
});
