import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestGateway } from '../support/test-gateway.ts';

/** More than are taken out of the store at a time. */
const phones = 150;
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.open();
});
afterAll(() => gateway.close());

describe('many flows that end at once', () => {
  it('all leave the store, each with a record, before the gateway has stopped', async () => {
    const agents = await Promise.all(
      Array.from({ length: phones }, (_, at) => gateway.keyPhone(`phone-${at}`, 'tcp')),
    );
    const answers = await Promise.all(agents.map((agent) => agent.register()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    await Promise.all(agents.map((agent) => agent.close()));
    await gateway.stop();
    const lost = (await gateway.records()).filter(({ event }) => event.includes('deregistration'));
    expect(lost).toHaveLength(phones);
  });
});
