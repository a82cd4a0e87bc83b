import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const corpusFolder = new URL('corpus/', import.meta.url);
const crashersFolder = new URL('crashers/', import.meta.url);
const vectors = new URL('../vectors/', import.meta.url);

export interface Input {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a target starts from: the inputs that reached something new in earlier runs, and the RFCs' own messages. */
export function corpusOf(target: string): readonly Input[] {
  const own = filesIn(new URL(`${target}/`, corpusFolder));
  return target === 'message' || target === 'stream-framer' ? [...own, ...tortureMessages()] : own;
}

/** Every input that has ever brought a target down. */
export function crashersOf(target: string): readonly Input[] {
  return filesIn(new URL(`${target}/`, crashersFolder));
}

export function saveToCorpus(target: string, bytes: Uint8Array): string {
  return save(new URL(`${target}/`, corpusFolder), bytes);
}

export function saveCrasher(target: string, bytes: Uint8Array): string {
  return save(new URL(`${target}/`, crashersFolder), bytes);
}

/** The torture messages of RFC 4475 and RFC 5118. */
function tortureMessages(): readonly Input[] {
  return ['rfc4475/', 'rfc5118/'].flatMap((folder) =>
    filesIn(new URL(folder, vectors)).filter(({ name }) => name.endsWith('.dat')),
  );
}

function filesIn(folder: URL): readonly Input[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .sort()
    .map((name) => ({ name, bytes: readFileSync(new URL(name, folder)) }));
}

/** Named by content: the same input is kept once. */
function save(folder: URL, bytes: Uint8Array): string {
  mkdirSync(folder, { recursive: true });
  const file = new URL(createHash('sha256').update(bytes).digest('hex').slice(0, 16), folder);
  writeFileSync(file, bytes);
  return file.pathname;
}
