import type { Socket } from 'node:net';

const never = -1;

/** Watches, sweep by sweep, whether a peer takes what is written to it. */
export class WriteProgress {
  #flushedBytes = 0;
  #stalledSinceMs = never;

  /** For how long bytes have been waiting without a single one being taken by the system. */
  stalledMs(socket: Socket, nowMs: number): number {
    const waitingBytes = socket.writableLength;
    const flushedBytes = socket.bytesWritten - waitingBytes;
    if (waitingBytes === 0) {
      this.#stalledSinceMs = never;
    } else if (this.#stalledSinceMs === never || flushedBytes !== this.#flushedBytes) {
      this.#stalledSinceMs = nowMs;
    }
    this.#flushedBytes = flushedBytes;
    return this.#stalledSinceMs === never ? 0 : nowMs - this.#stalledSinceMs;
  }
}
