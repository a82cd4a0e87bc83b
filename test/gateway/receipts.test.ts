import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type KeptReceipt, ReceiptBook } from '../../src/cli/receipt-book.ts';
import { parseReceipts } from '../../src/provenance/index.ts';
import { ProbedPhone } from '../softphone/probed-phone.ts';
import { newIdentity, TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;
let directory: string;
const phones: ProbedPhone[] = [];

beforeEach(async () => {
  gateway = await TestGateway.open();
  directory = await mkdtemp(join(tmpdir(), 'tibet-sip-receipts-'));
});
afterEach(async () => {
  await Promise.all(phones.splice(0).map((phone) => phone.close()));
  await gateway.close();
  await rm(directory, { recursive: true });
});

/** A phone that keeps receipts in a file. */
async function keeper(
  name: string,
  identity = newIdentity(`jis:${name}`),
): Promise<{ phone: ProbedPhone; file: string; kept: KeptReceipt[]; identity: typeof identity }> {
  const file = join(directory, `${name}.receipts`);
  const kept: KeptReceipt[] = [];
  const receipts = new ReceiptBook(file, identity.token.fingerprint, (receipt) => kept.push(receipt));
  const phone = await ProbedPhone.register({
    name,
    identity,
    port: gateway.port('ws'),
    answers: name.startsWith('bob'),
    receipts,
  });
  phones.push(phone);
  return { phone, file, kept, identity };
}

describe('property 9 (bilateral receipts): phones that ask for receipts', () => {
  it('both get one in a MESSAGE (RFC 3428) for each record about them, whole and in order, and the log verifies against them', async () => {
    const alice = await keeper('alice');
    const bob = await keeper('bob');
    const call = await alice.phone.callAnswered('jis:bob', 'callback, ticket 4711');
    await call.hangUp();
    const { fingerprint } = alice.identity.token;
    await expect
      .poll(
        async () => {
          const records = await gateway.records({ identity: fingerprint });
          return records.some(({ event }) => event === 'call.end') && alice.kept.length === records.length;
        },
        { timeout: 10_000 },
      )
      .toBe(true);
    await expect.poll(() => bob.kept.length >= 4, { timeout: 10_000 }).toBe(true);
    for (const { kept } of [alice, bob]) expect(kept.flatMap(({ fault }) => fault ?? [])).toEqual([]);
    const records = await gateway.records({ identity: fingerprint });
    expect(alice.kept.map(({ record }) => record)).toEqual(records.map(({ id }) => id));
    await Promise.all(phones.splice(0).map((phone) => phone.close()));
    await gateway.stop();
    for (const { file } of [alice, bob]) {
      const receipts = parseReceipts(readFileSync(file, 'utf8'));
      const verdict = await gateway.verifyLog({ receipts });
      expect(verdict).toMatchObject({ valid: true, problems: [] });
      expect(verdict.receiptsKept).toBe(receipts.receipts.length);
    }
  });

  it('a phone that was away asks for what it has missed; one that does not ask gets nothing', async () => {
    const alice = await keeper('alice');
    const plain = await ProbedPhone.register({ name: 'carol', port: gateway.port('ws') });
    phones.push(plain);
    await expect.poll(() => alice.kept.length, { timeout: 10_000 }).toBeGreaterThan(0);
    await alice.phone.close();
    // Missed while it was away: the end of its own registration, and a call that could not reach it.
    await plain.phone.call('jis:alice').then((call) => plain.next('ended').then(() => call));
    const again = await keeper('alice', alice.identity);
    const { fingerprint } = alice.identity.token;
    await expect
      .poll(
        async () => {
          const all = await gateway.records({ identity: fingerprint });
          return new Set([...alice.kept, ...again.kept].map(({ record }) => record)).size === all.length;
        },
        { timeout: 10_000 },
      )
      .toBe(true);
    expect([...alice.kept, ...again.kept].flatMap(({ fault }) => fault ?? [])).toEqual([]);
    expect(existsSync(join(directory, 'carol.receipts'))).toBe(false);
  });
});
