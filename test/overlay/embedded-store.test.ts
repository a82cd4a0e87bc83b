import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedStore, openStore } from '../../src/overlay/index.ts';
import { storedBinding } from './samples.ts';
import { describeStore } from './store-contract.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tibet-overlay-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describeStore('EmbeddedStore', async () => {
  const store = EmbeddedStore.open({ directory });
  // LMDB is one environment a process: a second door in this process is the same one.
  return { store, other: store, dispose: () => store.close() };
});

describeStore('EmbeddedStore, its file mapped anew after every look', async () => {
  const store = EmbeddedStore.open({ directory, maxMappedBytes: 0 });
  return { store, other: store, dispose: () => store.close() };
});

describe('EmbeddedStore', () => {
  it('maps its file anew while it is read and written, here and by another process', async () => {
    const store = EmbeddedStore.open({ directory, maxMappedBytes: 0 });
    const token = 'x'.repeat(1_000);
    const written = new Map<string, number>();
    const write = async (round: number): Promise<void> => {
      const key = `${round % 100}`;
      await store.update('home', key, () => ({ token, issuedAt: round }));
      written.set(key, round);
    };
    for (let round = 0; round < 1_000; round += 10) {
      const writing = Promise.all(Array.from({ length: 10 }, (_, at) => write(round + at)));
      for (const [key, issuedAt] of written)
        expect(store.get('home', key)?.issuedAt).toBeGreaterThanOrEqual(issuedAt);
      await writing;
    }
    const seen = runBeside(`
      await store.update('alias', '2', () => ({ fingerprint: 'from the command line' }));
      process.stdout.write(String(store.get('home', '99').issuedAt));
    `);
    expect(seen).toBe('999');
    expect(store.get('alias', '2')).toEqual({ fingerprint: 'from the command line' });
    expect(store.list('home', { limit: 200 }).entries).toHaveLength(100);
    await store.close();
  });

  it('keeps no more of its file in memory than limits.overlay.maxMappedBytes', async (context) => {
    if (process.platform !== 'linux') return context.skip('only Linux says what is mapped');
    const maxMappedBytes = 2 ** 22;
    const store = await openStore({ kind: 'embedded' }, directory, { maxMappedBytes });
    const before = mappedBytes();
    const token = 'x'.repeat(3_000);
    let most = 0;
    for (let round = 0; round < 30; round++) {
      const write = (at: number) => store.update('home', `${round}-${at}`, () => ({ token, issuedAt: at }));
      await Promise.all(Array.from({ length: 300 }, (_, at) => write(at)));
      for (let at = 0; at < 300; at += 10) {
        expect((await store.get('home', `${at % (round + 1)}-${at}`))?.issuedAt).toBe(at);
        await new Promise((resolve) => setImmediate(resolve));
      }
      most = Math.max(most, mappedBytes() - before);
    }
    // 36 MB were written and read.
    expect(most).toBeLessThan(3 * maxMappedBytes);
    await store.close();
  });

  it('keeps documents over a restart', async () => {
    const first = EmbeddedStore.open({ directory });
    await first.update('alias', '1007', () => ({ fingerprint: 'a' }));
    await first.close();
    const second = EmbeddedStore.open({ directory });
    expect(second.get('alias', '1007')).toEqual({ fingerprint: 'a' });
    await second.close();
  });

  it('answers reads at once, without a promise', async () => {
    const store = EmbeddedStore.open({ directory });
    await store.update('alias', '1007', () => ({ fingerprint: 'a' }));
    expect(store.get('alias', '1007')).not.toBeInstanceOf(Promise);
    await store.close();
  });

  it('shares its documents with another process that has it open at the same time', async () => {
    const store = EmbeddedStore.open({ directory });
    await store.update('alias', '1', () => ({ fingerprint: 'from the gateway' }));
    const seen = runBeside(`
      const seen = store.get('alias', '1').fingerprint;
      await store.update('alias', '2', () => ({ fingerprint: 'from the command line' }));
      process.stdout.write(seen);
    `);
    expect(seen).toBe('from the gateway');
    await expect.poll(() => store.get('alias', '2')).toEqual({ fingerprint: 'from the command line' });
    await store.close();
  });

  it('decides once for each change, however many wait for one document', async () => {
    const store = EmbeddedStore.open({ directory });
    let decided = 0;
    await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        store.update('alias', '1007', () => {
          decided += 1;
          return { fingerprint: `${at}` };
        }),
      ),
    );
    expect(decided).toBe(50);
    await expect(
      store.update('alias', '1007', () => {
        throw new Error('undecided');
      }),
    ).rejects.toThrow('undecided');
    await store.update('alias', '1007', () => ({ fingerprint: 'after an error' }));
    expect(store.get('alias', '1007')).toEqual({ fingerprint: 'after an error' });
    await store.close();
  });

  it('changes many documents in one transaction, and an error of one change is its own', async () => {
    const store = EmbeddedStore.open({ directory });
    const changes = await Promise.allSettled(
      Array.from({ length: 100 }, (_, at) =>
        store.update('alias', `${at}`, () => {
          if (at === 50) throw new Error('not this one');
          return { fingerprint: `${at}` };
        }),
      ),
    );
    expect(changes.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(store.list('alias', { limit: 200 }).entries).toHaveLength(99);
    await store.close();
  });

  it('stores what lingers for others after two came together, also when it is the last', async () => {
    const store = EmbeddedStore.open({ directory });
    const bound = { sequence: 1, bindings: [storedBinding()] };
    const order: string[] = [];
    const write = (key: string) => store.update('bindings', key, () => bound).then(() => order.push(key));
    await Promise.all([write('first'), write('second')]);
    await write('third');
    await write('fourth');
    expect(order).toEqual(['first', 'second', 'third', 'fourth']);
    expect(store.get('bindings', 'third')).toEqual(bound);
    const last = write('last');
    await store.close();
    await last;
  });

  it('says once what falls due, however often it was put off', async () => {
    const store = EmbeddedStore.open({ directory });
    const dueAt = (expiresAtMs: number) => ({ sequence: 1, bindings: [storedBinding({ expiresAtMs })] });
    for (const expiresAtMs of [1_000, 5_000, 3_000, 9_000])
      await store.update('bindings', 'phone', () => dueAt(expiresAtMs));
    expect(store.due('bindings', 8_999, 10)).toEqual([]);
    // By now the early entries have moved; whoever asks again finds none of them twice.
    await store.update('bindings', 'other', () => dueAt(20_000));
    expect(store.due('bindings', 9_000, 10)).toEqual(['phone']);
    await store.update('bindings', 'phone', () => undefined);
    expect(store.due('bindings', 30_000, 10)).toEqual(['other']);
    await store.close();
  });

  it('refuses changes while its disk is full, keeps what it has, and goes on when there is room', async (context) => {
    if (!mountSmall(directory)) return context.skip('needs root and the right to mount a tmpfs');
    try {
      const store = EmbeddedStore.open({ directory: join(directory, 'overlay') });
      const token = 'x'.repeat(1_000);
      const write = (at: number) => store.update('home', `${at}`, () => ({ token, issuedAt: at }));
      let stored = 0;
      const fill = async (): Promise<void> => {
        for (;;) {
          await Promise.all(Array.from({ length: 100 }, (_, at) => write(stored + at)));
          stored += 100;
        }
      };
      await expect(fill()).rejects.toMatchObject({ code: 'store-unavailable' });
      expect(store.list('home', { limit: 100_000 }).entries).toHaveLength(stored);
      execFileSync('mount', ['-o', 'remount,size=16m', directory]);
      await write(stored);
      expect(store.get('home', `${stored}`)).toEqual({ token, issuedAt: stored });
      await store.close();
    } finally {
      execFileSync('umount', [directory]);
    }
  });

  it('makes its directory for its owner only', async () => {
    const own = join(directory, 'data', 'overlay');
    await EmbeddedStore.open({ directory: own }).close();
    expect(statSync(own).mode & 0o777).toBe(0o700);
  });

  it('refuses a directory that it cannot make, with a clear code', () => {
    writeFileSync(join(directory, 'file'), '');
    const open = () => EmbeddedStore.open({ directory: join(directory, 'file', 'overlay') });
    expect(open).toThrow(expect.objectContaining({ code: 'store-open' }));
    expect(open).toThrow(/^cannot open the overlay store in \S+: E[A-Z]+: /);
    chmodSync(directory, 0o700);
  });
});

/** Of files, in this process's memory. */
function mappedBytes(): number {
  return 1_024 * Number(/RssFile:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

/** False without the right to mount. */
function mountSmall(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Runs `body` with the same store open in another process; gives what it prints. */
function runBeside(body: string): string {
  const overlay = pathToFileURL(join(import.meta.dirname, '../../src/overlay/index.ts')).href;
  const script = `
    import { EmbeddedStore } from ${JSON.stringify(overlay)};
    const store = EmbeddedStore.open({ directory: ${JSON.stringify(directory)} });
    ${body}
    await store.close();
  `;
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
}
