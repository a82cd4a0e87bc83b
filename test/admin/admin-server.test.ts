import { type RequestOptions, request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdminServer, type LiveNumbers, Metrics, type StatusView } from '../../src/admin/index.ts';

const calm: StatusView = {
  software: 'tibet-sip 1.2.3',
  domain: 'sip.test',
  node: 'f'.repeat(52),
  startedAt: '2026-01-31T12:00:00.000Z',
  addresses: ['udp://127.0.0.1:5060', 'ws://127.0.0.1:5080'],
  flows: { connections: 3, udp: 4 },
  transactions: 5,
  audit: { healthy: true, records: 6, checkpoint: 'sip.test/tibet-sip\n6\nroot\n' },
  peers: [
    {
      name: 'office-pbx',
      role: 'pbx',
      target: 'udp://10.0.0.5:5060',
      state: 'down',
      since: '2026-01-31T12:00:01.000Z',
      registrations: { registered: 7, pending: 2, refused: 1 },
    },
    {
      name: 'carrier',
      role: 'trunk',
      target: 'sip://carrier.example',
      state: 'unknown',
      since: '2026-01-31T12:00:00.000Z',
      registrations: undefined,
    },
  ],
  media: { up: true, sessions: 2, detail: '2 sessions, 100 pairs of ports' },
  calls: [
    {
      id: 'call-1',
      caller: 'jis:alice',
      callee: 'jis:bob',
      intent: 'callback, ticket 4711',
      state: 'answered',
      since: '2026-01-31T12:01:02.000Z',
    },
  ],
  callsTruncated: false,
  callsUp: 1,
};

let status: StatusView;
let numbers: LiveNumbers;
let metrics: Metrics;
let server: AdminServer;
let base: string;

beforeEach(async () => {
  status = calm;
  numbers = {
    callsUp: 1,
    transactions: 2,
    timers: 5,
    flows: { connections: 3, udp: 4 },
    auditHealthy: true,
    auditRecords: 6,
    peers: calm.peers,
    media: calm.media,
  };
  metrics = new Metrics(() => numbers);
  server = new AdminServer({ host: '127.0.0.1', port: 0, metrics, status: () => status });
  base = `http://127.0.0.1:${await server.start()}`;
});
afterEach(() => server.close());

async function get(path: string): Promise<{ status: number; type: string; body: string }> {
  const response = await fetch(base + path);
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    body: await response.text(),
  };
}

/** For what `fetch` does not let one say. */
function statusOf(options: RequestOptions): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(base, options, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

function unhealthy(): void {
  status = { ...calm, audit: { ...calm.audit, healthy: false } };
}

describe('the operator’s page', () => {
  it('shows the domain, the numbers and the calls', async () => {
    const { status: code, type, body } = await get('/');
    expect(code).toBe(200);
    expect(type).toBe('text/html; charset=utf-8');
    for (const words of [
      'sip.test',
      '<b>6</b> audit records',
      '<b>1</b> call<',
      'jis:alice',
      'callback, ticket 4711',
      '2026-01-31 12:01:02 UTC',
      'taking calls',
    ])
      expect(body).toContain(words);
  });

  it('shows which peers answer, and how their registrations stand', async () => {
    const { body } = await get('/');
    expect(body).toContain('<td>office-pbx</td><td><code>udp://10.0.0.5:5060</code></td>');
    expect(body).toContain(
      '<span class="bad">down</span></td><td>pbx</td><td>7 registered, 2 pending, 1 refused</td>',
    );
    const metricsText = (await get('/metrics')).body;
    expect(metricsText).toContain('tibet_sip_peer_up{peer="office-pbx",role="pbx"} 0\n');
    expect(metricsText).not.toContain('tibet_sip_peer_up{peer="carrier"');
    expect(metricsText).toContain('tibet_sip_peer_registrations{peer="office-pbx",state="pending"} 2\n');
  });

  it('shows how the media relay stands, and nothing of media where there is none', async () => {
    const { body } = await get('/');
    expect(body).toContain('<b>2</b> with media here');
    expect(body).toContain('<dt>media</dt><dd>2 sessions, 100 pairs of ports</dd>');
    expect((await get('/metrics')).body).toContain('tibet_sip_media_up 1\n');
    const down = { up: false, sessions: 0, detail: 'the relay is not running' };
    status = { ...calm, media: down };
    numbers = { ...numbers, media: down };
    expect((await get('/')).body).toContain('<dd class="bad">the relay is not running</dd>');
    expect((await get('/metrics')).body).toContain('tibet_sip_media_up 0\n');
    status = { ...calm, media: undefined };
    numbers = { ...numbers, media: undefined };
    expect((await get('/')).body).not.toContain('<dt>media');
    expect((await get('/metrics')).body).not.toContain('tibet_sip_media_up 0');
  });

  it('says so when nobody calls, when not all calls are shown, and when the audit log is in trouble', async () => {
    status = { ...calm, calls: [], callsUp: 0 };
    expect((await get('/')).body).toContain('Nobody is on the phone');
    status = { ...calm, callsTruncated: true, callsUp: 500 };
    expect((await get('/')).body).toContain('The first 1 of 500 calls');
    unhealthy();
    const { body } = await get('/');
    expect(body).toContain('refusing new calls');
    expect(body).toContain('new calls get 503');
  });

  it('keeps callers’ words from becoming markup', async () => {
    const hostile = `<script>alert("x")</script><img src=x onerror='y'>&amp;`;
    status = {
      ...calm,
      domain: hostile,
      software: hostile,
      node: hostile,
      addresses: [hostile],
      flows: { [hostile]: 1 },
      calls: calm.calls.map((call) => ({
        ...call,
        caller: hostile,
        callee: hostile,
        intent: hostile,
        since: hostile,
      })),
    };
    const { body } = await get('/');
    expect(body).not.toMatch(/<script|<img|onerror='/);
    expect(body).toContain('&#60;script&#62;alert(&#34;x&#34;)');
    expect(body).toContain('&#38;amp;');
  });

  it('forbids scripts, framing and caching in its headers', async () => {
    const { headers } = await fetch(base);
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });
});

describe('the admin addresses', () => {
  it('/status is the same as JSON', async () => {
    const { type, body } = await get('/status');
    expect(type).toMatch(/^application\/json/);
    expect(JSON.parse(body)).toEqual(calm);
  });

  it('/healthz is 200, and 503 while the audit log takes no records', async () => {
    expect(await get('/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
    unhealthy();
    const sick = await get('/healthz');
    expect(sick.status).toBe(503);
    expect(sick.body).toContain('audit log unavailable');
  });

  it('/metrics is Prometheus text whose counters and gauges move', async () => {
    const value = async (series: string): Promise<number> => {
      const line = (await get('/metrics')).body.split('\n').find((text) => text.startsWith(`${series} `));
      return Number(line?.split(' ').at(-1));
    };
    expect((await get('/metrics')).type).toMatch(/^text\/plain; version=0\.0\.4/);
    metrics.callEnded('answered');
    metrics.callEnded('answered');
    metrics.registrationAccepted('added');
    expect(await value('tibet_sip_calls_total{outcome="answered"}')).toBe(2);
    expect(await value('tibet_sip_registrations_total{change="added"}')).toBe(1);
    expect(await value('tibet_sip_calls_up')).toBe(1);
    expect(await value('tibet_sip_flows{transport="udp"}')).toBe(4);
    expect(await value('tibet_sip_audit_healthy')).toBe(1);
    numbers = { ...numbers, callsUp: 9, auditHealthy: false };
    expect(await value('tibet_sip_calls_up')).toBe(9);
    expect(await value('tibet_sip_audit_healthy')).toBe(0);
    expect(await value('process_cpu_seconds_total')).toBeGreaterThan(0);
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    'refuse %s without reading its body',
    async (method) => {
      for (const path of ['/', '/status', '/metrics', '/elsewhere']) {
        const response = await fetch(base + path, {
          method,
          ...(method === 'OPTIONS' ? {} : { body: '{"x":1}' }),
        });
        expect(response.status).toBe(405);
        expect(response.headers.get('allow')).toBe('GET, HEAD');
      }
    },
  );

  it('give 404 elsewhere, and HEAD the headers alone', async () => {
    expect((await get('/etc/passwd')).status).toBe(404);
    expect((await get('/..%2f..%2fetc/passwd')).status).toBe(404);
    const status = await statusOf({ method: 'HEAD' });
    expect(status).toBe(200);
  });

  it('on a loopback address are not for pages that a browser knows by another name (DNS rebinding)', async () => {
    for (const host of ['attacker.example', 'attacker.example:8060', 'localhost.attacker.example'])
      expect([host, await statusOf({ headers: { host } })]).toEqual([host, 421]);
    for (const host of ['localhost:8060', '127.0.0.1', '[::1]:8060', 'tibet.localhost'])
      expect([host, await statusOf({ headers: { host } })]).toEqual([host, 200]);
  });
});
