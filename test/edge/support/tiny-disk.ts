import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A file system of 16 MB in place of a directory, which can be filled to the last block. */
export interface TinyDisk {
  fill(): void;
  clear(): void;
  unmount(): void;
}

/** Undefined where mounting is not allowed. */
export function mountTinyDisk(path: string): TinyDisk | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const filler = join(path, 'filler');
  return {
    fill: () => {
      mkdirSync(filler);
      for (const bytes of [1 << 20, 1 << 12, 1]) writeUntilFull(filler, bytes);
    },
    clear: () => rmSync(filler, { recursive: true }),
    unmount: () => void execFileSync('umount', [path]),
  };
}

function writeUntilFull(directory: string, bytes: number): void {
  try {
    for (let file = 0; ; file += 1) writeFileSync(join(directory, `${bytes}-${file}`), new Uint8Array(bytes));
  } catch {
    // Full for files of this size.
  }
}
