import { readdirSync, readFileSync } from 'node:fs';
import { it } from 'vitest';
import { TestGateway } from '/work/main/test/support/test-gateway.ts';
import { RawTcp, RawUdp } from '/work/main/test/edge/support/raw-wire.ts';
it('probe', { timeout: 100000 }, async () => {
  const gateway = await TestGateway.open();
  for (const dir of ['rfc4475', 'rfc5118'])
    for (const f of readdirSync(`/work/main/test/vectors/${dir}`).filter((n) => n.endsWith('.dat'))) {
      let bytes: Buffer = readFileSync(`/work/main/test/vectors/${dir}/${f}`);
      if (dir === 'rfc5118') {
        const text = bytes.toString('latin1');
        const complete = (text.includes('\n\n') ? text : `${text}\n`).replaceAll('\n', '\r\n');
        const n = complete.length - complete.indexOf('\r\n\r\n') - 4;
        bytes = Buffer.from(complete.replace(/Content-Length: \d+/, `Content-Length: ${n}`), 'latin1');
      }
      const udp = await RawUdp.open(gateway.port('udp'));
      udp.send(bytes);
      const tcp = await RawTcp.open(gateway.port('tcp'));
      tcp.send(bytes);
      await new Promise((r) => setTimeout(r, 60));
      const first = (t: string) => [...t.matchAll(/^SIP\/2\.0 .*$/gm)].map((m) => m[0].trim());
      const start = bytes.toString('latin1').split('\r\n')[0]?.slice(0, 60);
      console.log(f, '|', start, '| UDP', JSON.stringify(udp.received.flatMap(first)), '| TCP', JSON.stringify(first(tcp.said)), tcp.closed ? 'closed' : 'open');
      udp.close(); tcp.close();
    }
  await gateway.close();
});
