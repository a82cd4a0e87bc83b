import type { Socket } from 'node:net';

const never = -1;

/** Watches, sweep by sweep, whether a peer takes what is written to it. */
export class WriteProgress {
  #flushedBytes = 0;
  #stalledSinceMs = never;

  /** For how long bytes have been waiting without a single one being taken by the system. */
  stalledMs(socket: Socket, nowMs: number): number {
    const waitingBytes = socket.writableLength;
    if (waitingBytes === 0) {
      this.#stalledSinceMs = never;
      return 0;
    }
    // Node copies a list to say so: nothing to ask of thousands of idle connections each second.
    const flushedBytes = socket.bytesWritten - waitingBytes;
    if (this.#stalledSinceMs === never || flushedBytes !== this.#flushedBytes) this.#stalledSinceMs = nowMs;
    this.#flushedBytes = flushedBytes;
    return nowMs - this.#stalledSinceMs;
  }
}
