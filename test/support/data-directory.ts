import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh directory that goes away with what is in it. */
export function dataDirectory(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'tibet-sip-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
