import type { StockPhone } from '../../test/support/stock-phones.ts';

/** What is measured: a proxy and registrar with two phones, `caller` and `callee`. */
export interface System {
  readonly name: string;
  /** UDP, on the loopback address. */
  readonly port: number;
  readonly phones: { readonly caller: StockPhone; readonly callee: StockPhone };
  /** They only register. */
  readonly crowd: readonly StockPhone[];
  /** Whether the callee has to prove itself when it registers. */
  readonly challenges: boolean;
  /** Processor time of all its processes so far, user and system, in seconds. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

/** How many phones register in turn. */
export const crowdSize = 500;

export const crowdNames: readonly string[] = Array.from({ length: crowdSize }, (_, at) => `phone-${at}`);
