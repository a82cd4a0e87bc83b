import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/index.ts';
import { filesIn } from '../../src/cli/published-files.ts';
import { type AuditLog, formatReceipts, PublishedLog, verifyLog } from '../../src/provenance/index.ts';
import { signNote } from '../../src/provenance/signed-note.ts';
import { formatTlogProof, parseTlogProof } from '../../src/provenance/tlog-proof.ts';
import { fingerprintOf, generateSigningKey } from '../../src/tokens/index.ts';
import {
  forkBetween,
  formatComparison,
  formatVkey,
  noteKey,
  parseTrust,
  parseVkey,
  type Report,
  verifyFile,
} from '../../src/verify/index.ts';
import {
  alice,
  checkpointKey,
  collect,
  draft,
  openLog,
  scratch,
  settled,
} from '../provenance/support/test-log.ts';
import { forkedLogs, limits, written as writtenTo } from './forked-log.ts';
import { answeredCall, erasedOpening, withExtra, withoutRecord } from './proof-support.ts';

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

const written = (drafts: Parameters<typeof writtenTo>[1]): Promise<readonly string[]> =>
  writtenTo(log, drafts);
const verified = (file: string): Report => verifyFile(file, parseTrust(log.vkey));

describe('a proof file in the hands of an auditor who has the verifier key and nothing else', () => {
  test('a good call: everything holds, its story reads from attempt to end', async () => {
    await written([...answeredCall('c1'), draft('other')]);
    const report = verified(await log.prove({ call: 'c1' }));
    expect(report).toMatchObject({ verdict: 'UNWITNESSED', about: 'records', findings: [] });
    expect(report.checks.every(({ ok }) => ok)).toBe(true);
    expect(report.story.map(({ text }) => text)).toEqual([
      "jis:sensor-01 called jis:bob, declaring “callback, ticket 4711”. By the record, the caller's own device key signed the call; its token is not shown.",
      'jis:bob rang.',
      'jis:bob answered.',
      'The call ended after 12 s, by the caller.',
    ]);
    expect(report.proved).toContain('All 4 records of the call are here, from its attempt to its end.');
    expect(report.never).toHaveLength(4);
  });

  test('an altered one: not one byte of record, opening or path can be another', async () => {
    await written(answeredCall('c1'));
    const proof = await log.prove({ call: 'c1' });
    const altered = withExtra(proof, (extra) => {
      const opening = extra.get(2);
      if (!(opening instanceof Uint8Array)) throw new Error('no opening');
      const text = Buffer.from(opening).toString('latin1').replace('ticket 4711', 'ticket 4712');
      extra.set(2, new Uint8Array(Buffer.from(text, 'latin1')));
    });
    expect(altered).not.toBe(proof);
    expect(verified(altered)).toMatchObject({
      verdict: 'INVALID',
      summary: 'Its layer ERACHTER was changed: the declared intent is not what was logged.',
    });
    expect(verified(altered).story).toEqual([]);
  });

  test('a dropped successor: what is there holds, and what is missing is named', async () => {
    await written(answeredCall('c1'));
    const proof = await log.prove({ call: 'c1' });
    const [middle, tail] = [withoutRecord(proof, 1), withoutRecord(proof, 2)];
    expect(verified(middle)).toMatchObject({
      verdict: 'GAP',
      checks: expect.arrayContaining([expect.objectContaining({ name: 'Complete', ok: false })]),
    });
    expect(verified(middle).findings[0]).toMatch(/between the call's call.end and what stands before it/i);
    expect(verified(tail)).toMatchObject({ verdict: 'GAP' });
    expect(verified(tail).findings[0]).toMatch(/call.answer has no successor here/);
  });

  test('a record of an identity that was left out leaves a hole in its sequence', async () => {
    await written([...answeredCall('c1'), ...answeredCall('c2')]);
    const proof = await log.prove({ identity: alice });
    expect(verified(proof).proved).toContain(
      'Records 1 to 8 of the identity are all here, each bound to the one before it.',
    );
    const report = verified(withoutRecord(proof, 3));
    expect(report).toMatchObject({ verdict: 'GAP' });
    expect(report.findings).toContain('Record 5 of the identity is missing.');
  });

  test("property 9: a party's receipts show what was left out at the end, and a second record of the same number", async () => {
    await written([...answeredCall('c1')]);
    const early = await log.prove({ identity: alice });
    await written([...answeredCall('c2')]);
    const { receipts } = await log.receipts(alice);
    const held = formatReceipts(undefined, receipts);
    const trust = parseTrust(log.vkey);
    const whole = verifyFile(await log.prove({ identity: alice }), trust, held);
    expect(whole).toMatchObject({ verdict: 'UNWITNESSED' });
    expect(whole.proved).toContain('8 receipts that the parties hold name records that are here.');
    const short = verifyFile(early, trust, held);
    expect(short).toMatchObject({ verdict: 'GAP' });
    expect(short.findings[0]).toMatch(/^The party holds a receipt for its record 5, sealed at/);
    // A single record claims nothing: the party's other receipts say nothing against it.
    const [first] = await collect(log.query({ identity: alice, limit: 1 }));
    expect(verifyFile(await log.prove(first?.id ?? ''), trust, held).verdict).toBe('UNWITNESSED');
    expect(verifyFile(early, trust, 'receipt AAAA\nrubbish').verdict).toBe('UNWITNESSED');
  });

  test('property 9: receipts of a run that the proof leaves out with its records are not passed over in silence', async () => {
    await written(answeredCall('c1'));
    const early = await log.prove({ identity: alice });
    await log.close();
    // The gateway starts again with another key: a proof of what was before says nothing of it.
    const key = generateSigningKey();
    log = await openLog(directory.path, {
      limits,
      nodeKey: key,
      nodeFingerprint: fingerprintOf(key.publicKey),
    });
    await written(answeredCall('c2'));
    const { receipts } = await log.receipts(alice);
    const report = verifyFile(early, parseTrust(log.vkey), formatReceipts(undefined, receipts));
    expect(report.open.join()).toContain('What 4 receipts of the party say: signed by runs of a gateway');
    const whole = await log.prove({ identity: alice });
    const all = verifyFile(whole, parseTrust(log.vkey), formatReceipts(undefined, receipts));
    expect(all.proved).toContain('8 receipts that the parties hold name records that are here.');
  });

  test('property 9: receipts that are none, and those that this file cannot be held against, are not passed over in silence', async () => {
    await written(answeredCall('c1'));
    const call = await log.prove({ call: 'c1' });
    await written(answeredCall('c2'));
    const { receipts } = await log.receipts(alice);
    const held = formatReceipts(undefined, receipts);
    const open = (file: string, given: string): string =>
      verifyFile(file, parseTrust(log.vkey), given).open.join();
    expect(open(call, held)).toContain(
      'What 4 receipts of the party say: they name records that this file does not claim to show.',
    );
    expect(open(call, held.replace('receipt ', 'receipt A'))).toContain(
      'What a line of the receipts says: it is no receipt.',
    );
    expect(open(call, log.vkey)).toContain('What a line of the receipts says: it is no receipt.');
    expect(open(call, '\n')).toContain('What the party holds: the receipts that you gave are empty.');
    expect(verifyFile(call, parseTrust(log.vkey)).open.join()).not.toContain('receipts');
    const whole = await log.prove({ identity: alice });
    expect(open(whole, held.replaceAll('\n', '\r\n'))).not.toContain('receipts that');
  });

  test('a seal of an impossible time is a finding, not a crash: in receipts, in proofs and over the whole log', async () => {
    await written(answeredCall('c1'));
    const early = await log.prove({ identity: alice });
    await log.close();
    let nowMs = 1_780_000_000_000;
    log = await openLog(directory.path, { limits, clock: { ...systemClock, now: () => nowMs } });
    const results = answeredCall('c2').map((one) => log.append(one));
    nowMs = 1e18;
    await Promise.all(results.map(settled));
    const { receipts } = await log.receipts(alice);
    const report = verifyFile(early, parseTrust(log.vkey), formatReceipts(undefined, receipts));
    expect(report).toMatchObject({ verdict: 'GAP' });
    expect(report.findings.join()).toContain('sealed at an impossible time');
    const { problems } = await verifyLog({ directory: join(directory.path, 'log'), vkey: log.vkey });
    expect(problems.map(({ kind, message }) => `${kind}: ${message}`).join()).toContain('an impossible time');
  });

  test('a server that has a hand-over for every number is left at some point', async () => {
    const published = new PublishedLog({
      read: async (path) => (path.startsWith('keys/') ? Buffer.from('and so on\n') : undefined),
    });
    await expect(published.handOvers()).rejects.toThrow('handed over more than 1024 times');
  });

  test('an erased party: the rest holds, and that something was there is said', async () => {
    const [id = ''] = await written(answeredCall('c1'));
    const report = verified(
      withExtra(await log.prove(id), (extra) => extra.set(2, erasedOpening(extra.get(2), [3], [0]))),
    );
    expect(report).toMatchObject({ verdict: 'REDACTED' });
    expect(report.findings[0]).toContain('the declared intent (ERACHTER), what it says about party 0 alone');
    expect(report.records[0]?.opened).toMatchObject({ intent: undefined, parties: [{ role: 'callee' }] });
  });

  test('records that contradict each other are refused, whoever signed them', async () => {
    const [one = ''] = await written(answeredCall('c1'));
    const proof = await log.prove(one);
    const twice = withExtra(proof, (extra) =>
      extra.set(6, [[1, extra.get(5) ?? [], extra.get(1) ?? null, extra.get(2) ?? null]]),
    );
    expect(verified(twice).verdict).toBe('INVALID');
  });

  test('property 15 (key agility): who trusts an earlier key follows it through its hand-overs', async () => {
    await written(answeredCall('c1'));
    const [old, next] = [generateSigningKey(), generateSigningKey()];
    const name = 'example.com/calls';
    const vkeyOf = (key: typeof old): string => formatVkey(noteKey(name, 'ed25519', key.publicKey));
    const handOver = (from: typeof old, to: typeof old): string => {
      const text = `tibet-sip/key-succession/v1\n${name}\nrotated\n1\nroot\n${vkeyOf(from)}\n${vkeyOf(to)}\n`;
      const [one, two] = [signNote(text, name, from), signNote(text, name, to)];
      return one + two.slice(two.lastIndexOf('\n\n') + 2);
    };
    const notes = [handOver(next, checkpointKey), handOver(old, next)];
    const proof = await log.prove({ call: 'c1' });
    expect(verifyFile(proof, parseTrust(vkeyOf(old))).verdict).toBe('INVALID');
    expect(verifyFile(proof, parseTrust(vkeyOf(old), '', notes)).verdict).toBe('UNWITNESSED');
    expect(verifyFile(proof, parseTrust(vkeyOf(old), '', notes.slice(0, 1))).verdict).toBe('INVALID');
    // The key that was handed over after one record signs no longer tree, whoever has it in hands.
    const given = handOver(checkpointKey, next);
    const late = verifyFile(proof, parseTrust(log.vkey, '', [given]));
    expect(late).toMatchObject({ verdict: 'INVALID' });
    expect(late.summary).toContain('given up when the log had 1 records');
    const forged = handOver(old, checkpointKey).replace('rotated', 'rotatef');
    expect(() => parseTrust(vkeyOf(old), '', [forged])).toThrow(expect.objectContaining({ code: 'vkey' }));
  });

  test('a checkpoint alone says what the operator stands by', async () => {
    await written(answeredCall('c1'));
    expect(verified(log.checkpoint())).toMatchObject({ verdict: 'UNWITNESSED', about: 'checkpoint' });
    expect(verified(log.checkpoint().replace('\n5\n', '\n6\n'))).toMatchObject({ verdict: 'INVALID' });
  });

  test('arbitrary text is INVALID, and never an exception', () => {
    for (const text of [
      '',
      '{',
      '{}',
      '[]',
      'c2sp.org/tlog-proof@v1\n',
      'c2sp.org/tlog-proof@v1\n\n\n',
      '\u0000',
      '{"format":"tibet-sip/log-comparison","version":1,"proofs":["",""]}',
    ])
      expect(verified(text).verdict, text).toBe('INVALID');
  });
});

describe('a forked log', () => {
  async function forked(): Promise<AuditLog> {
    await log.close();
    const fresh = join(directory.path, 'forked');
    mkdirSync(fresh);
    const { shown, hidden } = await forkedLogs(fresh);
    log = shown;
    return hidden;
  }

  test('two proofs of it are portable evidence, checked with the verifier key alone', async () => {
    const other = await forked();
    const [mine, theirs] = [
      await log.prove({ call: 'c1' }),
      await other.prove((await collect(other.query({ event: 'other 3' })))[0]?.id ?? ''),
    ];
    await other.close();
    expect(verified(mine).verdict).toBe('UNWITNESSED');
    expect(verified(theirs).verdict).toBe('UNWITNESSED');
    const evidence = forkBetween(mine, theirs, [parseVkey(log.vkey)]);
    if (!evidence) throw new Error('no evidence');
    const report = verified(formatComparison(evidence));
    expect(report).toMatchObject({ verdict: 'INVALID', about: 'comparison' });
    expect(report.summary).toContain('signed two histories');
    expect(forkBetween(mine, mine, [parseVkey(log.vkey)])).toBeUndefined();
  });

  test('a checkpoint that was kept shows it against the log that is served now', async () => {
    const other = await forked();
    const kept = log.checkpoint();
    const served = new PublishedLog(filesIn(join(directory.path, 'forked', 'copy', 'log', 'public')));
    const evidence = formatComparison(await served.compareWith(kept));
    expect(verified(evidence)).toMatchObject({ verdict: 'INVALID', about: 'comparison' });
    const own = new PublishedLog(filesIn(join(directory.path, 'forked', 'log', 'public')));
    await expect(own.compareWith(other.checkpoint())).rejects.toMatchObject({ code: 'rolled-back' });
    await other.close();
  });

  test('an honest log goes on from every checkpoint that was kept, whole trees among them', async () => {
    const served = new PublishedLog(filesIn(join(directory.path, 'log', 'public')));
    const kept: string[] = [];
    for (let at = 0; at < 9; at++) {
      await written([draft(`record ${at}`)]);
      kept.push(log.checkpoint());
      for (const older of kept) {
        const report = verified(formatComparison(await served.compareWith(older)));
        expect(report, report.summary).toMatchObject({ verdict: 'UNWITNESSED', about: 'comparison' });
      }
    }
  });
});

describe('a file that is checked without any key', () => {
  test('gets no verdict: what holds by itself is told, what nobody vouches for as well, and no story', async () => {
    await written(answeredCall('c1'));
    const nobody = { logs: [], policy: undefined };
    const report = verifyFile(await log.prove({ call: 'c1' }), nobody);
    expect(report).toMatchObject({ verdict: 'UNCHECKED', proved: [], story: [] });
    expect(report.summary).toContain("the operator's verifier key is missing");
    expect(report.checks.map(({ name, ok }) => [name, ok])).toEqual([
      ['Signed by the operator', undefined],
      ['In the log', true],
      ['Sealed', true],
      ['Contents', true],
      ['Complete', true],
    ]);
    const key = parseVkey(log.vkey);
    expect(report.checks[0]?.says).toContain(`the key ${key.name}+${Buffer.from(key.id).toString('hex')}`);
    expect(report.open.join()).toContain('apart from this file');
    const gap = verifyFile(withoutRecord(await log.prove({ call: 'c1' }), 1), nobody);
    expect(gap).toMatchObject({ verdict: 'UNCHECKED', findings: [expect.stringContaining('is missing')] });
    const changed = withExtra(await log.prove({ call: 'c1' }), (extra) => extra.set(4, 1));
    expect(verifyFile(changed, nobody).verdict).toBe('INVALID');
    expect(verifyFile(log.checkpoint(), nobody).verdict).toBe('UNCHECKED');
  });

  test('is told apart from one that cannot be read at all, and says why', async () => {
    await written(answeredCall('c1'));
    const proof = await log.prove({ call: 'c1' });
    const why = (file: string): unknown => verified(file).checks.find(({ ok }) => ok === false);
    expect(why(proof.slice(0, 500))).toMatchObject({
      name: 'Readable',
      says: expect.stringMatching(/ends before/),
    });
    expect(why(proof.replaceAll('\n', '\r\n'))).toMatchObject({ says: expect.stringMatching(/line ends/) });
    expect(why(proof.replace('@v1', '@v2'))).toMatchObject({
      says: expect.stringMatching(/does not begin with/),
    });
    for (const text of ['', 'rubbish', log.vkey, '%PDF-1.7\n\n'])
      expect(why(text)).toMatchObject({
        name: 'Readable',
        says: expect.stringMatching(/no proof, no checkpoint/),
      });
  });
});

describe('what a file shows in part', () => {
  test('a proof without layers claims nothing, and tells neither the call nor the identity', async () => {
    await written(answeredCall('the-call-not-told'));
    for (const subject of [{ call: 'the-call-not-told' }, { identity: alice }]) {
      const silent = await log.prove(subject, { discloseLayers: false });
      expect(verified(silent)).toMatchObject({ verdict: 'REDACTED', story: expect.any(Array) });
      expect(verified(silent).open.join()).toContain('this file claims nothing about them');
      const extra = Buffer.from(silent.split('\n')[1]?.slice(6) ?? '', 'base64');
      expect(extra.includes(Buffer.from('the-call-not-told')) || extra.includes(Buffer.alloc(32, 1))).toBe(
        false,
      );
    }
  });

  test("an identity's records that begin in the middle say that earlier ones are not shown", async () => {
    await written([...answeredCall('c1'), ...answeredCall('c2')]);
    const report = verified(withoutFirst(await log.prove({ identity: alice })));
    expect(report.verdict).toBe('UNWITNESSED');
    expect(report.proved).toContain(
      'Records 2 to 8 of the identity are all here, each bound to the one before it; its record 1 is not shown.',
    );
  });

  test('text that turns its surroundings turns nothing in the story or the words', async () => {
    const [first] = answeredCall('c1');
    await written([{ ...(first ?? draft('x')), erachter: 'a\u202etxet derorrim\u2029b' }]);
    const report = verified(await log.prove({ call: 'c1' }));
    expect(report.story[0]?.text).toContain('“a\ufffdtxet derorrim\ufffdb”');
    expect(report.records[0]?.opened?.intent).toContain('\u202e');
  });
});

/** The proof of all records but the first, which another one takes the place of. */
function withoutFirst(proof: string): string {
  let placed: { readonly index: number; readonly path: readonly Uint8Array[] } = { index: 0, path: [] };
  const extra = withExtra(proof, (fields) => {
    const others = fields.get(6);
    if (!Array.isArray(others)) throw new Error('one record only');
    const [next, ...rest] = others as readonly (readonly [
      number,
      readonly Uint8Array[],
      Uint8Array,
      Uint8Array,
    ])[];
    if (!next) throw new Error('one record only');
    placed = { index: next[0], path: next[1] };
    fields.set(1, next[2]);
    fields.set(2, next[3]);
    fields.set(
      6,
      rest.map((one) => [...one]),
    );
  });
  return formatTlogProof({ ...parseTlogProof(extra), ...placed });
}
