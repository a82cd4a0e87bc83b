import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { LayerBench, RecordingHandler } from './layer-bench.ts';

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/** Collects all that nobody holds; a turn of the event loop ends what it holds of weak references by itself. */
async function collected(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (typeof collect === 'function') collect();
}

it.each([
  ['INVITE', 486, 32_000],
  ['BYE', 200, 5_000],
] as const)(
  'a finished %s waits for copies of its %d without its transaction user (RFC 3261 §17.1)',
  async (method, status, lingersMs) => {
    const bench = new LayerBench();
    const bob = bench.phone('bob');
    const finish = (): WeakRef<RecordingHandler> => {
      const handler = new RecordingHandler();
      bench.send(method, bob, handler);
      bob.reply(bob.lastRequest(method), status);
      expect(handler.events).toEqual([String(status)]);
      return new WeakRef(handler);
    };
    const handler = finish();
    await collected();
    expect(handler.deref()).toBeUndefined();
    expect(bench.layer.counts()).toMatchObject({ client: 1, timers: 0 });
    const acks = bob.methods.filter((one) => one === 'ACK').length;
    bob.reply(bob.lastRequest(method), status);
    expect(bob.methods.filter((one) => one === 'ACK')).toHaveLength(acks * 2);
    bench.advance(lingersMs);
    bench.expectNothingLeft();
  },
);
