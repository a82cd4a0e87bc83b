import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  EmbeddedStore,
  IdentityOverlay,
  type OverlayEvent,
  type OverlayOptions,
} from '../../src/overlay/index.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startMs } from './samples.ts';

/** An overlay on an embedded store of its own, with a clock that the test owns. */
export class OverlayFixture {
  readonly clock: FakeClock = new FakeClock(startMs);
  readonly directory: string = mkdtempSync(join(tmpdir(), 'tibet-overlay-'));
  readonly events: OverlayEvent[] = [];
  readonly #options: Partial<OverlayOptions>;
  #overlay: IdentityOverlay;

  constructor(options: Partial<OverlayOptions> = {}) {
    this.#options = options;
    this.#overlay = this.#open();
  }

  get overlay(): IdentityOverlay {
    return this.#overlay;
  }

  /** Closes the overlay and opens it anew on the same data, as a restart does. */
  async restart(): Promise<IdentityOverlay> {
    await this.#overlay.close();
    this.#overlay = this.#open();
    return this.#overlay;
  }

  /** `kind outcome code` of each event since the last call. */
  takeEvents(): string[] {
    return this.events
      .splice(0)
      .map(({ kind, outcome, code }) => [kind, outcome, ...(code === undefined ? [] : [code])].join(' '));
  }

  async dispose(): Promise<void> {
    await this.#overlay.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #open(): IdentityOverlay {
    return new IdentityOverlay({
      store: EmbeddedStore.open({ directory: this.directory }),
      node: 'node-1',
      clock: this.clock,
      onEvent: (event) => void this.events.push(event),
      ...this.#options,
    });
  }
}
