import { expect } from 'vitest';
import type { StoredRecord } from '../../src/provenance/index.ts';

/** ERIN, ERAAN, EROMHEEN and ERACHTER of a gateway's record say something (design §6). */
export function expectFourLayers({ erin, eraan, eromheen, erachter }: StoredRecord): void {
  expect(erin['event']).toBeTruthy();
  expect(eraan['parents']).toBeDefined();
  expect(eromheen['software']).toMatch(/^tibet-sip\//);
  expect(eromheen['node']).toBeTruthy();
  expect(eromheen['time']).toBeTruthy();
  expect(erachter).not.toBe('');
}
