import { type ConnectTarget, type Flow, TransportError } from '../transport/index.ts';
import type { Locator } from './locator.ts';
import type { LocatedTarget } from './next-hop.ts';

/** The part of the transport layer that opens flows. */
export interface FlowOpener {
  /** Rejects with TransportError. */
  connect(target: ConnectTarget): Promise<Flow>;
}

export interface ReachOptions {
  readonly transport: FlowOpener;
  readonly locator: Locator;
  /** Each target that takes no connection, before the next one is tried. */
  readonly onFailed: (target: LocatedTarget, error: TransportError) => void;
}

/** A target that took a flow, and those that were not tried yet. */
export interface Reached {
  readonly flow: Flow;
  readonly target: LocatedTarget;
  readonly rest: readonly LocatedTarget[];
}

/** A flow to the first target that takes one (RFC 3263 §4.3); undefined when none does. */
export async function reach(
  targets: readonly LocatedTarget[],
  options: ReachOptions,
): Promise<Reached | undefined> {
  const { transport, locator, onFailed } = options;
  for (const [at, target] of targets.entries()) {
    try {
      const flow = await transport.connect(target);
      if (flow.reliable) locator.markAlive(target);
      return { flow, target, rest: targets.slice(at + 1) };
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      locator.markDead(target);
      onFailed(target, error);
    }
  }
  return undefined;
}
