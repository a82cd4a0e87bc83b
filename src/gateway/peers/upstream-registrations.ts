import type { Clock, Logger, Random, Timer } from '../../base/index.ts';
import type { PeerConfig } from '../../config/index.ts';
import type { PeerCredentials } from './peer-credentials.ts';
import type { PeerRecords } from './peer-records.ts';
import type { PeerRequests } from './peer-requests.ts';
import { RegisterExchange, type RegisterOutcome, type UpstreamSubject } from './register-exchange.ts';
import { idleUpstream, type UpstreamInput, type UpstreamState, upstreamStep } from './upstream-state.ts';

export interface UpstreamRegistrationsOptions {
  readonly peer: PeerConfig;
  readonly requests: PeerRequests;
  readonly credentials: PeerCredentials;
  readonly records: PeerRecords;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly timeoutMs: number;
  /** Nothing is sent to a peer that is known to be gone; `peerCameBack` starts all over. */
  readonly isDown: () => boolean;
  /** A REGISTER that met silence. */
  readonly onUnreachable: () => void;
}

interface Entry {
  readonly subject: UpstreamSubject;
  readonly exchange: RegisterExchange;
  state: UpstreamState;
  timer: Timer | undefined;
  linger: Timer | undefined;
  /** Why the newest attempt failed. */
  fault: string | undefined;
}

export interface UpstreamCounts {
  readonly registered: number;
  /** Under way, or to be tried again. */
  readonly pending: number;
  readonly refused: number;
}

/** Keeps registered at one peer whoever is to be reached here; carries out what `upstreamStep` decides. */
export class UpstreamRegistrations {
  readonly #options: UpstreamRegistrationsOptions;
  readonly #entries = new Map<string, Entry>();
  /** Entries with a REGISTER to send, the oldest first. */
  readonly #queue = new Map<Entry, 'register' | 'unregister'>();
  #underWay = 0;
  /** False once the peer has shown that it answers no REGISTER without a Contact. */
  #tellsContacts = true;
  #nextChecked = 0;
  #closed = false;

  constructor(options: UpstreamRegistrationsOptions) {
    this.#options = options;
  }

  counts(): UpstreamCounts {
    let registered = 0;
    let refused = 0;
    for (const { state, fault } of this.#entries.values()) {
      if (state.known) registered++;
      else if (fault !== undefined && fault !== unreachableFault) refused++;
    }
    return { registered, refused, pending: this.#entries.size - registered - refused };
  }

  /** Registers, and keeps registered until `release`. */
  want(subject: UpstreamSubject): void {
    const { contactUser } = subject;
    let entry = this.#entries.get(contactUser);
    if (entry === undefined) {
      const exchange = new RegisterExchange({ ...this.#options, subject });
      entry = {
        subject,
        exchange,
        state: idleUpstream,
        timer: undefined,
        linger: undefined,
        fault: undefined,
      };
      this.#entries.set(contactUser, entry);
    }
    entry.linger?.cancel();
    entry.linger = undefined;
    this.#step(entry, { kind: 'wanted' });
  }

  /** Nobody is left to be reached; whoever comes back within `lingerMs` finds all as it was. */
  release(contactUser: string): void {
    const entry = this.#entries.get(contactUser);
    if (entry === undefined || entry.linger !== undefined || !entry.state.wanted) return;
    const { clock, peer } = this.#options;
    entry.linger = clock.setTimer(peer.registrations.lingerMs, () => {
      entry.linger = undefined;
      this.#step(entry, { kind: 'unwanted' });
    });
  }

  /** The peer was away: what it knew may be gone. */
  peerCameBack(): void {
    this.#tellsContacts = true;
    for (const entry of this.#entries.values()) this.#step(entry, { kind: 'peer-restarted' });
  }

  /** Asks the peer for one registration, each time another: when that is gone, the others are as well. */
  async check(): Promise<void> {
    const registered = [...this.#entries.values()].filter(({ state }) => state.phase === 'registered');
    const entry = registered[this.#nextChecked++ % Math.max(1, registered.length)];
    if (entry === undefined || !this.#tellsContacts) return;
    const known = await entry.exchange.isKnown();
    if (known === 'untold') this.#tellsContacts = false;
    // It may have been asked while the registration ended here.
    if (known !== false || this.#closed || entry.state.phase !== 'registered') return;
    const { records, peer, logger } = this.#options;
    logger.warn({ peer: peer.name, registrations: registered.length }, 'a peer has lost its registrations');
    records.peer(peer, 'registrations-lost', { registrations: registered.length });
    this.peerCameBack();
  }

  close(): void {
    this.#closed = true;
    this.#queue.clear();
    for (const { timer, linger } of this.#entries.values()) {
      timer?.cancel();
      linger?.cancel();
    }
  }

  #step(entry: Entry, input: UpstreamInput): void {
    if (this.#closed) return;
    const { peer, clock } = this.#options;
    const { state, actions } = upstreamStep(entry.state, input, peer.registrations);
    entry.state = state;
    for (const action of actions) {
      switch (action.kind) {
        case 'register':
        case 'unregister':
          this.#queue.set(entry, action.kind);
          break;
        case 'no-timer':
          entry.timer?.cancel();
          break;
        case 'timer':
          entry.timer?.cancel();
          entry.timer = clock.setTimer(action.delayMs, () => {
            if (!this.#options.isDown()) this.#step(entry, { kind: 'due' });
          });
          break;
        case 'tell':
          this.#tell(entry, action.event);
      }
    }
    if (state.phase === 'idle' && !state.wanted) this.#entries.delete(entry.subject.contactUser);
    this.#work();
  }

  #work(): void {
    for (const [entry, what] of this.#queue) {
      if (this.#underWay >= this.#options.peer.registrations.maxUnderWay) return;
      this.#queue.delete(entry);
      this.#underWay++;
      void this.#send(entry, what).finally(() => {
        this.#underWay--;
        this.#work();
      });
    }
  }

  async #send(entry: Entry, what: 'register' | 'unregister'): Promise<void> {
    try {
      if (what === 'register') this.#registered(entry, await entry.exchange.register());
      else {
        await entry.exchange.unregister();
        this.#step(entry, { kind: 'ended' });
      }
    } catch (error) {
      const { logger, peer } = this.#options;
      logger.error({ peer: peer.name, error }, 'a registration at a peer failed');
      this.#registered(entry, { kind: 'unreachable', retryAfterMs: 0 });
    }
  }

  #registered(entry: Entry, outcome: RegisterOutcome): void {
    const { random, logger, peer, onUnreachable } = this.#options;
    const { account } = entry.subject;
    switch (outcome.kind) {
      case 'granted': {
        entry.fault = undefined;
        const jitter = (random.bytes(1)[0] ?? 0) / 255;
        this.#step(entry, { kind: 'granted', expiresSeconds: outcome.expiresSeconds, jitter });
        return;
      }
      case 'refused':
        entry.fault = `${outcome.status} ${outcome.reason}`;
        logger.warn({ peer: peer.name, account, fault: entry.fault }, 'a peer refuses a registration');
        this.#step(entry, { kind: 'refused' });
        return;
      case 'unreachable':
        entry.fault = unreachableFault;
        this.#step(entry, { kind: 'unreachable', retryAfterMs: outcome.retryAfterMs });
        onUnreachable();
    }
  }

  #tell({ subject, fault }: Entry, event: 'registered' | 'refreshed' | 'failed' | 'ended'): void {
    const { records, peer } = this.#options;
    const { account, fingerprint } = subject;
    const facts = event === 'failed' && fault !== undefined ? { fault } : {};
    records.registration(peer, event, account, fingerprint, facts);
  }
}

const unreachableFault = 'unreachable';
