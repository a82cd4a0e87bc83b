import { TestAuthority } from '../../support/certificates.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { TestGateway, type TestGatewayOptions } from '../../support/test-gateway.ts';

/** Operators that find each other by DNS, each with a certificate for its own domain. */
export class Operators {
  readonly #authority: TestAuthority;
  readonly #dns: DnsServer;
  readonly #gateways: TestGateway[] = [];

  private constructor(dns: DnsServer) {
    this.#dns = dns;
    this.#authority = new TestAuthority();
  }

  static async open(): Promise<Operators> {
    return new Operators(await DnsServer.open());
  }

  /** A gateway of `domain`: the first one of each is where the domain is found. */
  async gateway(domain: string, options: TestGatewayOptions = {}): Promise<TestGateway> {
    const files = this.#authority.issue({ commonName: domain, altNames: [`DNS:${domain}`] });
    const gateway = await TestGateway.open({
      ...options,
      domain,
      set: [
        'listen=udp://127.0.0.1:0, tcp://127.0.0.1:0, ws://127.0.0.1:0, tls://127.0.0.1:0',
        `tls.cert=${files.cert}`,
        `tls.key=${files.key}`,
        `tls.ca=${this.#authority.ca}`,
        'federation.enabled=true',
        'federation.listen=https://127.0.0.1:0',
        `federation.ca=${this.#authority.ca}`,
        'federation.allow=127.0.0.1',
        'federation.freshMs=0',
        `dns.servers=${this.#dns.address}`,
        ...(options.set ?? []),
      ],
    });
    if (!this.#gateways.some((other) => other.domain === domain)) this.#announce(gateway);
    this.#gateways.push(gateway);
    return gateway;
  }

  async close(): Promise<void> {
    for (const gateway of this.#gateways) await gateway.close();
    await this.#dns.close();
    this.#authority.remove();
  }

  #announce(gateway: TestGateway): void {
    const { domain: target, federationPort } = gateway;
    const at = { priority: 1, weight: 1, target };
    this.#dns.a(target, '127.0.0.1');
    this.#dns.srv(`_sips._tcp.${target}`, { ...at, port: gateway.port('tls') });
    this.#dns.srv(`_tibet-sip._tcp.${target}`, { ...at, port: federationPort });
  }
}
