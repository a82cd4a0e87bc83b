import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a directory and those above it; throws the system's error. Node's own `recursive` never returns where one may not
 * be made in a parent that is there (/proc says ENOENT for that).
 */
export function makeDirectories(path: string, mode: number): void {
  if (existsSync(path)) {
    // Says EEXIST or ENOTDIR where something else has the name.
    mkdirSync(path, { recursive: true, mode });
    return;
  }
  const parent = dirname(path);
  if (parent !== path) makeDirectories(parent, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Somebody else was faster.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}
