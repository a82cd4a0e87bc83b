import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultAnswerCacheLimits } from '../../src/admission/index.ts';
import { configKeys, loadConfig } from '../../src/config/index.ts';
import { defaultRecordClientLimits } from '../../src/federation/index.ts';
import { defaultRegEventLimits, defaultSpeakerLimits } from '../../src/gateway/index.ts';
import { defaultRelayLimits, defaultRtpengineLimits } from '../../src/media/index.ts';
import { defaultOverlayLimits } from '../../src/overlay/index.ts';
import { defaultAuditLimits } from '../../src/provenance/index.ts';
import {
  defaultAgentAlgorithms,
  defaultChallengeAlgorithms,
  defaultLocatingLimits,
  defaultOverloadLimits,
  defaultRegistrarPolicy,
  defaultThrottleLimits,
  defaultTransactionLimits,
  defaultTransportLimits,
} from '../../src/sip/index.ts';

const root = join(import.meta.dirname, '../..');

/** The rows `| \`key\` | default | unit | meaning |` of the documentation, in order of appearance. */
function documentedKeys(): readonly { path: string; default: string; unit: string; meaning: string }[] {
  const rows = [];
  for (const line of readFileSync(join(root, 'docs/configuration.md'), 'utf8').split('\n')) {
    const [, path, fallback, unit, meaning] = line.split('|').map((cell) => cell.trim());
    if (path?.startsWith('`'))
      rows.push({
        path: path.replaceAll('`', ''),
        default: (fallback ?? '').replaceAll('`', ''),
        unit: unit ?? '',
        meaning: meaning ?? '',
      });
  }
  return rows;
}

/** Defaults that rest on another key, and keys that have none. */
const describedDefaults: Readonly<Record<string, string>> = {
  'audit.origin': '<domain>/tibet-sip',
  'auth.realm': '<domain>',
};

describe('defaults', () => {
  it('are those of the parts that keep them', () => {
    const { limits, registrar, calls, auth } = loadConfig();
    const { message, ...transport } = defaultTransportLimits;
    const { minExpiresSeconds, defaultExpiresSeconds, maxExpiresSeconds, maxBindings } =
      defaultRegistrarPolicy;
    const { maxContacts, maxContactLength, maxPathLength } = defaultRegistrarPolicy;
    expect(limits).toEqual({
      message,
      transport,
      transaction: defaultTransactionLimits,
      overload: defaultOverloadLimits,
      locating: defaultLocatingLimits,
      registrar: { maxContacts, maxContactLength, maxPathLength },
      regEvent: defaultRegEventLimits,
      speakers: defaultSpeakerLimits,
      digest: defaultThrottleLimits,
      overlay: defaultOverlayLimits,
      vouching: defaultAnswerCacheLimits,
      federation: defaultRecordClientLimits,
      audit: defaultAuditLimits,
      media: defaultRelayLimits,
      rtpengine: defaultRtpengineLimits,
    });
    expect(registrar).toEqual({
      minExpires: minExpiresSeconds,
      defaultExpires: defaultExpiresSeconds,
      maxExpires: maxExpiresSeconds,
      maxBindingsPerIdentity: maxBindings,
      gruu: true,
      serviceRoute: [],
      watchers: [],
    });
    expect(auth.algorithms).toEqual(defaultChallengeAlgorithms);
    expect(auth.agents).toEqual(defaultAgentAlgorithms);
    expect(calls.ringTimeoutMs).toBeGreaterThan(180_000);
  });
});

describe('docs/configuration.md', () => {
  it('lists every key of the schema with its default and unit, and no other', () => {
    const expected = configKeys().map((key) => ({
      path: key.path,
      default: key.default ?? describedDefaults[key.path] ?? 'none',
      unit: key.unit ?? '',
    }));
    const documented = documentedKeys().map(({ path, default: fallback, unit }) => ({
      path,
      default: fallback,
      unit,
    }));
    const byPath = (a: { path: string }, b: { path: string }): number => (a.path < b.path ? -1 : 1);
    expect(documented.toSorted(byPath)).toEqual(expected.toSorted(byPath));
  });

  it('explains each of them', () => {
    for (const { path, meaning } of documentedKeys()) expect(meaning.length, path).toBeGreaterThan(5);
  });
});

describe('config/*.yaml', () => {
  const files = readdirSync(join(root, 'config'));

  it('holds the examples that the documentation names', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        'default.yaml',
        'development.yaml',
        'pbx.yaml',
        'redis.yaml',
        'rtpengine.yaml',
        'trunk.yaml',
      ]),
    );
  });

  it.each(files)('%s loads', (file) => {
    expect(loadConfig({ file: join(root, 'config', file) }).listen.length).toBeGreaterThan(0);
  });

  it('default.yaml says the same as no file', () => {
    expect(loadConfig({ file: join(root, 'config/default.yaml') })).toEqual(loadConfig());
  });
});
