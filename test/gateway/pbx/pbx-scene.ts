import { randomId, systemRandom } from '../../../src/base/index.ts';
import { createRequest, createVia, headerField, type SipRequest } from '../../../src/sip/index.ts';
import type { Dialog } from '../../support/sip-dialog.ts';
import { SipPeer } from '../../support/sip-peer.ts';
import { TestGateway, type TestGatewayOptions } from '../../support/test-gateway.ts';
import { until } from '../../support/until.ts';
import { Kamailio, type KamailioOptions } from './kamailio.ts';

/** Where the PBX is; phones come from 127.0.0.1, the PBX's own desk phone from 127.0.0.6. */
export const pbxHost = '127.0.0.5';
const deskHost = '127.0.0.6';

/** Probes fast enough for a test. */
export const fastProbe = 'probe: {intervalMs: 250, downIntervalMs: 100, timeoutMs: 250, failures: 2}';

/** A gateway in front of kamailio, and a phone of the PBX's own behind it. */
export class PbxScene {
  readonly gateway: TestGateway;
  readonly pbx: Kamailio;
  /** A user agent that only the PBX knows. */
  readonly desk: SipPeer;

  private constructor(gateway: TestGateway, pbx: Kamailio, desk: SipPeer) {
    this.gateway = gateway;
    this.pbx = pbx;
    this.desk = desk;
  }

  /** `peer` is what stands in the peer's entry beside its name, address and target. */
  static async open(
    peer: string,
    options: Omit<KamailioOptions, 'host'> &
      Pick<TestGatewayOptions, 'devices' | 'set'> & {
        readonly transport?: 'udp' | 'tcp';
      } = {},
  ): Promise<PbxScene> {
    const { transport = 'udp', devices = [], set = [], define = [], domain = 'pbx.test' } = options;
    const pbx = await Kamailio.open({ host: pbxHost, define, domain });
    const target = `${transport}://${pbxHost}:${pbx.port}`;
    const gateway = await TestGateway.open({
      devices,
      set: [
        `peers=[{name: pbx, match: [${pbxHost}], target: "${target}", role: pbx, domain: ${domain}, ${peer}}]`,
        ...set,
      ],
    }).catch(async (error: unknown) => {
      await pbx.close();
      throw error;
    });
    const desk = await SipPeer.open({ host: deskHost, transports: ['udp'] });
    return new PbxScene(gateway, pbx, desk);
  }

  /** The PBX's phone dials a user of the PBX. */
  dial(user: string): SipRequest {
    const { desk, pbx } = this;
    const request = createRequest({
      method: 'INVITE',
      uri: `sip:${user}@${pbx.domain}`,
      via: createVia({
        transport: 'udp',
        host: desk.host,
        port: desk.port,
        branch: randomId(systemRandom, 80),
      }),
      from: `"Front desk" <sip:desk@${pbx.domain}>;tag=${randomId(systemRandom, 40)}`,
      to: `<sip:${user}@${pbx.domain}>`,
      callId: randomId(systemRandom, 80),
      cseq: 1,
      headers: [
        headerField('Contact', desk.contact),
        headerField('P-Asserted-Identity', `"Front desk" <sip:desk@${pbx.domain}>`),
      ],
    });
    desk.sendUdp(request, pbx.port, pbx.host);
    return request;
  }

  /** A request of the PBX's phone within a dialog; it follows its route set by way of the PBX. */
  deskInDialog(dialog: Dialog, method: string): void {
    const { desk, pbx } = this;
    const request = createRequest({
      method,
      uri: dialog.target,
      via: createVia({
        transport: 'udp',
        host: desk.host,
        port: desk.port,
        branch: randomId(systemRandom, 80),
      }),
      from: dialog.local,
      to: dialog.remote,
      callId: dialog.callId,
      cseq: method === 'ACK' ? dialog.inviteCSeq : 2,
      headers: dialog.routes.map((route) => headerField('Route', route)),
    });
    desk.sendUdp(request, pbx.port, pbx.host);
  }

  /** How often each event of that kind is in the log by now. */
  async count(event: string): Promise<number> {
    return (await this.gateway.records()).filter((record) => record.event === event).length;
  }

  recorded(event: string, times = 1): Promise<void> {
    return until(`${times} records of ${event}`, async () => (await this.count(event)) >= times);
  }

  async close(): Promise<void> {
    await this.gateway.close();
    await this.desk.close();
    await this.pbx.close();
  }
}
