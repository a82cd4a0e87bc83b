import type { ExchangeOrder, LearnedSource, PortPair } from './protocol.ts';

export type KeptExchange = Omit<ExchangeOrder, 'kind' | 'order'>;

interface Kept {
  /** The last exchange from each party. */
  readonly exchanges: Map<KeptExchange['from'], KeptExchange>;
  readonly sources: Map<string, LearnedSource>;
}

/** What is to be said to a new thread, so that calls outlive the end of the old one. */
export class RelayMemory {
  readonly #sessions = new Map<string, Kept>();

  get size(): number {
    return this.#sessions.size;
  }

  keep(exchange: KeptExchange): void {
    const kept = this.#sessions.get(exchange.session) ?? { exchanges: new Map(), sources: new Map() };
    const before = kept.exchanges.get(exchange.from);
    kept.exchanges.set(
      exchange.from,
      before?.ports === undefined ? exchange : { ...exchange, ports: before.ports },
    );
    this.#sessions.set(exchange.session, kept);
  }

  told({ session, from }: KeptExchange, ports: readonly (PortPair | undefined)[]): void {
    const exchanges = this.#sessions.get(session)?.exchanges;
    const exchange = exchanges?.get(from);
    if (exchange !== undefined) exchanges?.set(from, { ...exchange, ports });
  }

  learned(session: string, learned: LearnedSource): void {
    const { party, index, rtcp } = learned;
    this.#sessions.get(session)?.sources.set(`${party} ${index} ${rtcp}`, learned);
  }

  forget(session: string): void {
    this.#sessions.delete(session);
  }

  sessions(): { session: string; exchanges: readonly KeptExchange[]; sources: readonly LearnedSource[] }[] {
    return [...this.#sessions].map(([session, { exchanges, sources }]) => ({
      session,
      exchanges: [...exchanges.values()],
      sources: [...sources.values()],
    }));
  }
}
