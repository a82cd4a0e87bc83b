import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { filesIn } from '../../src/cli/published-files.ts';
import { type AuditLog, type PublishedFiles, PublishedLog } from '../../src/provenance/index.ts';
import { signNote } from '../../src/provenance/signed-note.ts';
import { formatTlogProof, parseTlogProof } from '../../src/provenance/tlog-proof.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../../src/tokens/index.ts';
import {
  formatVkey,
  handOverHeader,
  noteKey,
  parsePolicy,
  parseTrust,
  type Report,
  VerifyError,
  verifyFile,
} from '../../src/verify/index.ts';
import { checkpointKey, draft, openLog, origin, scratch } from '../provenance/support/test-log.ts';
import { limits, written } from './forked-log.ts';
import { person, signedCall } from './signed-call.ts';

// Seeded; the log itself is another one each time, so that a failure prints the mutant that got through.

const seed = Number(process.env['MUTATION_SEED'] ?? 20_261_122);
const mutants = Number(process.env['MUTATIONS'] ?? 150);

let state = seed;
/** Below `bound`: Numerical Recipes' linear congruential generator. */
function below(bound: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * bound);
}
const pick = <T>(items: readonly [T, ...T[]]): T => items[below(items.length)] ?? items[0];

/** Where a value stands in another: places in arrays, keys of maps, and `cbor` for what a byte string holds. */
type Path = readonly (number | { readonly key: number | string } | 'cbor')[];

function placesIn(value: CborValue, path: Path = []): readonly Path[] {
  if (Array.isArray(value))
    return [path, ...value.flatMap((one: CborValue, at) => placesIn(one, [...path, at]))];
  if (value instanceof Map)
    return [path, ...Array.from(value).flatMap(([key, one]) => placesIn(one, [...path, { key }]))];
  const held = heldIn(value);
  return held === undefined ? [path] : [path, ...placesIn(held, [...path, 'cbor'])];
}

function heldIn(value: CborValue): CborValue | undefined {
  if (!(value instanceof Uint8Array) || value.length < 3) return undefined;
  try {
    const held = decodeCbor(value);
    return typeof held === 'object' ? held : undefined;
  } catch {
    return undefined;
  }
}

function changedAt(
  value: CborValue,
  [first, ...rest]: Path,
  change: (one: CborValue) => CborValue,
): CborValue {
  if (first === undefined) return change(value);
  if (first === 'cbor') return encodeCbor(changedAt(heldIn(value) ?? null, rest, change));
  if (typeof first === 'number' && Array.isArray(value))
    return value.map((one: CborValue, at) => (at === first ? changedAt(one, rest, change) : one));
  if (typeof first === 'object' && value instanceof Map)
    return new Map(
      Array.from(value, ([key, one]) => [key, key === first.key ? changedAt(one, rest, change) : one]),
    );
  return value;
}

const nested = (depth: number): CborValue => (depth === 0 ? 0 : [nested(depth - 1)]);

function mutated(value: CborValue): CborValue {
  if (below(8) === 0)
    return pick<CborValue>([
      0,
      -1,
      2 ** 32,
      Number.MAX_SAFE_INTEGER,
      '',
      null,
      true,
      [],
      new Map(),
      nested(4),
    ]);
  if (value instanceof Uint8Array) return pick([flipped, flipped, flipped, cut, grown])(value);
  if (typeof value === 'number') return value + pick([1, -1, 256, 2 ** 33]);
  if (typeof value === 'string') return pick([`${value}x`, value.slice(1), 'call', 'identity']);
  if (Array.isArray(value) && value.length > 0) {
    const at = below(value.length);
    const one: CborValue = value[at] ?? null;
    return pick<CborValue>([value.toSpliced(at, 1), value.toSpliced(at, 0, one), value.toReversed()]);
  }
  if (value instanceof Map && value.size > 0) {
    const changed = new Map(value);
    changed.delete([...value.keys()][below(value.size)] ?? 0);
    return below(2) === 0 ? changed : new Map([...value, [below(400), 1]]);
  }
  return 7;
}

function flipped(bytes: Uint8Array): Uint8Array {
  const at = below(bytes.length);
  return bytes.map((byte, on) => (on === at ? byte ^ (1 << below(8)) : byte));
}
const cut = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, below(bytes.length));
const grown = (bytes: Uint8Array): Uint8Array => Uint8Array.of(...bytes, below(256));

function mutantOf(proof: string, other: string): string {
  const parsed = parseTlogProof(proof);
  const extra = parsed.extra ?? new Uint8Array(0);
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  switch (below(6)) {
    case 0:
      return text(flipped(Buffer.from(proof)));
    case 1:
      return formatTlogProof({ ...parsed, extra: flipped(extra) });
    case 2: {
      const lines = proof.split('\n');
      const line = other.split('\n')[below(lines.length)] ?? '';
      return lines.toSpliced(below(lines.length), below(2), line).join('\n');
    }
    default: {
      const value = decodeCbor(extra);
      const places = placesIn(value);
      const shallow = places.filter((path) => path.length <= 3);
      const of = below(2) === 0 ? places : shallow;
      return formatTlogProof({
        ...parsed,
        extra: encodeCbor(changedAt(value, of[below(of.length)] ?? [], mutated)),
      });
    }
  }
}

/** Whatever a mutant is taken for, it says nothing that the whole file does not say. */
function saysNothingElse(mutant: Report, whole: Report): string | undefined {
  if (mutant.verdict === 'INVALID') return undefined;
  for (const { id, position, opened } of mutant.records) {
    const same = whole.records.find((one) => one.id === id && one.position === position);
    if (!same) return `a record ${id} at ${position}`;
    for (const layer of ['erin', 'eraan', 'eromheen', 'erachter'] as const)
      for (const [key, value] of Object.entries(opened?.[layer] ?? {}))
        if (!Object.is(JSON.stringify(value), JSON.stringify(same.opened?.[layer]?.[key])))
          return `${layer}.${key}`;
  }
  const all = (report: Report): readonly string[] =>
    report.proved.filter((says) => /\ball\b|None/i.test(says));
  if (mutant.records.length < whole.records.length)
    return all(mutant).find((says) => all(whole).includes(says) && !says.startsWith('The gateway logged'));
  return all(mutant).find((says) => !all(whole).includes(says) && !says.startsWith('The gateway logged'));
}

describe('property 4 (single-bit) and all that a stranger may do to a file', () => {
  const [directory, elsewhere] = [scratch(), scratch()];
  const [alice, bob] = [person('jis:alice'), person('jis:bob')];
  let log: AuditLog;
  let another: AuditLog;

  beforeAll(async () => {
    log = await openLog(directory.path, { limits });
    another = await openLog(elsewhere.path, { limits });
    await written(log, [
      ...signedCall('c1', alice, bob, 'ticket 1'),
      ...signedCall('c2', alice, bob, 'ticket 2'),
    ]);
    await log.commitHeads();
    await written(log, [draft('later')]);
    await written(another, [...signedCall('c1', alice, bob, 'ticket 9'), draft('x'), draft('y')]);
  });
  afterAll(async () => {
    await log.close();
    await another.close();
    directory.dispose();
    elsewhere.dispose();
  });

  test('no mutant of a proof verifies as what it is not, and none throws', async () => {
    const trust = parseTrust(log.vkey);
    const other = await another.prove({ call: 'c1' });
    const files = [
      await log.prove({ call: 'c1' }),
      await log.prove({ identity: alice.token.fingerprint }, { committedHead: true }),
    ];
    for (const file of files) {
      const whole = verifyFile(file, trust);
      expect(whole.verdict).toBe('UNWITNESSED');
      let refused = 0;
      for (let mutant = 0; mutant < mutants; mutant++) {
        const text = mutantOf(file, other);
        if (text === file) continue;
        const report = verifyFile(text, trust);
        const wrong = saysNothingElse(report, whole);
        if (wrong !== undefined)
          expect.fail(`seed ${seed}, mutant ${mutant}: ${report.verdict}, ${wrong}\n${text}`);
        if (report.verdict === 'INVALID') refused++;
      }
      expect(refused).toBeGreaterThan(mutants * 0.9);
    }
  }, 60_000);

  test('no part of a published log can be changed, cut, lengthened, left out or taken from another log', async () => {
    const own = filesIn(`${directory.path}/log/public`);
    const foreign = filesIn(`${elsewhere.path}/log/public`);
    const read: string[] = [];
    const through = (
      change: (path: string, bytes: Uint8Array | undefined) => Promise<Uint8Array | undefined>,
    ) => {
      const files: PublishedFiles = { read: async (path) => change(path, await own.read(path)) };
      return new PublishedLog(files).verify({ vkey: log.vkey });
    };
    const whole = await through(async (path, bytes) => {
      if (bytes) read.push(path);
      return bytes;
    });
    expect(whole).toMatchObject({ valid: true, problems: [] });
    for (const path of new Set(read)) {
      const changes = [
        flipped,
        flipped,
        flipped,
        cut,
        grown,
        () => undefined,
        () => foreign.read(path),
        (bytes: Uint8Array) => bytes.toReversed(),
      ] as const;
      for (const [at, change] of changes.entries()) {
        const verdict = await through(async (name, bytes) =>
          name === path && bytes ? change(bytes) : bytes,
        ).catch((error: unknown) => error);
        expect(verdict, `seed ${seed}: ${path}, change ${at}`).toMatchObject({ valid: false });
      }
    }
  });

  test.each([
    ['arrays in arrays without end', Buffer.alloc(200_000, 0x81)],
    ['a count that no memory holds', Buffer.from('9bffffffffffffffff', 'hex')],
    ['a byte string longer than the file', Buffer.from('5b001fffffffffffff', 'hex')],
    ['a map of a thousand million members', Buffer.from('ba3b9aca00', 'hex')],
    ['an indefinite length', Buffer.from('bf0140ff', 'hex')],
    ['one key twice', Buffer.from('a201400140', 'hex')],
    ['keys out of order', Buffer.from('a202400140', 'hex')],
    ['an integer longer than it need be', Buffer.from('a1180140', 'hex')],
    ['a float', Buffer.from('a101fb3ff0000000000000', 'hex')],
    ['text that is no UTF-8', Buffer.from('a10162c328', 'hex')],
    ['bytes after the value', Buffer.from('a000', 'hex')],
    ['nothing', Buffer.alloc(0)],
  ])('extra data that is %s is refused at once', async (_, extra) => {
    const parsed = parseTlogProof(await log.prove({ call: 'c1' }));
    const { verdict, checks } = verifyFile(formatTlogProof({ ...parsed, extra }), parseTrust(log.vkey));
    expect(verdict).toBe('INVALID');
    expect(checks.at(-1)).toMatchObject({ name: 'Readable', ok: false });
  });

  test('base64 has one form, and numbers have one', async () => {
    const proof = await log.prove({ call: 'c1' });
    const [, extra = '', index = ''] = proof.split('\n');
    const others = [
      proof.replace(extra, `${extra}=`),
      proof.replace(extra, extra.replaceAll('=', '')),
      proof.replace(extra, `${extra.slice(0, 40)} ${extra.slice(40)}`),
      proof.replace(extra, extra.replaceAll('+', '-').replaceAll('/', '_')),
      proof.replace(index, `${index}.0`),
      proof.replace(index, index.replace(' ', ' 0')),
      proof.replace(index, index.replace(' ', ' +')),
      proof.replace(index, 'index 1e0'),
      proof.replace(index, 'index 9007199254740993'),
    ];
    for (const text of others.filter((one) => one !== proof))
      expect(verifyFile(text, parseTrust(log.vkey)).verdict, text.slice(0, 60)).toBe('INVALID');
  });

  test('no flipped bit of a hand-over leads from a trusted key to another', () => {
    const [name, next] = [origin, person('jis:next').key];
    const vkeyOf = (key: Uint8Array): string => formatVkey(noteKey(name, 'ed25519', key));
    const [from, to] = [checkpointKey, next].map(({ publicKey }) => vkeyOf(publicKey));
    const text = `${handOverHeader}\n${name}\nrotated\n1\nroot\n${from}\n${to}\n`;
    const [one, two] = [signNote(text, name, checkpointKey), signNote(text, name, next)];
    const handOver = Buffer.from(one + two.slice(two.lastIndexOf('\n\n') + 2));
    expect(parseTrust(log.vkey, undefined, [handOver.toString()]).logs).toHaveLength(2);
    for (let mutant = 0; mutant < mutants; mutant++)
      expect(() => parseTrust(log.vkey, undefined, [Buffer.from(flipped(handOver)).toString()])).toThrow(
        VerifyError,
      );
  });

  test('what an auditor trusts is read as it is, or refused with a reason', () => {
    const texts = [log.vkey, `log ${log.vkey}\nquorum none\n`];
    for (let mutant = 0; mutant < mutants; mutant++)
      for (const [at, text] of texts.entries()) {
        const changed = Buffer.from(pick([flipped, cut, grown])(Buffer.from(text))).toString();
        try {
          const keys = at === 0 ? parseTrust(changed).logs : parsePolicy(changed).logs.map(({ key }) => key);
          for (const key of keys) expect([parseTrust(log.vkey).logs[0]]).toContainEqual(key);
        } catch (error) {
          expect(error).toBeInstanceOf(VerifyError);
        }
      }
  });
});
