import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from '../../src/base/index.ts';
import { startPhoneNode } from '../../src/softphone/index.ts';
import {
  type Attribute,
  decodeCrossSigning,
  decodeIdentityToken,
  decodeIntentToken,
  intentSubject,
  verifyCrossSigning,
} from '../../src/tokens/index.ts';
import { ProbedPhone } from '../softphone/probed-phone.ts';
import { person } from '../support/people.ts';
import { answerTo, withToken } from '../support/signed-register.ts';
import { TestGateway } from '../support/test-gateway.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.open();
});
afterAll(() => gateway.close());

const levels = [
  'identity',
  'intent',
  'message',
  'identity+message',
  'intent+message',
  'identity+intent',
] as const;
const nodeOf = (p: ReturnType<typeof person>, attributes: readonly Attribute[] = []) =>
  startPhoneNode(p, attributes, systemClock, systemRandom);
const phoneAt = (p: ReturnType<typeof person>, more: object = {}): Promise<ProbedPhone> =>
  ProbedPhone.register({ port: gateway.port('ws'), identity: p, ...more });

/** The nodes that registrations of an identity were recorded from. */
async function recordedNodes(name: string): Promise<unknown[]> {
  const records = await gateway.records();
  return records
    .filter(({ event, erin }) => event === 'registration.added' && erin['identity'] === name)
    .map(({ erin }) => erin['phoneNode']);
}

describe('node tokens of phones', () => {
  it('seed 24: one identity on two phones has two nodes, and a restarted phone a third; its fingerprint stays', async () => {
    const erin = person('jis:erin');
    const phones = [await phoneAt(erin), await phoneAt(erin)];
    await phones[0]?.close();
    phones[0] = await phoneAt(erin);
    const nodes = await recordedNodes('jis:erin');
    expect(nodes).toHaveLength(3);
    expect(new Set(nodes).size).toBe(3);
    await Promise.all(phones.map((phone) => phone.close()));
  });

  it('seed 25: the gateway believes a node only when identity and node have signed each other', async () => {
    const [frank, mallory] = [person('jis:frank'), person('jis:mallory')];
    const [own, foreign] = [nodeOf(frank), nodeOf(mallory)];
    const other = nodeOf(frank);
    const phone = await gateway.keyPhone('frank', 'ws', { identity: frank });
    const register = async (node: string, nodeProof?: typeof own.proof) =>
      answerTo(gateway, phone, withToken(phone, frank, { node, ...(nodeProof && { nodeProof }) }));
    // Another identity's node, one node's token with the other's signatures, a node that nobody has introduced.
    const swapped = { token: own.proof.token, crossSigning: other.proof.crossSigning };
    expect((await register(foreign.fingerprint, foreign.proof)).faults).toEqual(['node-other-identity']);
    expect((await register(own.fingerprint, swapped)).faults).toEqual(['node-other-node']);
    expect((await register(own.fingerprint)).faults).toEqual(['node-unknown']);
    expect((await register(own.fingerprint, own.proof)).response.status).toBe(200);
    // From now on the name of the node is enough.
    expect((await register(own.fingerprint)).response.status).toBe(200);
  });

  it("seed 25: the gateway's own node is new at each start, and tied to its identity both ways", async () => {
    const { readFile } = await import('node:fs/promises');
    const { dataPaths } = await import('../../src/config/index.ts');
    const read = async () => {
      const file: unknown = JSON.parse(await readFile(dataPaths(gateway.dataDir).nodeProof, 'utf8'));
      const { node, crossSigning } = file as { node: string; crossSigning: string };
      return {
        node: decodeIdentityToken(Buffer.from(node, 'base64url')),
        cross: decodeCrossSigning(Buffer.from(crossSigning, 'base64url')),
      };
    };
    const { node, cross } = await read();
    const now = Math.floor(Date.now() / 1000);
    expect(verifyCrossSigning(cross, node, await gateway.identity(), now)).toBe('valid');
  });
});

describe('whose key counts', () => {
  it('seed 14: a signature is checked with the registered key, whatever comes along', async () => {
    const [ivan, mallory] = [person('jis:ivan'), person('jis:mallory-2')];
    const phone = await gateway.keyPhone('ivan', 'ws', { identity: ivan });
    expect((await phone.register()).status).toBe(200);
    const posed = { token: ivan.token, key: mallory.key };
    const faultsWith = async (identityToken: Uint8Array) =>
      (await answerTo(gateway, phone, withToken(phone, posed, { identityToken }))).faults;
    expect(await faultsWith(ivan.token.bytes)).toEqual(['signature']);
    expect(await faultsWith(mallory.token.bytes)).toEqual(['kid']);
  });
});

describe('intent tokens of real calls', () => {
  const identityAttributes = levels.map((level) => ({ name: level, value: 'identity', level }));
  const nodeAttributes: Attribute[] = [
    { name: 'intent', value: 'node', level: 'intent' },
    { name: 'room', value: '2.14', level: 'intent' },
  ];

  it('seed 26, 32: reach the callee with node, topic and the attributes of identity and node, each where its level allows', async () => {
    const grace = person('jis:grace', { attributes: identityAttributes });
    const heidi = await phoneAt(person('jis:heidi'), { answers: true });
    const phone = await phoneAt(grace, { attributes: grace.attributes, nodeAttributes });
    const call = await phone.phone.call('jis:heidi', 'delivery', 'what:you:always:wanted');
    const { call: incoming } = await heidi.next('incoming');
    await phone.next('answered');
    const intent = decodeIntentToken(incoming.intentToken ?? '');
    expect(intent).toMatchObject({
      signer: grace.token.fingerprint,
      subject: intentSubject('what:you:always:wanted'),
      node: (await recordedNodes('jis:grace'))[0],
      identityToken: undefined,
      nodeProof: undefined,
    });
    expect(intent.expires).toBeLessThanOrEqual(grace.token.expires);
    const shown = Object.fromEntries(intent.attributes.map(({ name, value }) => [name, value]));
    expect(shown).toEqual({
      intent: 'identity',
      'intent+message': 'identity',
      'identity+intent': 'identity',
      room: '2.14',
    });
    expect(grace.token.attributes.map(({ name }) => name).sort()).toEqual([
      'identity',
      'identity+intent',
      'identity+message',
    ]);
    await call.hangUp();
    await Promise.all([phone.close(), heidi.close()]);
  });
});
