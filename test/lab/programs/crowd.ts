// Small phones in one namespace, each at an address of its own: the first argument is JSON as `CrowdOrder`. They
// register and say `registered NAME`; a line `FROM TO` on standard input makes one call another, which answers and
// says on which of its flows it was rung. What they say: `call FROM TO ANSWERED-BY STATUS MILLISECONDS` at the
// caller's end, `rung NAME FLOW` at the callee's.
import { createInterface } from 'node:readline';
import { headerField, headerValue } from '../../../src/sip/index.ts';
import { SipAgent } from '../../support/sip-agent.ts';
import { callerDialog } from '../../support/sip-dialog.ts';

/** One phone, or one of the flows of a phone (RFC 5626). */
export interface CrowdMember {
  readonly name: string;
  readonly password: string;
  readonly address: string;
  /** 0 sends none. */
  readonly keepaliveMs: number;
  readonly flow?: { readonly instance: string; readonly regId: number };
}

export interface CrowdOrder {
  readonly gateway: string;
  readonly port: number;
  readonly domain: string;
  readonly members: readonly CrowdMember[];
}

const order: CrowdOrder = JSON.parse(process.argv[2] ?? '');
const { gateway, port, domain } = order;
const agents = new Map<string, SipAgent>();

async function answerCalls(agent: SipAgent, flow: number): Promise<void> {
  for (;;) {
    const invite = await agent.incoming('INVITE');
    console.log(`rung ${agent.user} ${flow}`);
    agent.reply(invite, 200, [headerField('Server', agent.user)]);
    await agent.incoming('ACK');
    agent.reply(await agent.incoming('BYE'), 200);
  }
}

async function call(from: string, to: string): Promise<void> {
  const caller = agents.get(from);
  if (caller === undefined) throw new Error(`nobody here is ${from}`);
  const beganMs = performance.now();
  const { request, response } = await caller.begin('INVITE', `sip:${to}@${domain}`);
  const final = response ?? (await caller.final(request));
  const tookMs = Math.round(performance.now() - beganMs);
  const [answerer = 'nobody'] = headerValue(final, 'server')?.split(' ') ?? [];
  console.log(`call ${from} ${to} ${answerer} ${final.status} ${tookMs}`);
  if (final.status !== 200) return;
  const dialog = callerDialog(final);
  caller.inDialog(dialog, 'ACK');
  await caller.final(caller.inDialog(dialog, 'BYE'));
}

async function appear({ name, password, address, keepaliveMs, flow }: CrowdMember): Promise<void> {
  const agent = await SipAgent.open({
    user: name,
    password,
    domain,
    port,
    transport: 'udp',
    localPort: 5_060,
    // They stand there for as long as the lab does.
    patienceMs: 600_000,
    addresses: { gateway, local: address },
  });
  agents.set(name, agent);
  const named = `${agent.contact};+sip.instance="${flow?.instance}";reg-id=${flow?.regId}`;
  const { status } = await agent.register(
    flow === undefined ? {} : { contact: named, headers: [headerField('Supported', 'path, outbound')] },
  );
  if (status !== 200) throw new Error(`${name} was not registered: ${status}`);
  console.log(`registered ${name}`);
  void answerCalls(agent, flow?.regId ?? 1);
  // RFC 5626 §4.4.1
  if (keepaliveMs > 0) setInterval(() => agent.sendText('\r\n\r\n'), keepaliveMs);
}

// The newest flow of a phone is the one that registered last.
for (const regId of [1, 2])
  await Promise.all(order.members.filter(({ flow }) => (flow?.regId ?? 1) === regId).map(appear));
createInterface({ input: process.stdin }).on('line', (line) => {
  const [from = '', to = ''] = line.split(' ');
  void call(from, to);
});
