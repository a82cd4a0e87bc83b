import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addressParty } from '../../src/provenance/address-party.ts';
import { splitBundle } from '../../src/provenance/bundle.ts';
import { ByteWriter } from '../../src/provenance/byte-writer.ts';
import { commitmentTo, writeOpened } from '../../src/provenance/commitment.ts';
import { decodeEntry } from '../../src/provenance/entry.ts';
import { writeLayer } from '../../src/provenance/layer.ts';
import { decodeStatement, type Statement } from '../../src/provenance/statement.ts';
import { fingerprintBytes } from '../../src/tokens/index.ts';
import { SimulatedDisk, seeded } from './support/simulated-disk.ts';
import { draft, openLog, scratch, settled } from './support/test-log.ts';

let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch();
});
afterEach(() => directory.dispose());

const candidates = Array.from({ length: 64 }, (_, at) => ({
  // A number's fingerprint can be computed by everybody who knows the number.
  fingerprint: addressParty(`+3197010${String(at).padStart(4, '0')}`),
  number: `+3197010${String(at).padStart(4, '0')}`,
  name: `jis:person-${at}`,
}));
const calls = 256;

/** What the attacker is after: who called whom, in log order. */
interface Truth {
  readonly caller: number;
  readonly callee: number;
}

async function publishedLog(): Promise<{ readonly statements: Statement[]; readonly truth: Truth[] }> {
  const disk = new SimulatedDisk();
  const log = await openLog(directory.path, { storage: disk, limits: { checkpointDelayMs: 60_000 } });
  const random = seeded(20_260_101);
  const pick = (): number => Math.floor(random() * candidates.length);
  const truth: Truth[] = [];
  for (let call = 0; call < calls; call++) {
    const one = { caller: pick(), callee: pick() };
    const [caller, callee] = [candidates[one.caller], candidates[one.callee]];
    if (!caller || !callee) throw new Error('no such candidate');
    truth.push(one);
    const written = log.append(
      draft('call.attempt', {
        erin: { event: 'call.attempt', caller: caller.number, callee: callee.number },
        erachter: `voice call to ${callee.name}`,
        parties: [
          { fingerprint: caller.fingerprint, role: 'caller', owns: { erin: ['caller'] } },
          { fingerprint: callee.fingerprint, role: 'callee', owns: { erin: ['callee'] } },
        ],
      }),
    );
    if (call === calls - 1) await settled(written);
  }
  await log.close();
  // The attacker has what a web server would publish, and nothing else.
  const bundles = disk.files().filter((path) => path.startsWith('public/tile/entries/'));
  const entries: Uint8Array[] = [];
  for (const path of bundles.toSorted())
    if (!path.includes('.p/') || path.endsWith('.p/1'))
      entries.push(...splitBundle((await disk.read(path)) ?? Buffer.alloc(0), 2));
  const statements = entries.map((entry) => decodeStatement(decodeEntry(entry).statement));
  return { statements: statements.slice(1, calls + 1), truth };
}

function encodingOf(layer: Readonly<Record<string, unknown>>): Uint8Array {
  const writer = new ByteWriter();
  writeLayer(writer, layer);
  return writer.copy();
}

/** Every commitment that the attacker can compute for a candidate: layers as the log writes them, likely salts. */
function guesses(candidate: (typeof candidates)[number], call: number): string[] {
  const scratchpad = new ByteWriter();
  const salts = [
    new Uint8Array(32),
    new Uint8Array(32).fill(0xff),
    createHash('sha256').update(String(call)).digest(),
  ];
  const fingerprint = fingerprintBytes(candidate.fingerprint);
  const layers: [string, Uint8Array][] = [
    ['erachter', encodingOf({ intent: `voice call to ${candidate.name}` })],
    ['party', encodingOf({ fingerprint, role: 'caller', seq: 1, prev: null })],
    [
      'party',
      encodingOf({ fingerprint, role: 'caller', seq: 1, prev: null, erin: { caller: candidate.number } }),
    ],
    ['erin', encodingOf({ event: 'call.attempt', caller: candidate.number })],
  ];
  const found = [candidate.number, candidate.name, candidate.fingerprint].map((text) =>
    createHash('sha256').update(text).digest('latin1'),
  );
  for (const salt of salts)
    for (const [name, encoding] of layers) {
      const opened = new ByteWriter();
      writeOpened(opened, { salt, encoding });
      found.push(commitmentTo(scratchpad, name, opened.view()));
    }
  return found;
}

describe('property 13 (unlinkable from public leaves)', () => {
  test('with all candidate numbers and names an attacker finds no commitment, and guesses no better than chance', async () => {
    const { statements, truth } = await publishedLog();
    expect(statements).toHaveLength(calls);
    let matched = 0;
    for (const [call, { layers, parties }] of statements.entries()) {
      const visible = new Set([...layers, ...parties].map((hash) => Buffer.from(hash).toString('latin1')));
      for (const candidate of candidates)
        matched += guesses(candidate, call).filter((guess) => visible.has(guess)).length;
    }
    expect(matched).toBe(0);
    // Whatever statistic of the leaf picks the candidate, it is right as often as a die with 64 sides.
    const byFirstByte = statements.filter(
      ({ parties }, call) => (parties[0]?.[0] ?? 0) % candidates.length === truth[call]?.caller,
    ).length;
    const byNearestHash = statements.filter(({ parties }, call) => {
      const distance = ({ number }: (typeof candidates)[number]): number =>
        Math.abs((createHash('sha256').update(number).digest()[0] ?? 0) - (parties[0]?.[0] ?? 0));
      const best = candidates.toSorted((a, b) => distance(a) - distance(b))[0];
      return best === candidates[truth[call]?.caller ?? 0];
    }).length;
    const chance = calls / candidates.length;
    // Five standard deviations of a binomial distribution.
    const bound = chance + 5 * Math.sqrt(chance * (1 - 1 / candidates.length));
    expect(byFirstByte).toBeLessThan(bound);
    expect(byNearestHash).toBeLessThan(bound);
  });

  test('two calls of the same pair share no commitment, nor do caller and callee of one call', async () => {
    const { statements } = await publishedLog();
    const all = statements.flatMap(({ layers, parties }) => [...layers, ...parties]);
    expect(new Set(all.map((hash) => Buffer.from(hash).toString('hex'))).size).toBe(all.length);
    // Nothing else in a public leaf differs from person to person.
    for (const { layers, parties, nodeKey, node } of statements)
      expect({ layers: layers.length, parties: parties.length, nodeKey, node }).toEqual({
        layers: 4,
        parties: 2,
        nodeKey: undefined,
        node: statements[0]?.node,
      });
  });

  test('the lengths of public leaves do not tell parties apart', async () => {
    const disk = new SimulatedDisk();
    const log = await openLog(directory.path, { storage: disk, limits: { checkpointDelayMs: 60_000 } });
    for (const intent of ['x', 'x'.repeat(500)])
      await settled(log.append(draft('call.attempt', { erachter: intent })));
    await log.close();
    const [, first, second] = splitBundle(
      (await disk.read('public/tile/entries/000.p/3')) ?? Buffer.alloc(0),
      2,
    );
    expect(first?.length).toBe(second?.length);
  });
});
