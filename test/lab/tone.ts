import { readFileSync, writeFileSync } from 'node:fs';

/** What a phone plays lasts longer than any call here. */
export const toneSeconds = 120;

/** Telephone audio. */
const rate = 8_000;
const headerBytes = 44;

/** A WAV file with one pure tone. */
export function writeTone(file: string, hertz: number, seconds: number, amplitude = 0.3): void {
  const samples = rate * seconds;
  const wav = Buffer.alloc(headerBytes + 2 * samples);
  wav.write('RIFF', 0, 'latin1');
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write('WAVEfmt ', 8, 'latin1');
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(rate, 24);
  wav.writeUInt32LE(2 * rate, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36, 'latin1');
  wav.writeUInt32LE(2 * samples, 40);
  for (let at = 0; at < samples; at++)
    wav.writeInt16LE(
      Math.round(32_767 * amplitude * Math.sin((2 * Math.PI * hertz * at) / rate)),
      headerBytes + 2 * at,
    );
  writeFileSync(file, wav);
}

/** How much of a tone is in a piece of sound. */
export interface Loudness {
  /** Of the tone alone, where 0 is the loudest sine that fits. */
  readonly levelDb: number;
  /** Of all energy, how much is the tone's: 1 is nothing else. */
  readonly purity: number;
}

/** Goertzel's filter for one frequency. */
export function loudnessOf(samples: Float64Array, samplesPerSecond: number, hertz: number): Loudness {
  const coefficient = 2 * Math.cos((2 * Math.PI * hertz) / samplesPerSecond);
  let [before, beforeThat, energy] = [0, 0, 0];
  for (const sample of samples) {
    [before, beforeThat] = [sample + coefficient * before - beforeThat, before];
    energy += sample * sample;
  }
  const power = before * before + beforeThat * beforeThat - coefficient * before * beforeThat;
  const amplitude = (2 * Math.sqrt(Math.max(power, 0))) / samples.length;
  return {
    levelDb: 20 * Math.log10(Math.max(amplitude, 1e-6)),
    purity: energy === 0 ? 0 : Math.min(1, (amplitude * amplitude * samples.length) / 2 / energy),
  };
}

export interface Recording {
  readonly samplesPerSecond: number;
  readonly samples: Float64Array;
}

/** A 16-bit WAV file with one channel, also one that is still being written: some phones write its header last. */
export function readRecording(file: string): Recording {
  const bytes = readFileSync(file);
  const samplesPerSecond = bytes.length < headerBytes ? 0 : bytes.readUInt32LE(24);
  const samples = new Float64Array(Math.max(0, Math.floor((bytes.length - headerBytes) / 2)));
  for (let at = 0; at < samples.length; at++) samples[at] = bytes.readInt16LE(headerBytes + 2 * at) / 32_768;
  return { samplesPerSecond: samplesPerSecond || rate, samples };
}
