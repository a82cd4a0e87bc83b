import type { Storage } from './storage.ts';
import { bundlePath, openingsPath, publicDirectory, tilePath, tileWidth } from './tile-layout.ts';

/** Every file under a log's directory, sorted by what it claims to be. */
export interface LogInventory {
  /** Widths of the versions that exist, keyed by `bundlePath(index, 256)`. */
  readonly bundles: ReadonlyMap<string, readonly number[]>;
  /** Widths of the versions that exist, keyed by `tilePath(level, index, 256)`. */
  readonly tiles: ReadonlyMap<string, readonly number[]>;
  readonly openings: ReadonlySet<string>;
  /** Everything else. */
  readonly others: readonly string[];
  /** Of the bundles and openings that exist. Whoever made the directory chose the numbers: nothing counts up to them. */
  readonly indexes: ReadonlySet<number>;
}

export async function takeInventory(storage: Storage): Promise<LogInventory> {
  const bundles = new Map<string, number[]>();
  const tiles = new Map<string, number[]>();
  const openings = new Set<string>();
  const others: string[] = [];
  const indexes = new Set<number>();
  for (const path of await walk(storage, '.')) {
    const named = nameOf(path);
    if (named === undefined) {
      others.push(path);
      continue;
    }
    if (named.kind !== 'tile') indexes.add(named.index);
    if (named.kind === 'openings') openings.add(path);
    else if (named.kind === 'bundle') addWidth(bundles, bundlePath(named.index, tileWidth), named.width);
    else addWidth(tiles, tilePath(named.level, named.index, tileWidth), named.width);
  }
  return { bundles, tiles, openings, others, indexes };
}

function addWidth(widths: Map<string, number[]>, key: string, width: number): void {
  const known = widths.get(key);
  if (known) known.push(width);
  else widths.set(key, [width]);
}

async function walk(storage: Storage, directory: string): Promise<string[]> {
  const paths: string[] = [];
  for (const { name, directory: isDirectory } of await storage.list(directory)) {
    const path = directory === '.' ? name : `${directory}/${name}`;
    if (isDirectory) paths.push(...(await walk(storage, path)));
    else paths.push(path);
  }
  return paths;
}

type FileName =
  | { readonly kind: 'openings'; readonly index: number }
  | { readonly kind: 'bundle'; readonly index: number; readonly width: number }
  | { readonly kind: 'tile'; readonly level: number; readonly index: number; readonly width: number };

/** What a path names; undefined unless it is exactly the path that the layout would give that file. */
function nameOf(path: string): FileName | undefined {
  const parts = path.split('/');
  if (parts[0] === 'openings') {
    const index = indexOf(parts.slice(1));
    return openingsPath(index) === path ? { kind: 'openings', index } : undefined;
  }
  if (parts[0] !== publicDirectory || parts[1] !== 'tile') return undefined;
  const rest = parts.slice(3);
  const partial = rest.at(-2)?.endsWith('.p') === true;
  const width = partial ? Number(rest.pop()) : tileWidth;
  if (partial) rest.push(rest.pop()?.slice(0, -2) ?? '');
  const index = indexOf(rest);
  const level = Number(parts[2]);
  if (width < 1 || width > tileWidth) return undefined;
  if (parts[2] === 'entries' && bundlePath(index, width) === path) return { kind: 'bundle', index, width };
  if (tilePath(level, index, width) === path) return { kind: 'tile', level, index, width };
  return undefined;
}

function indexOf(parts: readonly string[]): number {
  return Number(parts.map((part) => part.replace('x', '')).join(''));
}
