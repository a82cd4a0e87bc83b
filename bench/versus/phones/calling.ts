import { domain } from './registering.ts';
import {
  callIdOf,
  field,
  fieldValues,
  message,
  newBranch,
  newCallId,
  sessionDescription,
} from './sip-text.ts';
import type { Switchboard } from './switchboard.ts';
import type { Wire } from './wire.ts';

export interface CallOptions {
  readonly calls: number;
  /** So many begin in a second … */
  readonly rate?: number;
  /** … and at most so many are up at a time; with no rate the next one begins when one has ended. */
  readonly atOnce?: number;
  /** Who is called: `callee`, or one of so many, at random: `callee-17`. */
  readonly callee: { readonly prefix: string; readonly count?: number };
}

export interface CallResult {
  readonly calls: number;
  readonly failed: number;
  /** Statuses of the failed ones, with how often. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly retransmissions: number;
  readonly seconds: number;
  /** Milliseconds from INVITE sent by the caller to INVITE received by the callee. */
  readonly through: Shares;
  /** Milliseconds from INVITE sent to 200 received. */
  readonly setup: Shares;
}

export interface Shares {
  readonly p50: number;
  readonly p99: number;
}

const tickMs = 1;

/** Places calls from `wire` and waits for the end of the last: INVITE, 100, 180, 200, ACK, BYE, 200. */
export function placeCalls(board: Switchboard, wire: Wire, options: CallOptions): Promise<CallResult> {
  const { calls, rate = Number.POSITIVE_INFINITY, atOnce = Number.POSITIVE_INFINITY, callee } = options;
  const sentAt = new Map<string, number>();
  const [through, setup]: [number[], number[]] = [[], []];
  const statuses: Record<string, number> = {};
  const [began, retransmittedBefore] = [performance.now(), board.retransmissions];
  let [begun, ended, failed] = [0, 0, 0];
  board.onInvite = (callId) => {
    const sent = sentAt.get(callId);
    if (sent !== undefined) through.push(performance.now() - sent);
  };
  return new Promise((resolve) => {
    const end = (status: number): void => {
      if (status !== 200) {
        failed++;
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
      if (++ended === calls) finish();
      else if (options.rate === undefined) beginDue();
    };
    const begin = (): void => {
      begun++;
      const who = callee.count === undefined ? '' : `-${Math.floor(Math.random() * callee.count)}`;
      const to = `sip:${callee.prefix}${who}@${domain}`;
      const callId = newCallId();
      const dialog = { from: `<sip:caller@${domain}>;tag=${callId}`, callId, wire };
      const invite = request({ ...dialog, method: 'INVITE', uri: to, to: `<${to}>`, cseq: 1, routes: [] });
      const onFinal = (text: string, status: number): void => {
        const sent = sentAt.get(callId) ?? 0;
        sentAt.delete(callId);
        if (status !== 200) {
          if (status > 0) wire.send(acknowledgement(invite, text));
          end(status);
          return;
        }
        setup.push(performance.now() - sent);
        const within = {
          ...dialog,
          to: field(text, 'To'),
          uri: field(text, 'Contact').slice(1, -1),
          routes: fieldValues(text, 'Record-Route').toReversed(),
        };
        wire.send(request({ ...within, method: 'ACK', cseq: 1 }));
        const bye = request({ ...within, method: 'BYE', cseq: 2 });
        board.send({ text: bye, wire, onFinal: (_, last) => end(last) });
      };
      sentAt.set(callId, performance.now());
      board.send({ text: invite, wire, onFinal });
    };
    const beginDue = (): void => {
      const due = Math.min(calls, Math.floor(((performance.now() - began) / 1_000) * rate) + 1);
      while (begun < due && begun - ended < atOnce) begin();
    };
    const ticking = setInterval(beginDue, tickMs);
    const finish = (): void => {
      clearInterval(ticking);
      resolve({
        calls,
        failed,
        statuses,
        retransmissions: board.retransmissions - retransmittedBefore,
        seconds: (performance.now() - began) / 1_000,
        through: sharesOf(through),
        setup: sharesOf(setup),
      });
    };
  });
}

interface RequestOptions {
  readonly method: string;
  readonly uri: string;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: number;
  readonly routes: readonly string[];
  readonly wire: Wire;
}

function request(options: RequestOptions): string {
  const { method, uri, from, to, callId, cseq, routes, wire } = options;
  const invite = method === 'INVITE';
  return message(
    `${method} ${uri} SIP/2.0`,
    [
      `Via: SIP/2.0/UDP ${wire.address}:${wire.port};branch=${newBranch()};rport`,
      'Max-Forwards: 70',
      ...routes.map((route) => `Route: ${route}`),
      `From: ${from}`,
      `To: ${to}`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} ${method}`,
      ...(invite
        ? [`Contact: <sip:caller@${wire.address}:${wire.port};transport=udp>`, 'User-Agent: load']
        : []),
    ],
    invite ? sessionDescription(wire.address) : '',
  );
}

/** RFC 3261 §17.1.1.3: of a refusal, hop by hop. */
function acknowledgement(invite: string, refusal: string): string {
  return message(invite.slice(0, invite.indexOf('\r\n')).replace('INVITE', 'ACK'), [
    `Via: ${field(invite, 'Via')}`,
    'Max-Forwards: 70',
    `From: ${field(invite, 'From')}`,
    `To: ${field(refusal, 'To')}`,
    `Call-ID: ${callIdOf(invite)}`,
    'CSeq: 1 ACK',
  ]);
}

function sharesOf(times: number[]): Shares {
  times.sort((a, b) => a - b);
  const share = (part: number): number => times[Math.floor(times.length * part)] ?? Number.NaN;
  return { p50: share(0.5), p99: share(0.99) };
}
