import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemRandom } from '../../../src/base/index.ts';
import {
  answerChallenge,
  digestHa1,
  digestResponse,
  mintDigestCredential,
} from '../../../src/sip/auth/index.ts';
import { appendHeaders, createResponse, headerField, headerValue } from '../../../src/sip/message/index.ts';
import { alice, DigestFixture, onTheWire, realm, request, udpFlow, wsFlow } from './digest-fixture.ts';

const wrong = { ...alice, password: 'guess' };
const nobody = { ...alice, username: 'nobody' };

test('RFC 3261 §22.1: without an answer there is a challenge, with the right one there is none', async () => {
  const fixture = new DigestFixture();
  expect(onTheWire(await fixture.verify(request()))).toEqual({
    status: 401,
    fields: ['WWW-Authenticate: Digest realm="example.org", nonce, algorithm=MD5, qop="auth"'],
  });
  expect(await fixture.verify(fixture.answered(request()))).toMatchObject({
    kind: 'accepted',
    username: 'alice',
    algorithm: 'MD5',
  });
});

test('RFC 3261 §22.3: a proxy asks with 407 and reads Proxy-Authorization', async () => {
  const { authenticator } = new DigestFixture();
  const invite = request({ method: 'INVITE', uri: 'sip:bob@example.org' });
  const headers = authenticator.challenge(invite, udpFlow, 'proxy');
  const response = createResponse(invite, 407, undefined, { headers });
  const answer = answerChallenge({ request: invite, response, credential: alice, random: systemRandom });
  expect(answer?.name).toBe('proxy-authorization');
  const again = appendHeaders(invite, answer ? [answer] : []);
  expect(await authenticator.verify(again, udpFlow, 'proxy')).toMatchObject({ kind: 'accepted' });
  expect(await authenticator.verify(again, udpFlow, 'www')).toMatchObject({ fault: 'missing', status: 401 });
});

test('RFC 8760 §2.4: phones that can choose get SHA-256 first, all others one MD5 challenge', async () => {
  const fixture = new DigestFixture();
  const linphone = request({ userAgent: 'Linphonec/5.1.65' });
  expect(onTheWire(await fixture.verify(linphone))).toEqual({
    status: 401,
    fields: [
      'WWW-Authenticate: Digest realm="example.org", nonce, algorithm=SHA-256, qop="auth"',
      'WWW-Authenticate: Digest realm="example.org", nonce, algorithm=MD5, qop="auth"',
    ],
  });
  expect(await fixture.verify(fixture.answered(linphone))).toMatchObject({
    kind: 'accepted',
    algorithm: 'SHA-256',
  });
});

test('RFC 8760 §2.4: as many challenges as are configured, in that order, and the answer to the first is taken', async () => {
  const fixture = new DigestFixture({ algorithms: { tls: ['SHA-512-256', 'SHA-256', 'MD5'] } });
  const tlsFlow = { ...wsFlow, transport: 'tls' } as const;
  expect(onTheWire(await fixture.verify(request(), tlsFlow))).toEqual({
    status: 401,
    fields: [
      'WWW-Authenticate: Digest realm="example.org", nonce, algorithm=SHA-512-256, qop="auth"',
      'WWW-Authenticate: Digest realm="example.org", nonce, algorithm=SHA-256, qop="auth"',
      'WWW-Authenticate: Digest realm="example.org", nonce, algorithm=MD5, qop="auth"',
    ],
  });
  const accepted = await fixture.verify(fixture.answered(request(), alice, tlsFlow), tlsFlow);
  expect(accepted).toMatchObject({ kind: 'accepted', algorithm: 'SHA-512-256' });
});

test('a password that was minted before SHA-512-256 was known is not right with it, and good with the others', async () => {
  const fixture = new DigestFixture({ algorithms: { udp: ['SHA-512-256'], ws: ['SHA-256'] } });
  const { ha1Sha512256: _, ...earlier } = fixture.store.credential;
  fixture.store.credential = earlier;
  expect(await fixture.verify(fixture.answered(request()))).toMatchObject({
    fault: 'wrong-response',
    status: 401,
  });
  expect(await fixture.verify(fixture.answered(request(), alice, wsFlow), wsFlow)).toMatchObject({
    kind: 'accepted',
  });
});

test('the algorithms are a matter of the transport, and one that was not offered is not accepted', async () => {
  const fixture = new DigestFixture({ algorithms: { udp: ['SHA-256'] } });
  expect(fixture.authenticator.challenge(request(), udpFlow, 'www')).toHaveLength(1);
  expect(await fixture.verify(fixture.answered(request()))).toMatchObject({ algorithm: 'SHA-256' });
  const md5 = fixture.answered(request(), alice, wsFlow);
  expect(await fixture.verify(md5, wsFlow)).toMatchObject({ algorithm: 'MD5' });
  expect(await fixture.verify(md5, udpFlow)).toMatchObject({ fault: 'algorithm-not-offered', status: 401 });
});

test('edge test 28: an unknown user and a bad password get the same bytes', async () => {
  const fixture = new DigestFixture();
  const badPassword = await fixture.verify(fixture.answered(request(), wrong));
  const unknownUser = await fixture.verify(fixture.answered(request(), nobody));
  expect(badPassword).toMatchObject({ fault: 'wrong-response' });
  expect(unknownUser).toMatchObject({ fault: 'unknown-user' });
  expect(onTheWire(unknownUser)).toEqual(onTheWire(badPassword));
  expect(fixture.store.asked).toEqual(['alice', 'nobody']);
});

test('edge test 29: after twenty failures the source is told to wait; the owner elsewhere is let in', async () => {
  const fixture = new DigestFixture();
  for (let i = 0; i < 20; i++) {
    expect(await fixture.verify(fixture.answered(request(), wrong))).toMatchObject({ status: 401 });
  }
  const throttled = await fixture.verify(fixture.answered(request(), alice));
  expect(onTheWire(throttled)).toEqual({ status: 503, fields: ['Retry-After: 60'] });
  const owner = fixture.answered(request(), alice, wsFlow);
  expect(await fixture.verify(owner, wsFlow)).toMatchObject({ kind: 'accepted' });
  fixture.clock.advance(60_000);
  expect(await fixture.verify(fixture.answered(request()))).toMatchObject({ kind: 'accepted' });
});

test('guesses that wait for a slow store together do not slip past the limit', async () => {
  const credential = mintDigestCredential(alice);
  const fixture = new DigestFixture({
    credentials: { find: () => new Promise((resolve) => setImmediate(resolve, credential)) },
  });
  const guesses = Array.from({ length: 50 }, () => fixture.answered(request(), wrong));
  const verdicts = await Promise.all(guesses.map((guess) => fixture.verify(guess)));
  const statuses = verdicts.map((verdict) => (verdict.kind === 'refused' ? verdict.status : 200));
  expect(statuses.filter((status) => status === 401)).toHaveLength(20);
  expect(statuses.filter((status) => status === 503)).toHaveLength(30);
});

test('a forged source can neither guess nor use up its victim’s attempts: its nonce is not that flow’s', async () => {
  const fixture = new DigestFixture();
  for (let i = 0; i < 30; i++) {
    const guess = fixture.answered(request(), wrong, wsFlow);
    expect(await fixture.verify(guess, udpFlow)).toMatchObject({ fault: 'foreign-nonce', status: 401 });
  }
  expect(fixture.store.asked).toEqual([]);
  expect(await fixture.verify(fixture.answered(request()))).toMatchObject({ kind: 'accepted' });
});

test('edge test 30: the same nonce count again is refused with stale=true', async () => {
  const fixture = new DigestFixture();
  const message = fixture.answered(request());
  await fixture.verify(message);
  const replay = await fixture.verify(message);
  expect(replay).toMatchObject({ fault: 'replayed', status: 401 });
  expect(JSON.stringify(onTheWire(replay))).toContain('stale=true');
});

test('RFC 7616 §3.3: an old nonce is refused with stale=true, and the next answer is accepted', async () => {
  const fixture = new DigestFixture();
  const message = fixture.answered(request());
  fixture.clock.advance(300_001);
  const verdict = await fixture.verify(message);
  expect(verdict).toMatchObject({ fault: 'stale-nonce', status: 401 });
  expect(JSON.stringify(onTheWire(verdict))).toContain('stale=true');
  expect(await fixture.verify(fixture.answered(request()))).toMatchObject({ kind: 'accepted' });
});

test.each([
  'Digest username="alice',
  'Digest username="alice", realm="example.org"',
  'Digest',
  'Digest realm="example.org", username="a", nonce="n", uri="sip:x", response="r", qop=auth, nc=1, cnonce="c"',
  'Digest realm="example.org", username="a", nonce="n", uri="sip:x", response="r", qop=auth, nc=0000000g, cnonce="c"',
  'Digest realm="example.org", username="a", nonce="n", uri="sip:x", response="r", qop=none, nc=00000001, cnonce="c"',
])('edge test 13: %s is answered with 400 or a challenge, never with more', async (value) => {
  const fixture = new DigestFixture();
  const verdict = await fixture.verify(appendHeaders(request(), [headerField('Authorization', value)]));
  expect(verdict.kind === 'refused' && [400, 401].includes(verdict.status)).toBe(true);
});

test('edge test 13: whatever stands in Authorization, the verdict is a refusal', async () => {
  const fixture = new DigestFixture();
  const pieces = [
    'Digest ',
    'realm="example.org"',
    'username="alice"',
    'nonce="n"',
    'uri="sip:x"',
    'nc=',
    '"',
    ',',
    '\\\\',
  ];
  const value = fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 8 })), {
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(value, async (parts) => {
      const field = { name: 'authorization', rawName: 'Authorization', value: parts.join('') };
      expect((await fixture.verify(appendHeaders(request(), [field]))).kind).toBe('refused');
    }),
  );
});

test('RFC 3261 §22.3: an answer for another realm is passed over', async () => {
  const fixture = new DigestFixture();
  const message = fixture.answered(request());
  const foreign = headerField('Authorization', 'Digest username="alice", realm="elsewhere", nonce="n"');
  const headers = [foreign, ...message.headers];
  expect(await fixture.verify({ ...message, headers })).toMatchObject({ kind: 'accepted' });
});

test('RFC 7616 §3.4.6: an answer that was made for one callee opens no call to another', async () => {
  const fixture = new DigestFixture();
  const message = fixture.answered(request({ method: 'INVITE', uri: 'sip:bob@example.org' }));
  const redirected = { ...message, uri: 'sip:premium@example.org' };
  expect(await fixture.verify(redirected)).toMatchObject({ fault: 'uri-mismatch', status: 400 });
  const decorated = { ...message, uri: 'sip:bob@example.org:5060;transport=udp' };
  expect(await fixture.verify(decorated)).toMatchObject({ kind: 'accepted' });
});

test('a digest URI that names only a server covers any request to it, as SIPp writes it', async () => {
  const fixture = new DigestFixture();
  const message = fixture.answered(request({ method: 'INVITE', uri: 'sip:127.0.0.1:5060' }));
  expect(await fixture.verify({ ...message, uri: 'sip:bob@example.org' })).toMatchObject({
    kind: 'accepted',
  });
});

test('RFC 2069: an answer without qop is accepted once for each nonce', async () => {
  const fixture = new DigestFixture();
  const challenge = fixture.authenticator.challenge(request(), udpFlow, 'www')[0]?.value ?? '';
  const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? '';
  const uri = 'sip:example.org';
  const ha1 = digestHa1('MD5', 'alice', realm, alice.password);
  const response = digestResponse({ algorithm: 'MD5', ha1, nonce, method: 'REGISTER', uri });
  const value = `Digest username="alice", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}"`;
  const message = appendHeaders(request(), [headerField('Authorization', value)]);
  expect(await fixture.verify(message)).toMatchObject({ kind: 'accepted' });
  expect(await fixture.verify(message)).toMatchObject({ fault: 'replayed' });
  const strict = new DigestFixture({ qop: ['auth-int'] });
  expect(await strict.verify(message)).toMatchObject({ fault: 'algorithm-not-offered', status: 401 });
});

test.each(['Bearer mF_9.B5f-4.1JqM', 'Basic Zm9vOmJhcg=='])(
  'RFC 3261 §22.1: who shows %s is challenged, like who shows nothing',
  async (value) => {
    const message = appendHeaders(request(), [headerField('Authorization', value)]);
    expect(await new DigestFixture().verify(message)).toMatchObject({ fault: 'missing', status: 401 });
  },
);

test('edge test 34: a peer that challenges us for another realm gets no answer', () => {
  const message = request();
  const headers = [
    headerField('WWW-Authenticate', 'Digest realm="attacker.example", nonce="n", qop="auth"'),
    headerField('WWW-Authenticate', 'Basic realm="example.org"'),
    headerField('WWW-Authenticate', 'Digest realm="example.org", nonce="n", algorithm=SHA3-256'),
    headerField('WWW-Authenticate', 'Digest realm="example.org'),
  ];
  const response = createResponse(message, 401, undefined, { headers });
  expect(answerChallenge({ request: message, response, credential: alice, random: systemRandom })).toBe(
    undefined,
  );
});

test('RFC 8760 §2.4: as a client we answer the first challenge that we understand, opaque included', () => {
  const message = request();
  const headers = [
    headerField('WWW-Authenticate', 'Digest realm="example.org", nonce="n1", algorithm=SHA3-256, qop="auth"'),
    headerField('WWW-Authenticate', 'Digest realm="example.org", nonce="n2", algorithm=SHA-256, opaque="o"'),
    headerField('WWW-Authenticate', 'Digest realm="example.org", nonce="n3", algorithm=MD5'),
  ];
  const response = createResponse(message, 401, undefined, { headers });
  const answer = answerChallenge({ request: message, response, credential: alice, random: systemRandom });
  const value = headerValue(appendHeaders(message, answer ? [answer] : []), 'authorization');
  expect(value).toContain('nonce="n2"');
  expect(value).toContain('algorithm=SHA-256');
  expect(value).toContain('opaque="o"');
  expect(value).not.toContain('qop');
});

test('RFC 7616 §3.4.3: where auth-int alone is offered, a changed body is refused', async () => {
  const fixture = new DigestFixture({ qop: ['auth-int'] });
  const message = request({ method: 'MESSAGE', uri: 'sip:bob@example.org', body: 'hello' });
  const [challenge] = fixture.authenticator.challenge(message, udpFlow, 'www');
  const nonce = /nonce="([^"]*)"/.exec(challenge?.value ?? '')?.[1] ?? '';
  const protection = { qop: 'auth-int', nc: '00000001', cnonce: 'c' } as const;
  const response = digestResponse({
    algorithm: 'MD5',
    ha1: digestHa1('MD5', 'alice', realm, alice.password),
    nonce,
    method: 'MESSAGE',
    uri: message.uri,
    protection,
    body: message.body,
  });
  const value = `Digest username="alice", realm="${realm}", nonce="${nonce}", uri="${message.uri}", response="${response}", qop=auth-int, nc=00000001, cnonce="c"`;
  const signed = appendHeaders(message, [headerField('Authorization', value)]);
  const changed = { ...signed, body: Buffer.from('hallo') };
  expect(await fixture.verify(changed)).toMatchObject({ fault: 'wrong-response' });
  expect(await fixture.verify(signed)).toMatchObject({ kind: 'accepted' });
});

test('RFC 7616 §3.4.3: as a client we protect the body where nothing less is offered', async () => {
  const strict = new DigestFixture({ qop: ['auth-int'] });
  const message = request({ method: 'MESSAGE', uri: 'sip:bob@example.org', body: 'hello' });
  const answered = strict.answered(message);
  expect(headerValue(answered, 'authorization')).toContain('auth-int');
  expect(await strict.verify({ ...answered, body: Buffer.from('hallo') })).toMatchObject({
    fault: 'wrong-response',
  });
  expect(await strict.verify(answered)).toMatchObject({ kind: 'accepted' });
  const lenient = new DigestFixture({ qop: ['auth', 'auth-int'] });
  const plain = lenient.answered(message);
  expect(headerValue(plain, 'authorization')).not.toContain('auth-int');
  expect(await lenient.verify(plain)).toMatchObject({ kind: 'accepted' });
});
