import { type Loudness, loudnessOf, readRecording } from './tone.ts';

/** A tone that was found in a recording. */
export interface Heard extends Loudness {
  readonly hertz: number;
  /** When it was there to be heard, on the clock of `performance.now()`. */
  readonly atMs: number;
}

const windowMs = 100;
const pollMs = 20;
/** A tone that came through a telephone codec; what another phone plays is at another frequency. */
const minPurity = 0.9;
const minLevelDb = -20;

/** Listens to what a phone records from now on, while it records it. */
export class Ear {
  readonly #recordings: () => readonly string[];
  readonly #hertz: number;
  /** How much of each recording has been listened to, in samples. */
  readonly #position = new Map<string, number>();

  constructor(recordings: () => readonly string[], hertz: number) {
    this.#recordings = recordings;
    this.#hertz = hertz;
    for (const file of recordings()) this.#position.set(file, readRecording(file).samples.length);
  }

  /** The tone, as soon as it is there; undefined when it isn't within the time. */
  async tone(timeoutMs: number): Promise<Heard | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const heard = this.#listen();
      if (heard !== undefined) return heard;
      if (performance.now() > deadline) return undefined;
      await pause();
    }
  }

  /** The newest piece of sound that holds the tone, of all that was recorded since the last time. */
  #listen(): Heard | undefined {
    let found: Heard | undefined;
    for (const file of this.#recordings()) {
      const { samples, samplesPerSecond } = readRecording(file);
      const length = (samplesPerSecond * windowMs) / 1_000;
      let at = this.#position.get(file) ?? 0;
      for (; at + length <= samples.length; at += length) {
        const loudness = loudnessOf(samples.subarray(at, at + length), samplesPerSecond, this.#hertz);
        if (loudness.purity >= minPurity && loudness.levelDb >= minLevelDb)
          found = { ...loudness, hertz: this.#hertz, atMs: performance.now() };
      }
      this.#position.set(file, at);
    }
    return found;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pollMs));
}
