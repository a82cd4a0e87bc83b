import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger, systemClock } from '../../src/base/index.ts';
import { postWithin } from '../../src/gateway/witness-post.ts';
import { Witnesses } from '../../src/gateway/witnesses.ts';
import type { AuditLog } from '../../src/provenance/index.ts';
import { formatVkey, parsePolicy } from '../../src/verify/index.ts';
import { draft, openLog, scratch } from '../provenance/support/test-log.ts';
import { limits, written } from './forked-log.ts';
import { WitnessServer } from './witness-server.ts';

const script = join(import.meta.dirname, 'independent/verify.py');
const missing = spawnSync('python3', ['--version']).status !== 0;
if (missing) process.stderr.write('skipped: the independent verifier: python3 is missing\n');

describe.skipIf(missing)(
  'property 3: a verifier that is not ours, in another language (Python, from the C2SP texts)',
  () => {
    const directory = scratch();
    const published = join(directory.path, 'log/public');
    let log: AuditLog;
    let witness: WitnessServer;
    /** ML-DSA-44: FIPS 204 in Python as well. */
    let agile: WitnessServer;
    const proofs: string[] = [];

    beforeAll(async () => {
      log = await openLog(directory.path, { limits });
      const ids = await written(
        log,
        Array.from({ length: 600 }, (_, at) => draft(`event ${at}`)),
      );
      witness = await WitnessServer.start('w.example/1', 'ed25519', log.vkey);
      agile = await WitnessServer.start('w.example/2', 'ml-dsa-44', log.vkey);
      const policy = parsePolicy(
        `${witness.policyLine}${agile.policyLine}group both all w.example-1 w.example-2\nquorum both\n`,
      );
      const post = postWithin(5_000);
      const witnesses = new Witnesses({
        log,
        policy,
        post,
        clock: systemClock,
        logger: silentLogger,
        intervalMs: 1,
      });
      expect(await witnesses.collect()).toBe(true);
      for (const at of [0, 255, 256, 300, 599]) {
        const file = join(directory.path, `${at}.tlog-proof`);
        writeFileSync(file, await log.prove(ids[at] ?? ''));
        proofs.push(file);
      }
    }, 60_000);
    afterAll(async () => {
      await witness.close();
      await agile.close();
      await log.close();
      directory.dispose();
    });

    function python(...more: readonly string[]): {
      readonly code: number | null;
      readonly out: string;
      readonly err: string;
    } {
      const { status, stdout, stderr } = spawnSync('python3', [script, published, log.vkey, ...more], {
        encoding: 'utf8',
      });
      return { code: status, out: stdout, err: stderr };
    }

    test('accepts checkpoint, tiles, entries, proofs and cosignatures, byte for byte', () => {
      const { code, out, err } = python('--witness', formatVkey(witness.key), ...proofs);
      expect(code, err).toBe(0);
      expect(out.split('\n').filter((line) => line !== '')).toEqual([
        'log of 601 entries holds',
        ...[1, 256, 257, 301, 600].map((index) => `entry ${index} of 601 holds`),
      ]);
    });

    test('property 15 (code agility): and the cosignature by ML-DSA-44, which no changed byte passes', () => {
      const [proof = ''] = proofs;
      const key = formatVkey(agile.key);
      expect(python('--witness', key, proof).err).toBe('');
      const text = readFileSync(proof, 'utf8');
      const mark = `\u2014 ${agile.key.name} `;
      const [head = '', line = ''] = text.split(mark);
      const signature = Buffer.from(line.slice(0, line.indexOf('\n')), 'base64');
      const file = join(directory.path, 'post-quantum.tlog-proof');
      // Time, commitment, response and hints of the signature.
      for (const at of [11, 20, 1_000, signature.length - 84]) {
        const changed = Buffer.from(signature);
        changed[at] = (changed[at] ?? 0) ^ 1;
        writeFileSync(file, `${head}${mark}${changed.toString('base64')}\n`);
        expect(python('--witness', key, file).err, String(at)).toContain("the witness's signature");
      }
    });

    test.each([
      ['checkpoint', 'checkpoint', 20],
      ['a full tile', 'tile/0/000', 100],
      ['a partial tile', 'tile/0/002.p/89', 100],
      ['a tile of the next level', 'tile/1/000.p/2', 40],
      ['a full bundle', 'tile/entries/001', 3_000],
      ['a partial bundle', 'tile/entries/002.p/89', 3_000],
    ])('and refuses %s with one byte changed', (_, name, at) => {
      const file = join(published, name);
      const before = readFileSync(file);
      const changed = Buffer.from(before);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(file, changed);
      const { code } = python();
      writeFileSync(file, before);
      expect(code).not.toBe(0);
    });

    test('and refuses a proof that was changed, or is not countersigned', async () => {
      const file = join(directory.path, 'changed.tlog-proof');
      const text = readFileSync(proofs[2] ?? '', 'utf8');
      writeFileSync(file, text.replace(/^index 257$/m, 'index 258'));
      expect(python(file).err).toContain('REFUSED');
      const [id = ''] = await written(log, [draft('later')]);
      writeFileSync(file, await log.prove(id));
      expect(python(file).code).toBe(0);
      expect(python('--witness', formatVkey(witness.key), file).err).toContain('the witness did not sign');
    });
  },
);
