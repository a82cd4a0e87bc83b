import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TestAuthority } from '../support/certificates.ts';
import { dataDirectory } from '../support/data-directory.ts';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import { TlsPhone } from '../support/tls-phone.ts';
import { until } from '../support/until.ts';

const data = dataDirectory();
let authority: TestAuthority;
let gateway: GatewayProcess | undefined;

beforeAll(() => {
  authority = new TestAuthority();
});

afterAll(() => {
  authority.remove();
  data.remove();
});

afterEach(async () => {
  await gateway?.kill();
  gateway = undefined;
});

describe('SIGHUP', () => {
  it('lets serve load renewed certificates and ends nothing, even when a file is wrong', async () => {
    const files = authority.issue({ commonName: 'first', altNames: ['DNS:sip.example'] });
    const running = await startGateway({
      dataDir: data.path,
      set: ['listen=tls://127.0.0.1:0', `tls={cert: ${files.cert}, key: ${files.key}, watchIntervalMs: 0}`],
    });
    gateway = running;
    const shown = async (): Promise<unknown> => {
      const port = running.port('tls');
      const phone = await TlsPhone.open({ port, domain: 'sip.example', ca: authority.ca });
      const { shown: name } = phone;
      phone.socket.destroy();
      return name;
    };
    expect(await shown()).toBe('first');
    const renewed = authority.issue({ commonName: 'renewed', altNames: ['DNS:sip.example'] });
    authority.replace(files, { cert: renewed.cert, key: files.key });
    process.kill(running.pid, 'SIGHUP');
    await until('the fault is logged', () => running.log().includes('certificates were not loaded again'));
    expect(await shown()).toBe('first');
    authority.replace(files, renewed);
    process.kill(running.pid, 'SIGHUP');
    await until('the renewed certificate is shown', async () => (await shown()) === 'renewed');
  });
});
