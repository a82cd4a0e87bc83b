import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headerField, headerValue, type SipRequest, type SipResponse } from '../../src/sip/index.ts';
import type { RequestOptions, SipAgent } from '../support/sip-agent.ts';
import { callerDialog } from '../support/sip-dialog.ts';
import { TestGateway } from '../support/test-gateway.ts';
import { until } from '../support/until.ts';

const password = 'pw';
const names = ['self', 'fetch', 'ends', 'watched', 'closing', 'reception', 'nosy', 'expires'];
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.open({
    devices: names.map((name) => ({ name, password })),
    set: [
      'registrar.watchers=jis:reception',
      'limits.regEvent.minNotifyIntervalMs=1',
      'limits.overlay.sweepIntervalMs=100',
    ],
  });
});
afterAll(() => gateway.close());

const eventHeader = headerField('Event', 'reg;id=7');

async function phone(user: string, transport: 'udp' | 'tcp' | 'ws' = 'tcp'): Promise<SipAgent> {
  const agent = await gateway.stockPhone(user, transport);
  expect((await agent.register()).status).toBe(200);
  return agent;
}

function subscribe(
  agent: SipAgent,
  user: string,
  options: RequestOptions & { expires?: number } = {},
): Promise<{ request: SipRequest; response: SipResponse }> {
  const { expires = 600, headers = [], ...others } = options;
  return agent.ask('SUBSCRIBE', `sip:${user}@${gateway.domain}`, {
    ...others,
    headers: [eventHeader, headerField('Expires', String(expires)), ...headers],
  });
}

/** The next NOTIFY, answered. */
async function notified(agent: SipAgent): Promise<{ request: SipRequest; document: string; state: string }> {
  const request = await agent.incoming('NOTIFY');
  agent.reply(request, 200);
  const document = Buffer.from(request.body).toString('utf8');
  return { request, document, state: headerValue(request, 'subscription-state') ?? '' };
}

describe('a phone that watches its own registrations (RFC 3680)', () => {
  it.each(['udp', 'tcp', 'ws'] as const)(
    'is told the full state at once, over its own flow (%s)',
    async (transport) => {
      const agent = await phone('self', transport);
      const { request, response } = await subscribe(agent, 'self');
      expect([response.status, headerValue(response, 'expires')]).toEqual([200, '600']);
      const first = await notified(agent);
      expect(headerValue(first.request, 'event')).toBe('reg;id=7');
      expect(headerValue(first.request, 'content-type')).toBe('application/reginfo+xml');
      expect(first.request.callId).toBe(request.callId);
      expect(first.request.to.tag).toBe(request.from.tag);
      expect(first.request.from.tag).toBe(response.to.tag);
      expect(first.state).toMatch(/^active;expires=(599|600)$/);
      expect(first.document).toContain('version="0" state="full"');
      expect(first.document).toContain(`<registration aor="sip:self@${gateway.domain}"`);
      expect(first.document).toContain('<uri>sip:self@192.0.2.99:9');
    },
  );

  it('is told each change: another phone comes, is refreshed and leaves', async () => {
    const agent = await phone('watched');
    await subscribe(agent, 'watched');
    await notified(agent);
    const other = await gateway.stockPhone('watched', 'udp');
    await other.register({ callId: 'other' });
    expect((await notified(agent)).document.match(/state="active" event="registered"/g)).toHaveLength(2);
    await other.register({ callId: 'other' });
    expect((await notified(agent)).document).toContain('event="refreshed"');
    await other.register({ callId: 'other', expires: 0 });
    const last = (await notified(agent)).document;
    expect(last).toContain('state="terminated" event="unregistered"');
    expect(last).toMatch(/version="3"/);
    const third = await gateway.stockPhone('watched', 'ws');
    await third.register();
    expect((await notified(agent)).document).not.toContain('terminated');
    await third.close();
    expect((await notified(agent)).document).toContain('state="terminated" event="deactivated"');
  });

  it('is told when a registration expires', async () => {
    const agent = await phone('expires');
    await subscribe(agent, 'expires', { expires: 7200 });
    await notified(agent);
    const brief = await gateway.stockPhone('expires', 'udp');
    await brief.register({ expires: 60 });
    await notified(agent);
    gateway.clock.shiftMs += 61_000;
    expect((await notified(agent)).document).toContain('state="terminated" event="expired"');
  });

  it('ends it with Expires: 0, and is told so (RFC 6665 §4.1.2.3)', async () => {
    const agent = await phone('ends');
    const { response } = await subscribe(agent, 'ends');
    await notified(agent);
    const bye = agent.inDialog(callerDialog(response), 'SUBSCRIBE', {
      headers: [eventHeader, headerField('Expires', '0')],
    });
    expect((await agent.final(bye)).status).toBe(200);
    expect((await notified(agent)).state).toBe('terminated;reason=timeout');
    const late = agent.inDialog(callerDialog(response), 'SUBSCRIBE', { headers: [eventHeader] });
    expect((await agent.final(late)).status).toBe(481);
  });

  it('refreshes it, from another flow too, and hears from then on there', async () => {
    const agent = await phone('ends');
    const { response } = await subscribe(agent, 'ends');
    await notified(agent);
    const moved = await phone('ends', 'ws');
    await notified(agent);
    const refresh = moved.inDialog(
      { ...callerDialog(response), local: response.headers.find(({ name }) => name === 'from')?.value ?? '' },
      'SUBSCRIBE',
      { cseq: 1_000, headers: [eventHeader, headerField('Expires', '300')] },
    );
    expect((await moved.final(refresh)).status).toBe(200);
    expect((await notified(moved)).state).toMatch(/^active;expires=(299|300)$/);
    await agent.close();
    expect((await notified(moved)).document).toContain('event="deactivated"');
    const stale = moved.inDialog(callerDialog(response), 'SUBSCRIBE', { cseq: 999, headers: [eventHeader] });
    expect((await moved.final(stale)).status).toBe(500);
  });

  it('asks once with Expires: 0', async () => {
    const agent = await phone('fetch');
    const { response } = await subscribe(agent, 'fetch', { expires: 0 });
    expect(response.status).toBe(200);
    const only = await notified(agent);
    expect(only.state).toBe('terminated;reason=timeout');
    expect(only.document).toContain('state="active"');
  });

  it('hears nothing more once it has answered a NOTIFY with 481', async () => {
    const agent = await phone('fetch');
    await subscribe(agent, 'fetch');
    agent.reply(await agent.incoming('NOTIFY'), 481);
    await (await gateway.stockPhone('fetch', 'udp')).register();
    const { response } = await subscribe(agent, 'fetch', { expires: 0 });
    const next = await notified(agent);
    expect(next.request.callId).toBe(response.callId);
  });

  it('may close its connection: nothing is left, and nothing is sent elsewhere', async () => {
    const agent = await phone('closing');
    await subscribe(agent, 'closing');
    await notified(agent);
    await agent.close();
    const again = await phone('closing', 'udp');
    await again.register();
    expect(again.inbox.unread.filter(({ kind }) => kind === 'request')).toEqual([]);
  });
});

describe('a watcher', () => {
  it('that is configured sees others, and leaves a record with both of them', async () => {
    const [reception] = await Promise.all([phone('reception', 'ws'), phone('self', 'udp')]);
    expect((await subscribe(reception, 'self')).response.status).toBe(200);
    expect((await notified(reception)).document).toContain('sip:self@');
    expect((await subscribe(reception, 'nobody-of-that-name')).response.status).toBe(404);
    const watches = (await gateway.records()).filter(({ erin }) => erin['event'] === 'registration.watch');
    expect(watches.map(({ erin }) => [erin['watcher'], erin['identity']])).toEqual([
      ['jis:reception', 'jis:self'],
    ]);
  });

  it('that is not gets the same 403 for those who exist and for those who do not', async () => {
    const nosy = await phone('nosy');
    for (const user of ['self', 'nobody-of-that-name']) {
      const { response } = await subscribe(nosy, user);
      expect([response.status, response.reason]).toEqual([403, 'Not A Watcher']);
    }
  });

  it('that may not, as the operator decides, is refused, and so is the refresh of one that might', async () => {
    let allowed = true;
    const house = await TestGateway.open({
      devices: [{ name: 'guest', password }],
      hooks: { authorise: ({ action }) => action !== 'subscribe' || allowed || { refused: 'No Watching' } },
    });
    const agent = await house.stockPhone('guest', 'tcp');
    await agent.register();
    const ask = (): Promise<{ response: SipResponse }> => subscribe(agent, 'guest', { to: agent.address });
    const { response } = await ask();
    await notified(agent);
    allowed = false;
    expect((await ask()).response).toMatchObject({ status: 403, reason: 'No Watching' });
    const refresh = agent.inDialog(callerDialog(response), 'SUBSCRIBE', { headers: [eventHeader] });
    expect(await agent.final(refresh)).toMatchObject({ status: 403, reason: 'No Watching' });
    await house.close();
  });

  it('that proves nothing is challenged', async () => {
    const stranger = await gateway.stranger('self', 'udp');
    expect((await subscribe(stranger, 'self')).response.status).toBe(407);
  });

  it.each([
    [423, { expires: 10 }],
    [406, { headers: [headerField('Accept', 'application/pidf+xml')] }],
    [400, { contact: '' }],
  ] as const)('is answered %i for what cannot be granted', async (status, options) => {
    const agent = await phone('self');
    expect((await subscribe(agent, 'self', options)).response.status).toBe(status);
  });
});

describe('the limits on subscriptions', () => {
  it.each(['maxSubscriptions', 'maxSubscriptionsPerIdentity'])('%s: one more gets 503', async (limit) => {
    const small = await TestGateway.open({
      devices: [{ name: 'eager', password }],
      set: [`limits.regEvent.${limit}=1`],
    });
    const agent = await small.stockPhone('eager', 'tcp');
    await agent.register();
    const ask = async (): Promise<SipResponse> =>
      (await subscribe(agent, 'eager', { to: `<${agent.address}>` })).response;
    expect((await ask()).status).toBe(200);
    const refused = await ask();
    expect([refused.status, headerValue(refused, 'retry-after')]).toEqual([503, '5']);
    agent.reply(await agent.incoming('NOTIFY'), 481);
    await until('there is room again', async () => (await ask()).status === 200);
    await small.close();
  });
});
