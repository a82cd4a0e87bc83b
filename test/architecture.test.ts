import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * Who may import whom (docs/architecture.md). Every folder stands above all that it may import, so an edge that is
 * not listed here is an upward edge or one that nobody has decided on.
 */
const allowedImports: Readonly<Record<string, readonly string[]>> = {
  base: [],
  verify: [],
  config: ['base'],
  tokens: ['base'],
  provenance: ['verify', 'tokens', 'base'],
  'sip/message': ['base'],
  'sip/transport': ['sip/message', 'base'],
  'sip/locating': ['sip/transport', 'sip/message', 'base'],
  'sip/transaction': ['sip/transport', 'sip/message', 'base'],
  'sip/auth': ['sip/transaction', 'sip/transport', 'sip/message', 'base'],
  'sip/registrar': ['sip/transaction', 'sip/transport', 'sip/message', 'base'],
  'sip/proxy': ['sip/transaction', 'sip/locating', 'sip/transport', 'sip/message', 'base'],
  sip: [
    'sip/proxy',
    'sip/registrar',
    'sip/auth',
    'sip/transaction',
    'sip/locating',
    'sip/transport',
    'sip/message',
    'base',
  ],
  overlay: ['tokens', 'provenance', 'base'],
  admission: ['tokens', 'config', 'base'],
  federation: ['tokens', 'base'],
  media: ['sip', 'sip/message', 'base'],
  intent: ['media', 'sip', 'sip/message', 'tokens', 'base'],
  softphone: ['intent', 'media', 'sip', 'sip/message', 'tokens', 'base'],
  admin: ['overlay', 'provenance', 'tokens', 'config', 'base'],
  gateway: [
    'admission',
    'federation',
    'admin',
    'intent',
    'media',
    'overlay',
    'sip',
    'provenance',
    'verify',
    'tokens',
    'config',
    'base',
  ],
  cli: [
    'gateway',
    'admission',
    'softphone',
    'admin',
    'intent',
    'media',
    'overlay',
    'sip',
    'provenance',
    'verify',
    'tokens',
    'config',
    'base',
  ],
};

type Sources = Readonly<Record<string, string>>;

interface Edge {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Path of the imported file below src/. */
  readonly target: string;
}

const sourceRoot = join(import.meta.dirname, '../src');

/** The text of every source file, by its path below src/. */
function readSources(): Sources {
  const sources: Record<string, string> = {};
  for (const file of readdirSync(sourceRoot, { recursive: true, encoding: 'utf8' }))
    if (file.endsWith('.ts')) sources[file] = readFileSync(join(sourceRoot, file), 'utf8');
  return sources;
}

/** `sip/message` for what lies in a folder inside sip, else the first folder of the path. */
function folderOf(file: string): string {
  const [first = '', second = '', ...rest] = file.split('/');
  return first === 'sip' && rest.length > 0 ? `${first}/${second}` : first;
}

/** Imports that cross from one folder into another; static, re-exporting and dynamic ones alike. */
function crossingImports(sources: Sources): readonly Edge[] {
  const edges: Edge[] = [];
  for (const [file, text] of Object.entries(sources)) {
    for (const match of text.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']*)'/g)) {
      const target = posix.join(posix.dirname(file), match[1] ?? '');
      const [from, to] = [folderOf(file), folderOf(target)];
      if (from !== to) edges.push({ file, from, to, target });
    }
  }
  return edges;
}

/** One sentence for each import that breaks a rule. */
function violations(sources: Sources): readonly string[] {
  const found: string[] = [];
  const edges = crossingImports(sources);
  for (const { file, from, to, target } of edges) {
    if (!allowedImports[from]?.includes(to)) found.push(`${file} may not import ${to}`);
    if (target !== `${to}/index.ts`) found.push(`${file} goes past the door of ${to}: ${target}`);
  }
  const cycle = findCycle(edges);
  if (cycle) found.push(`cycle: ${cycle.join(' -> ')}`);
  return found;
}

function findCycle(edges: readonly Edge[]): readonly string[] | undefined {
  const finished = new Set<string>();
  const visit = (folder: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(folder)) return [...path.slice(path.indexOf(folder)), folder];
    if (finished.has(folder)) return undefined;
    for (const edge of edges) {
      const cycle = edge.from === folder ? visit(edge.to, [...path, folder]) : undefined;
      if (cycle) return cycle;
    }
    finished.add(folder);
    return undefined;
  };
  for (const { from } of edges) {
    const cycle = visit(from, []);
    if (cycle) return cycle;
  }
  return undefined;
}

describe('the import direction', () => {
  const sources = readSources();

  it('covers every folder of src', () => {
    const folders = new Set(Object.keys(sources).map(folderOf));
    expect([...folders].filter((folder) => !(folder in allowedImports))).toEqual([]);
    expect(Object.keys(sources).length).toBeGreaterThan(10);
  });

  it('points down, through the doors only, and never in a circle', () => {
    expect(violations(sources)).toEqual([]);
  });

  it('allows no circle in its own table', () => {
    const edges = Object.entries(allowedImports).flatMap(([from, list]) =>
      list.map((to) => ({ file: from, from, to, target: to })),
    );
    expect(findCycle(edges)).toBeUndefined();
  });
});

describe('the checker itself', () => {
  it.each([
    [
      'an upward edge',
      { 'base/clock.ts': "import { x } from '../tokens/index.ts';" },
      'base/clock.ts may not import tokens',
    ],
    [
      'an upward edge inside sip',
      { 'sip/message/uri.ts': "export * from '../transport/index.ts';" },
      'sip/message/uri.ts may not import sip/transport',
    ],
    [
      'sip knowing tokens',
      { 'sip/auth/digest.ts': "import type { T } from '../../tokens/index.ts';" },
      'sip/auth/digest.ts may not import tokens',
    ],
    [
      'a dynamic import',
      { 'tokens/keys.ts': "const x = await import('../overlay/index.ts');" },
      'tokens/keys.ts may not import overlay',
    ],
    ['a bare import', { 'config/load.ts': "import '../cli/index.ts';" }, 'config/load.ts may not import cli'],
    [
      'an import over several lines',
      { 'config/load.ts': "import {\n  a,\n  b,\n} from\n  '../cli/index.ts';" },
      'config/load.ts may not import cli',
    ],
    [
      'a way past the door',
      { 'tokens/keys.ts': "import { x } from '../base/clock.ts';" },
      'tokens/keys.ts goes past the door of base: base/clock.ts',
    ],
    [
      'a circle',
      { 'tokens/a.ts': "import '../base/index.ts';", 'base/b.ts': "import '../tokens/index.ts';" },
      'cycle: tokens -> base -> tokens',
    ],
  ] satisfies [string, Sources, string][])('finds %s', (_, sources, sentence) => {
    expect(violations(sources)).toContain(sentence);
  });

  it('says nothing about imports inside a folder and downward through a door', () => {
    const sources = {
      'sip/transport/udp.ts': "import { a } from './flow.ts';\nimport { b } from '../message/index.ts';",
      'gateway/gateway.ts': "import { c } from '../sip/index.ts';\nimport fs from 'node:fs';",
    };
    expect(violations(sources)).toEqual([]);
  });
});
