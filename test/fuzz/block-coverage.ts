import { type Profiler, Session } from 'node:inspector';

type ScriptCoverage = Profiler.ScriptCoverage;

const sources = new URL('../../src/', import.meta.url).href;

/** Which characters of src/ have run so far, by V8's block coverage. */
export class BlockCoverage {
  readonly #session = new Session();
  readonly #covered = new Map<string, Uint8Array>();
  #characters = 0;

  /** From here on; what ran before counts only when it runs again. */
  start(): void {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  stop(): void {
    this.#session.disconnect();
  }

  /** Characters of source that have run. */
  get size(): number {
    return this.#characters;
  }

  /** Whether anything has run since the last look that never ran before; what it was is left unknown. */
  hasNews(): boolean {
    const news = { characters: 0, keep: false };
    for (const script of this.#take()) this.#compare(script, news);
    return news.characters > 0;
  }

  /** As `hasNews`, and from now on it is known. */
  learn(): boolean {
    const news = { characters: 0, keep: true };
    for (const script of this.#take()) this.#compare(script, news);
    this.#characters += news.characters;
    return news.characters > 0;
  }

  /** Taking sets V8's counters back to zero; within one process the answer comes at once. */
  #take(): readonly ScriptCoverage[] {
    let taken: readonly ScriptCoverage[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error;
      taken = result;
    });
    return taken;
  }

  #compare({ url, functions }: ScriptCoverage, news: { characters: number; readonly keep: boolean }): void {
    if (!url.startsWith(sources)) return;
    for (const { ranges } of functions) {
      const [whole] = ranges;
      if (whole === undefined || whole.count === 0) continue;
      // Blocks stand behind those that enclose them and overrule them.
      const ran = new Uint8Array(whole.endOffset - whole.startOffset);
      for (const { startOffset, endOffset, count } of ranges)
        ran.fill(count > 0 ? 1 : 0, startOffset - whole.startOffset, endOffset - whole.startOffset);
      const covered = this.#ofScript(url, whole.endOffset);
      for (let i = 0; i < ran.length; i++) {
        if (ran[i] === 0 || covered[whole.startOffset + i] === 1) continue;
        if (news.keep) covered[whole.startOffset + i] = 1;
        news.characters++;
      }
    }
  }

  #ofScript(url: string, length: number): Uint8Array {
    const known = this.#covered.get(url);
    if (known !== undefined && known.length >= length) return known;
    const grown = new Uint8Array(Math.max(length, 65_536));
    if (known !== undefined) grown.set(known);
    this.#covered.set(url, grown);
    return grown;
  }
}
