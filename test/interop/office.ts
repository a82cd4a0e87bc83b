import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { TransportName } from '../../src/sip/index.ts';
import { TestAuthority } from '../support/certificates.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { TestGateway, testDomain } from '../support/test-gateway.ts';
import { Desk } from './desk.ts';
import { type Phone, type PhoneName, type PhoneOptions, phoneModels } from './phones/index.ts';

const password = 'swordfish';

/** A gateway that listens on every transport, and the phones of a few people. */
export class Office {
  readonly gateway: TestGateway;
  readonly #authority: TestAuthority;
  readonly #directory: ReturnType<typeof dataDirectory>;
  readonly #phones = new Set<Phone>();

  private constructor(gateway: TestGateway, authority: TestAuthority) {
    this.gateway = gateway;
    this.#authority = authority;
    this.#directory = dataDirectory();
  }

  /** `set` as on the command line. */
  static async open(users: readonly string[], set: readonly string[] = []): Promise<Office> {
    const authority = new TestAuthority();
    // For the WebSocket of this process, which has no other way to be told.
    setDefaultCACertificates([...getCACertificates('default'), readFileSync(authority.ca, 'utf8')]);
    const { cert, key } = authority.issue({
      commonName: 'gateway',
      altNames: [`DNS:${testDomain}`, 'DNS:localhost', 'IP:127.0.0.1'],
    });
    const listen = ['udp', 'tcp', 'tls', 'ws', 'wss'].map((transport) => `${transport}://127.0.0.1:0`);
    const gateway = await TestGateway.open({
      devices: users.map((name) => ({ name, password })),
      set: [`listen=${listen.join(', ')}`, `tls={cert: ${cert}, key: ${key}}`, ...set],
    });
    return new Office(gateway, authority);
  }

  /** What a person types into a phone. */
  options(transport: TransportName, user: string): PhoneOptions {
    return {
      user,
      password,
      domain: testDomain,
      transport,
      port: this.gateway.port(transport),
      ca: this.#authority.ca,
      directory: join(this.#directory.path, user),
    };
  }

  /** Starts a phone for a user, and resolves when it says that it is registered. */
  async phone(name: PhoneName, transport: TransportName, user: string): Promise<Phone> {
    const phone = await phoneModels[name].start(this.options(transport, user));
    this.#phones.add(phone);
    return phone;
  }

  /** A registered telephone on UDP that a test looks into. */
  async desk(user: string): Promise<Desk> {
    const agent = await this.gateway.stockPhone(user, 'udp');
    const { status } = await agent.register();
    if (status !== 200) throw new Error(`${user} is not registered: ${status}`);
    return new Desk(agent);
  }

  /** Ends a phone as its user does. */
  async leave(phone: Phone): Promise<void> {
    this.#phones.delete(phone);
    await phone.close();
  }

  async close(): Promise<void> {
    // Those of a test that has failed may not answer any more.
    await Promise.allSettled(Array.from(this.#phones, (phone) => this.leave(phone)));
    await this.gateway.close();
    this.#authority.remove();
    this.#directory.remove();
  }
}
