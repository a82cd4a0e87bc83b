// Many small phones in one namespace, each with an address of its own: the first argument is JSON as `CrowdOrder`.
// They register and say `registered NAME`; a line `FROM TO` on standard input makes one call another, which answers
// and names itself. Says `call FROM TO ANSWERED-BY STATUS` to the caller's end and `rung NAME FOR` to the callee's.
import { createInterface } from 'node:readline';
import { headerField, headerValue } from '../../../src/sip/index.ts';
import { SipAgent } from '../../support/sip-agent.ts';
import { callerDialog } from '../../support/sip-dialog.ts';

export interface CrowdOrder {
  readonly gateway: string;
  readonly port: number;
  readonly domain: string;
  readonly keepaliveMs: number;
  readonly members: readonly { readonly name: string; readonly password: string; readonly address: string }[];
}

const order: CrowdOrder = JSON.parse(process.argv[2] ?? '');
const { gateway, port, domain } = order;
const agents = new Map<string, SipAgent>();

async function answerCalls(agent: SipAgent): Promise<void> {
  for (;;) {
    const invite = await agent.incoming('INVITE');
    console.log(`rung ${agent.user} ${headerValue(invite, 'to')}`);
    agent.reply(invite, 200, [headerField('Server', agent.user)]);
    await agent.incoming('ACK');
    agent.reply(await agent.incoming('BYE'), 200);
  }
}

async function call(from: string, to: string): Promise<void> {
  const caller = agents.get(from);
  if (caller === undefined) throw new Error(`nobody here is ${from}`);
  const { request, response } = await caller.begin('INVITE', `sip:${to}@${domain}`);
  const final = response ?? (await caller.final(request));
  console.log(`call ${from} ${to} ${headerValue(final, 'server') ?? 'nobody'} ${final.status}`);
  if (final.status !== 200) return;
  const dialog = callerDialog(final);
  caller.inDialog(dialog, 'ACK');
  await caller.final(caller.inDialog(dialog, 'BYE'));
}

for (const { name, password, address } of order.members) {
  const agent = await SipAgent.open({
    user: name,
    password,
    domain,
    port,
    transport: 'udp',
    localPort: 5_060,
    addresses: { gateway, local: address },
  });
  agents.set(name, agent);
  const { status } = await agent.register();
  if (status !== 200) throw new Error(`${name} was not registered: ${status}`);
  console.log(`registered ${name}`);
  void answerCalls(agent);
  // RFC 5626 §4.4.1
  if (order.keepaliveMs > 0) setInterval(() => agent.sendText('\r\n\r\n'), order.keepaliveMs);
}
createInterface({ input: process.stdin }).on('line', (line) => {
  const [from = '', to = ''] = line.split(' ');
  void call(from, to);
});
