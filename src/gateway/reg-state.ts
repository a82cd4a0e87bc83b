import type { Clock } from '../base/index.ts';
import type { Binding, IdentityOverlay } from '../overlay/index.ts';
import { type ContactEvent, type ContactState, type Gruus, reginfoDocument } from '../sip/index.ts';

export interface RegStateOptions {
  readonly overlay: IdentityOverlay;
  readonly clock: Clock;
  readonly gruus: Gruus | undefined;
  readonly fingerprint: string;
  /** The identity's address as the watcher wrote it. */
  readonly aor: string;
}

/** What one watcher has been told of an identity's bindings, and so what the next document has to say. */
export class RegState {
  readonly #options: RegStateOptions;
  #version = 0;
  #shown: readonly Binding[] = [];

  constructor(options: RegStateOptions) {
    this.#options = options;
  }

  /** The whole state, and once what has ended since the last document; `unregistered` are ids that a REGISTER ended. */
  async document(unregistered: ReadonlySet<string>): Promise<Uint8Array> {
    const { overlay, fingerprint, aor, clock, gruus } = this.#options;
    const bindings = await overlay.bindings(fingerprint);
    const nowMs = clock.now();
    const ended = this.#shown
      .filter(({ id }) => !bindings.some((binding) => binding.id === id))
      .map((binding): ContactState => ({ binding, event: endOf(binding, unregistered, nowMs) }));
    const live = bindings.map((binding): ContactState => ({ binding, event: lastEventOf(binding) }));
    this.#shown = bindings;
    return reginfoDocument({
      aor,
      version: this.#version++,
      contacts: [...live, ...ended],
      nowMs,
      ...(gruus && { publicGruu: (instanceId: string) => gruus.publicUri(fingerprint, instanceId) }),
    });
  }
}

function lastEventOf({ refreshedAtMs, registeredAtMs }: Binding): ContactEvent {
  return refreshedAtMs === registeredAtMs ? 'registered' : 'refreshed';
}

/** RFC 3680 §5.2.3. What neither time nor its phone has ended, the loss of its flow has. */
function endOf({ id, expiresAtMs }: Binding, unregistered: ReadonlySet<string>, nowMs: number): ContactEvent {
  if (expiresAtMs <= nowMs) return 'expired';
  return unregistered.has(id) ? 'unregistered' : 'deactivated';
}
