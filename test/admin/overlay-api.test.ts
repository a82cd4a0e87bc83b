import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OverlayApi } from '../../src/admin/index.ts';
import { signEndpointRecord } from '../../src/overlay/index.ts';
import { OverlayFixture } from '../overlay/overlay-fixture.ts';
import { sampleIdentity } from '../overlay/samples.ts';

let fixture: OverlayFixture;
let api: OverlayApi;
let base: string;
const secret = 'a long enough secret';

beforeEach(async () => {
  fixture = new OverlayFixture();
  api = new OverlayApi({ host: '127.0.0.1', port: 0, overlay: fixture.overlay, secret });
  base = `http://127.0.0.1:${await api.start()}`;
});
afterEach(async () => {
  await api.close();
  await fixture.dispose();
});

interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function ask(method: string, path: string, body?: object, bearer = secret): Promise<Reply> {
  const response = await fetch(base + path, {
    method,
    headers: { authorization: `Bearer ${bearer}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Reply['body'] };
}

/** The status of an answer to whoever asks for `host`; fetch itself sets that field. */
function statusFor(host: string, port: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', path: '/openapi.json', headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const place = { ip: '203.0.113.1', port: 44_321, behindNat: true, capabilities: ['mqtt'] };

describe('the overlay over HTTP', () => {
  it('seed 1, 3, 5, 8: a device without a key registers, proves itself, is resolved and found', async () => {
    const registered = await ask('POST', '/v1/devices', { name: 'sensor-01', ...place });
    expect(registered).toMatchObject({
      status: 201,
      body: { id: 'jis:sensor-01', endpoint: '203.0.113.1:44321' },
    });
    expect(await ask('POST', '/v1/verifications', { who: 'jis:sensor-01' })).toMatchObject({
      body: { verified: true, trustScore: 0.5 },
    });
    expect(await ask('GET', '/v1/endpoints/jis:sensor-01')).toMatchObject({
      body: { resolved: true, endpoint: '203.0.113.1:44321', behindNat: true },
    });
    const { body } = await ask('GET', '/v1/capabilities/mqtt');
    expect(body['holders']).toMatchObject([{ id: 'jis:sensor-01' }]);
    await ask('PUT', '/v1/devices/jis:sensor-01/endpoint', { ip: '198.51.100.7', port: 61_000 });
    expect((await ask('GET', '/v1/endpoints/jis:sensor-01')).body['endpoint']).toBe('198.51.100.7:61000');
    expect((await ask('GET', '/v1/endpoints/jis:nobody')).body).toMatchObject({ resolved: false });
  });

  it('seed 1, 6, 7: a device with its own key is asked to prove it, moves by signed records, and keeps its name', async () => {
    const device = sampleIdentity('jis:sensor-02');
    const { token, key } = device;
    let sequence = 0n;
    const record = (): string => {
      const issuedAt = Math.floor(fixture.clock.now() / 1_000);
      const claim = {
        fingerprint: token.fingerprint,
        sequence: ++sequence,
        issuedAt,
        expires: issuedAt + 600,
      };
      return base64(
        signEndpointRecord(key, { ...claim, address: place.ip, port: 5, behindNat: true, capabilities: [] }),
      );
    };
    const begin = (bytes = token.bytes): Promise<Reply> =>
      ask('POST', '/v1/registrations', { token: base64(bytes), ...place });
    const challenge = await begin();
    expect(challenge.status).toBe(202);
    const sign = (body: Reply['body'], by = key): string =>
      base64(by.sign(Buffer.from(String(body['message']), 'base64url')));
    const finish = { signature: sign(challenge.body), record: record() };
    const done = await ask('POST', `/v1/registrations/${challenge.body['nonce']}`, finish);
    expect(done).toMatchObject({
      status: 201,
      body: { id: 'jis:sensor-02', fingerprint: token.fingerprint },
    });
    // Neither the answer nor the record counts twice.
    expect((await ask('POST', `/v1/registrations/${challenge.body['nonce']}`, finish)).status).toBe(404);
    expect(await ask('PUT', '/v1/endpoints', { record: finish.record })).toMatchObject({
      status: 409,
      body: { error: 'record-replayed' },
    });
    expect((await ask('PUT', '/v1/endpoints', { record: record() })).status).toBe(200);

    const other = sampleIdentity('jis:sensor-02');
    const taken = await begin(other.token.bytes);
    const answer = { signature: sign(taken.body, other.key), record: record() };
    expect(await ask('POST', `/v1/registrations/${taken.body['nonce']}`, answer)).toMatchObject({
      status: 409,
      body: { error: 'name-taken' },
    });

    const question = await ask('POST', '/v1/challenges', { who: 'jis:sensor-02' });
    const proof = { signature: sign(question.body) };
    expect((await ask('POST', `/v1/challenges/${question.body['nonce']}`, proof)).body['verified']).toBe(
      true,
    );
    expect((await ask('POST', `/v1/challenges/${question.body['nonce']}`, proof)).status).toBe(404);
  });

  it('refuses in one form whatever is wrong with a request', async () => {
    expect(await ask('GET', '/v1/nope')).toMatchObject({ status: 404, body: { error: 'not-found' } });
    expect(await ask('POST', '/v1/devices', { name: 'a', ip: '203.0.113.1', port: 0 })).toEqual({
      status: 400,
      body: { error: 'bad-request', message: 'body/port must be >= 1' },
    });
  });

  it('describes exactly what it serves (OpenAPI 3.1), and serves nobody without the secret', async () => {
    const { body } = await ask('GET', '/openapi.json');
    const paths = body['paths'] as Readonly<Record<string, object>>;
    const described = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.length).toBeGreaterThanOrEqual(11);
    for (const operation of described) {
      const [method = '', path = ''] = operation.split(' ');
      const { status, body: answer } = await ask(
        method,
        path.replace(/\{\w+\}/, 'x'),
        method === 'GET' ? undefined : {},
      );
      // An operation that is there says what is wrong with an empty question; one that is not is "Not Found".
      expect([operation, status, answer['error']]).not.toEqual([operation, 404, 'Not Found']);
    }
    const served = [...api.served.matchAll(/\(([A-Z, ]+)\)/g)].flatMap(([, methods = '']) =>
      methods.split(', ').filter((method) => method !== 'HEAD'),
    );
    expect(served).toHaveLength(described.length + 1);
    expect((await ask('GET', '/v1/info', undefined, 'wrong')).status).toBe(401);
    expect((await ask('POST', '/v1/devices', { name: 'x', ip: 'nonsense', port: 1 })).status).toBe(403);
    expect((await ask('POST', '/v1/devices', { name: 'x', port: 'five' })).status).toBe(400);
  });

  it('without a secret is not for pages that a browser knows by another name (DNS rebinding)', async () => {
    const open = new OverlayApi({ host: '127.0.0.1', port: 0, overlay: fixture.overlay, secret: undefined });
    const port = String(await open.start());
    try {
      for (const host of ['attacker.example', `attacker.example:${port}`, 'localhost.attacker.example'])
        expect([host, await statusFor(host, port)]).toEqual([host, 421]);
      for (const host of [`localhost:${port}`, '127.0.0.1', `[::1]:${port}`])
        expect([host, await statusFor(host, port)]).toEqual([host, 200]);
    } finally {
      await open.close();
    }
    // Whoever shows the secret is no page.
    expect(await statusFor('gateway.example', new URL(base).port)).toBe(401);
  });
});
