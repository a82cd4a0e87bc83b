import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { MediaView, PeerView } from './admin-server.ts';

/** Numbers that are read when somebody looks, not counted on the call path. */
export interface LiveNumbers {
  readonly callsUp: number;
  readonly transactions: number;
  /** Of transactions and of what is built on them. */
  readonly timers: number;
  readonly flows: Readonly<Record<string, number>>;
  readonly auditHealthy: boolean;
  readonly auditRecords: number;
  readonly peers: readonly PeerView[];
  readonly media: MediaView | undefined;
}

/** What the gateway counts as it works, in Prometheus' form. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #calls: Counter<'outcome'>;
  readonly #registrations: Counter<'change'>;
  readonly #alarms: Counter<'kind'>;

  constructor(live: () => LiveNumbers) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#calls = new Counter({
      name: 'tibet_sip_calls_total',
      help: 'Calls that ended, by outcome',
      labelNames: ['outcome'],
      registers,
    });
    this.#alarms = new Counter({
      name: 'tibet_sip_alarms_total',
      help: 'Calls refused by a barrier, by which one',
      labelNames: ['kind'],
      registers,
    });
    this.#registrations = new Counter({
      name: 'tibet_sip_registrations_total',
      help: 'Accepted registrations, by what changed',
      labelNames: ['change'],
      registers,
    });
    const gauge = (name: string, help: string, read: (numbers: LiveNumbers) => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read(live()));
        },
      });
    };
    gauge('tibet_sip_calls_up', 'Calls that ring or are answered', ({ callsUp }) => callsUp);
    gauge('tibet_sip_transactions', 'SIP transactions in memory', ({ transactions }) => transactions);
    gauge('tibet_sip_timers', 'SIP timers that run', ({ timers }) => timers);
    gauge('tibet_sip_audit_healthy', '1 while the audit log takes records', ({ auditHealthy }) =>
      Number(auditHealthy),
    );
    gauge('tibet_sip_audit_records', 'Records in the audit log', ({ auditRecords }) => auditRecords);
    new Gauge({
      name: 'tibet_sip_peer_up',
      help: '1 while a PBX or trunk answers, 0 while it does not; absent while that is unknown',
      labelNames: ['peer', 'role'],
      registers,
      collect() {
        this.reset();
        for (const { name: peer, role, state } of live().peers)
          if (state !== 'unknown') this.set({ peer, role }, Number(state === 'up'));
      },
    });
    new Gauge({
      name: 'tibet_sip_peer_registrations',
      help: 'Registrations that the gateway keeps at a PBX or trunk',
      labelNames: ['peer', 'state'],
      registers,
      collect() {
        for (const { name: peer, registrations } of live().peers)
          for (const [state, count] of Object.entries(registrations ?? {})) this.set({ peer, state }, count);
      },
    });
    const mediaGauge = (name: string, help: string, read: (media: MediaView) => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          const { media } = live();
          if (media === undefined) this.remove();
          else this.set(read(media));
        },
      });
    };
    mediaGauge('tibet_sip_media_up', '1 while media can be anchored', ({ up }) => Number(up));
    mediaGauge(
      'tibet_sip_media_sessions',
      'Branches of calls whose media is anchored',
      ({ sessions }) => sessions,
    );
    new Gauge({
      name: 'tibet_sip_flows',
      help: 'Open flows, by transport',
      labelNames: ['transport'],
      registers,
      collect() {
        for (const [transport, count] of Object.entries(live().flows)) this.set({ transport }, count);
      },
    });
  }

  /** Something that an operator should look into, such as a call to a barred number. */
  alarm(kind: string): void {
    this.#alarms.inc({ kind });
  }

  callEnded(outcome: string): void {
    this.#calls.inc({ outcome });
  }

  registrationAccepted(change: string): void {
    this.#registrations.inc({ change });
  }

  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
