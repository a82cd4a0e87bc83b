/** RFC 3261 §17.1.1.1 and Table 4: the three base values from which all transaction timers derive. */
export interface TimerSettings {
  /** Round-trip estimate. */
  readonly t1Ms: number;
  /** Longest interval between retransmissions of non-INVITE requests and INVITE responses. */
  readonly t2Ms: number;
  /** Longest time that a message stays in the network. */
  readonly t4Ms: number;
}

export const defaultTimerSettings: TimerSettings = { t1Ms: 500, t2Ms: 4000, t4Ms: 5000 };

/**
 * The timers that RFC 3261 §17 and RFC 6026 §7 name; `cancelled` is the 64*T1 of RFC 3261 §9.1, which runs once the
 * callee has answered the CANCEL, and `unheard` the shorter time after which one that says nothing is given up.
 */
export type TimerName =
  | ('a' | 'b' | 'd' | 'e' | 'f' | 'g' | 'h' | 'i' | 'j' | 'k' | 'l' | 'm')
  | ('cancelled' | 'unheard');

/** RFC 3261 §17.1.1.2: Timer D is at least 32 s over unreliable transports, whatever T1 is. */
const shortestTimerDMs = 32_000;

/**
 * How long a timer runs before its first firing. 0 means that it fires at once (nothing can be retransmitted
 * over this transport); undefined means that it is not set at all (RFC 3261 Table 4).
 */
export function firstDelayMs(
  name: TimerName,
  reliable: boolean,
  settings: TimerSettings,
): number | undefined {
  switch (name) {
    case 'a':
    case 'e':
    case 'g':
      return reliable ? undefined : settings.t1Ms;
    case 'b':
    case 'f':
    case 'h':
    case 'l':
    case 'm':
    case 'cancelled':
      return 64 * settings.t1Ms;
    case 'unheard':
      // By then a CANCEL has gone out five times over UDP.
      return 16 * settings.t1Ms;
    case 'd':
      return reliable ? 0 : Math.max(shortestTimerDMs, 64 * settings.t1Ms);
    case 'i':
    case 'k':
      return reliable ? 0 : settings.t4Ms;
    case 'j':
      return reliable ? 0 : 64 * settings.t1Ms;
  }
}

/** The interval after `previousMs` of a retransmission timer: doubled; E and G stop growing at T2, A does not. */
export function nextRetransmissionMs(
  name: 'a' | 'e' | 'g',
  previousMs: number,
  settings: TimerSettings,
): number {
  return name === 'a' ? previousMs * 2 : Math.min(previousMs * 2, settings.t2Ms);
}
