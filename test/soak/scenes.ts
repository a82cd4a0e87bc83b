import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';
import { RawTcp, RawUdp } from '../edge/support/raw-wire.ts';
import { corpusOf } from '../fuzz/corpus.ts';
import { type Dice, mutated } from '../fuzz/mutation.ts';
import { lossyPath } from '../support/lossy-path.ts';
import type { GatewayProcess } from '../support/processes.ts';
import { SipAgent } from '../support/sip-agent.ts';
import { establish, exchange, ring } from '../support/sip-call.ts';
import { cancelOf } from '../support/sip-dialog.ts';
import type { TlsTrust, WireTransport } from '../support/sip-wire.ts';
import { domain, type StockPhone } from '../support/stock-phones.ts';

/** Two phones of one worker: no other worker registers or calls them. */
export interface Stage {
  readonly gateway: GatewayProcess;
  readonly trust: TlsTrust;
  readonly dice: Dice;
  readonly caller: StockPhone;
  readonly callee: StockPhone;
  /** The phones of the scene that is being played: closed after it, however it ends. */
  readonly phones: Set<SipAgent>;
  /** What is left behind open, until the load is over. */
  readonly leave: (close: () => void) => void;
}

/** One thing that happens to a gateway; throws when it answers otherwise than it should. */
export type Scene = (stage: Stage) => Promise<void>;

const connected = ['tcp', 'tls', 'ws', 'wss'] as const satisfies readonly WireTransport[];
const transports: readonly WireTransport[] = ['udp', ...connected];
/** Longer than a busy machine may leave this process waiting. */
const patienceMs = 20_000;
const liesAtOnce = 20;
const guessesAtOnce = 5;

function registered(stage: Stage, phone: StockPhone): Promise<SipAgent> {
  return registeredOver(stage, phone, oneOf(transports, stage.dice));
}

function oneOf<T>(choices: readonly T[], dice: Dice): T {
  const [chosen] = choices.slice(dice(choices.length));
  if (chosen === undefined) throw new Error('nothing to choose from');
  return chosen;
}

async function registeredOver(
  { gateway, phones, trust }: Stage,
  { user, password }: StockPhone,
  transport: WireTransport,
  port: number = gateway.port(transport),
): Promise<SipAgent> {
  const agent = await SipAgent.open({ user, password, domain, transport, port, trust, patienceMs });
  phones.add(agent);
  // What earlier scenes left of a phone on UDP would stay until it expires (RFC 3261 §10.2.2).
  await agent.register({ contact: '*', expires: 0 });
  const { status } = await agent.register();
  if (status !== 200) throw new Error(`REGISTER of ${user} over ${transport}: ${status}`);
  return agent;
}

/** Runs with both phones registered, which leave in an orderly way afterwards unless the scene has taken them. */
async function withBoth(
  stage: Stage,
  play: (caller: SipAgent, callee: SipAgent) => Promise<void>,
): Promise<void> {
  const [caller, callee] = [await registered(stage, stage.caller), await registered(stage, stage.callee)];
  await play(caller, callee);
  for (const agent of [caller, callee]) await agent.register({ expires: 0 });
}

const call: Scene = (stage) =>
  withBoth(stage, async (caller, callee) => {
    const { callerSide, calleeSide } = await establish(caller, callee);
    if (stage.dice(2) === 0) await exchange(caller, callee, callerSide, 'BYE');
    else await exchange(callee, caller, calleeSide, 'BYE');
  });

const givenUp: Scene = (stage) =>
  withBoth(stage, async (caller, callee) => {
    const { request, invite } = await ring(caller, callee);
    caller.send(cancelOf(request));
    callee.reply(await callee.incoming('CANCEL'), 200);
    callee.reply(invite, 487);
    await caller.final(request);
  });

const refused: Scene = (stage) =>
  withBoth(stage, async (caller, callee) => {
    const { request, invite } = await ring(caller, callee);
    callee.reply(invite, 486);
    await caller.final(request);
  });

/** The callee dies while it rings. The caller gives up, and does not wait 64 * T1 for the 487 (RFC 3261 §9.1). */
const diesRinging: Scene = async (stage) => {
  const [caller, callee] = [await registered(stage, stage.caller), await registered(stage, stage.callee)];
  const { request } = await ring(caller, callee);
  await callee.close();
  const cancel = cancelOf(request);
  caller.send(cancel);
  await caller.final(cancel);
};

/** The callee dies in mid-call, the caller hangs up and dies before it hears an answer. */
const diesTalking: Scene = async (stage) => {
  const [caller, callee] = [await registered(stage, stage.caller), await registered(stage, stage.callee)];
  const { callerSide } = await establish(caller, callee);
  await callee.close();
  caller.inDialog(callerSide, 'BYE');
  await caller.close();
};

/** Both die in mid-call: only the limit on a call's duration ends it. */
const bothDie: Scene = async (stage) => {
  const [caller, callee] = [await registered(stage, stage.caller), await registered(stage, stage.callee)];
  await establish(caller, callee);
  await Promise.all([caller.close(), callee.close()]);
};

/** The callee comes back from another address and transport in mid-call, and is hung up on there. */
const reconnects: Scene = async (stage) => {
  const caller = await registered(stage, stage.caller);
  const before = await registeredOver(stage, stage.callee, oneOf(connected, stage.dice));
  const { callerSide } = await establish(caller, before);
  await before.close();
  const after = await registeredOver(stage, stage.callee, oneOf(connected, stage.dice));
  await exchange(caller, after, callerSide, 'BYE');
  await after.register({ expires: 0 });
};

/** A phone whose network takes nothing any more, without a word; the gateway has to find out by itself. */
const stalls: Scene = async (stage) => {
  const transport = oneOf(connected, stage.dice);
  const path = await lossyPath(stage.gateway.port(transport));
  const phone = await registeredOver(stage, stage.callee, transport, path.port);
  path.goDead();
  stage.phones.delete(phone);
  stage.leave(() => {
    path.close();
    void phone.close().catch(() => {});
  });
};

/** The first bytes of what each port expects, in a message, a handshake or an upgrade. */
const beginnings = {
  tcp: ['I', 'INVITE sip:bob@localhost SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nCon'],
  tls: ['', '\x16\x03\x01\x02\x00\x01\x00'],
  ws: ['', 'GET / HTTP/1.1\r\nHost: local'],
  wss: ['', '\x16\x03\x01\x02\x00\x01\x00'],
} as const;

/** Begins, and then nothing. */
const trailsOff: Scene = async ({ gateway, dice, leave }) => {
  const transport = oneOf(connected, dice);
  const wire = await RawTcp.open(gateway.port(transport));
  wire.send(oneOf(beginnings[transport], dice));
  leave(() => wire.close());
};

/** Wrong passwords from somewhere, until the gateway listens to that address no longer. */
const guesses: Scene = async ({ gateway, dice, callee }) => {
  const host = `127.1.${dice(250)}.${dice(250) + 1}`;
  const wire = await RawUdp.open(gateway.port('udp'), host);
  try {
    for (let guess = 0; guess < guessesAtOnce; guess++)
      await wire.ask(guessAt(callee.user, `${wire.port}-${dice(1e9)}`));
  } finally {
    wire.close();
  }
};

/** Torture messages, torn further. */
const lies: Scene = async ({ gateway, trust, dice }) => {
  const corpus = corpusOf('message');
  const lie = (): Buffer => {
    const [one, other] = [corpus[dice(corpus.length)], corpus[dice(corpus.length)]];
    return Buffer.from(mutated(one?.bytes ?? Buffer.from('?'), other?.bytes ?? Buffer.from('?'), dice));
  };
  const udp = await RawUdp.open(gateway.port('udp'));
  for (let sent = 0; sent < liesAtOnce; sent++) udp.send(lie());
  const streams = await Promise.all(connected.map((transport) => RawTcp.open(gateway.port(transport))));
  for (const stream of streams) stream.send(lie());
  const secure = connectTls({ port: gateway.port('tls'), host: '127.0.0.1', ...trust });
  secure.on('error', () => {});
  await once(secure, 'secureConnect');
  secure.write(lie());
  const scheme = oneOf(['ws', 'wss'] as const, dice);
  const socket = new WebSocket(`${scheme}://127.0.0.1:${gateway.port(scheme)}`, 'sip', trust);
  socket.on('error', () => {});
  await once(socket, 'open');
  socket.send(lie());
  const honest = await RawUdp.open(gateway.port('udp'));
  try {
    // Whoever is lied to must still listen to others: it has read all the lies before it answers this.
    await honest.ask(honestOptions(`${honest.port}-${dice(1e9)}`));
  } finally {
    for (const wire of [udp, ...streams, honest]) wire.close();
    secure.destroy();
    socket.terminate();
  }
};

function honestOptions(id: string): string {
  return strangersRequest('OPTIONS', `sip:${domain}`, id, []);
}

function guessAt(user: string, id: string): string {
  const credentials = `username="${user}", realm="${domain}", nonce="${id}", uri="sip:${domain}", response="${'0'.repeat(32)}"`;
  return strangersRequest('REGISTER', `sip:${user}@${domain}`, id, [`Authorization: Digest ${credentials}`]);
}

function strangersRequest(method: string, to: string, id: string, more: readonly string[]): string {
  return [
    `${method} sip:${domain} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK${id};rport`,
    'Max-Forwards: 1',
    `From: <sip:soak@${domain}>;tag=1`,
    `To: <${to}>`,
    `Call-ID: ${id}`,
    `CSeq: 1 ${method}`,
    ...more,
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
}

/** Each with how often it is played among all. */
export const scenes: Readonly<Record<string, { readonly play: Scene; readonly weight: number }>> = {
  call: { play: call, weight: 8 },
  'given up': { play: givenUp, weight: 3 },
  refused: { play: refused, weight: 3 },
  'dies ringing': { play: diesRinging, weight: 2 },
  'dies talking': { play: diesTalking, weight: 2 },
  'both die': { play: bothDie, weight: 1 },
  reconnects: { play: reconnects, weight: 2 },
  stalls: { play: stalls, weight: 1 },
  'trails off': { play: trailsOff, weight: 1 },
  lies: { play: lies, weight: 2 },
  guesses: { play: guesses, weight: 1 },
};
