import { afterEach, describe, expect, it } from 'vitest';
import { headerValue } from '../../../src/sip/message/index.ts';
import { requestText, startLayer, type TestLayer, UdpClient } from './support.ts';

const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

async function setUp(limits = {}): Promise<{ gateway: TestLayer; phone: UdpClient; phonePort: number }> {
  const gateway = await startLayer({ listen: ['udp'], limits });
  const phone = new UdpClient();
  const phonePort = await phone.bind('127.0.0.1');
  opened.push(phone, gateway.layer);
  return { gateway, phone, phonePort };
}

describe('UDP', () => {
  it('notes received and rport in the top Via before handing a request up (RFC 3261 §18.2.1, RFC 3581 §4)', async () => {
    const { gateway, phone, phonePort } = await setUp();
    phone.socket.send(
      requestText({ via: 'SIP/2.0/UDP 10.1.2.3:5060;rport' }),
      gateway.port('udp'),
      '127.0.0.1',
    );
    const { message } = await gateway.user.requests.next();
    expect(message.via.received).toBe('127.0.0.1');
    expect(message.via.rport).toBe(phonePort);
    const via = headerValue(message, 'via');
    expect(via).toContain(`;rport=${phonePort}`);
    expect(await phone.nextText()).toContain(`Via: ${via}`);
  });

  it('notes the source in the first of several Vias alone, whatever was claimed (RFC 3581 §4)', async () => {
    const { gateway, phone, phonePort: port } = await setUp();
    const via =
      'SIP/2.0/UDP a.example;rport=1;received=192.0.2.1;branch=z9hG4bKa, SIP/2.0/UDP b.example;rport';
    phone.socket.send(requestText({ via }), gateway.port('udp'), '127.0.0.1');
    const answer = await phone.nextText();
    expect(answer).toMatch(
      new RegExp(`^Via: SIP/2.0/UDP a.example;rport=${port};received=127.0.0.1;branch=z9hG4bKa`, 'm'),
    );
    expect(answer).toMatch(/SIP\/2.0\/UDP b.example;rport;/);
    expect(answer).not.toContain('192.0.2.1');
  });

  it('adds no received where sent-by is the source and rport was not asked for (RFC 3261 §18.2.1)', async () => {
    const { gateway, phone, phonePort } = await setUp();
    phone.socket.send(
      requestText({ via: `SIP/2.0/UDP 127.0.0.1:${phonePort}` }),
      gateway.port('udp'),
      '127.0.0.1',
    );
    const { message } = await gateway.user.requests.next();
    expect(message.via.received).toBeUndefined();
  });

  it('answers to the source of the packet whatever Via, received and maddr claim', async () => {
    const { gateway, phone } = await setUp();
    const via = 'SIP/2.0/UDP 192.0.2.1:9;received=192.0.2.66;maddr=192.0.2.77';
    phone.socket.send(requestText({ via }), gateway.port('udp'), '127.0.0.1');
    const answer = await phone.nextText();
    expect(answer).toMatch(/^SIP\/2.0 200 OK\r\n/);
    expect(answer).toContain('received=127.0.0.1');
    expect(answer).not.toContain('192.0.2.66');
  });

  it('hands responses up', async () => {
    const { gateway, phone } = await setUp();
    const response = requestText().replace('OPTIONS sip:gateway.example SIP/2.0', 'SIP/2.0 180 Ringing');
    phone.socket.send(response, gateway.port('udp'), '127.0.0.1');
    const { message, flow } = await gateway.user.responses.next();
    expect(message.status).toBe(180);
    expect(flow.transport).toBe('udp');
  });

  it('sends on a flow to the phone behind it', async () => {
    const { gateway, phone, phonePort } = await setUp();
    phone.socket.send(requestText(), gateway.port('udp'), '127.0.0.1');
    const { flow } = await gateway.user.requests.next();
    await phone.nextText();
    expect(flow).toMatchObject({ reliable: false, secure: false, open: true });
    expect(flow.remote).toEqual({ address: '127.0.0.1', port: phonePort });
    expect(flow.local).toEqual({ address: '127.0.0.1', port: gateway.port('udp') });
    expect(flow.send(Buffer.from('anything'))).toBe(true);
    expect(await phone.nextText()).toBe('anything');
  });

  it('finds a flow by its id after a restart on the same port (RFC 5626 §5.2)', async () => {
    const { gateway, phone } = await setUp();
    phone.socket.send(requestText(), gateway.port('udp'), '127.0.0.1');
    const { flow } = await gateway.user.requests.next();
    await phone.nextText();
    const port = gateway.port('udp');
    await gateway.layer.close();
    expect(flow.open).toBe(false);
    expect(flow.send(Buffer.from('too late'))).toBe(false);

    const again = await startLayer({ listen: [{ transport: 'udp', host: '127.0.0.1', port }] });
    opened.push(again.layer);
    const rebuilt = again.layer.flow(flow.id);
    expect(rebuilt?.id).toBe(flow.id);
    expect(rebuilt?.send(Buffer.from('still reachable'))).toBe(true);
    expect(await phone.nextText()).toBe('still reachable');
  });

  it('knows no flow of a listener that it does not have', async () => {
    const { gateway } = await setUp();
    const other = await startLayer({ listen: ['udp'] });
    opened.push(other.layer);
    const flow = await other.layer.connect({ transport: 'udp', address: '127.0.0.1', port: 5060 });
    expect(other.layer.flow(flow.id)).toBe(flow);
    expect(gateway.layer.flow(flow.id)).toBeUndefined();
  });

  it('remembers no more flows than maxUdpFlows', async () => {
    const { gateway } = await setUp({ maxUdpFlows: 10 });
    for (let port = 2000; port < 2100; port++) {
      await gateway.layer.connect({ transport: 'udp', address: '127.0.0.1', port });
    }
    expect(gateway.layer.stats().udpFlows).toBeLessThanOrEqual(10);
  });

  it('forgets the flows that were not used for longest', async () => {
    const { gateway } = await setUp({ maxUdpFlows: 10 });
    const target = { transport: 'udp', address: '127.0.0.1' } as const;
    const busy = await gateway.layer.connect({ ...target, port: 1 });
    for (let port = 2000; port < 2100; port++) {
      await gateway.layer.connect({ ...target, port });
      expect(await gateway.layer.connect({ ...target, port: 1 })).toBe(busy);
    }
    busy.close('test');
    expect(await gateway.layer.connect({ ...target, port: 1 })).not.toBe(busy);
  });

  it('refuses a message that no datagram holds', async () => {
    const { gateway } = await setUp();
    const flow = await gateway.layer.connect({ transport: 'udp', address: '127.0.0.1', port: 9 });
    expect(flow.send(Buffer.alloc(65_508))).toBe(false);
    expect(gateway.layer.stats().transports.udp.sendFailures).toBe(1);
  });

  it('answers 400 to a body shorter than Content-Length and ignores bytes behind it (RFC 3261 §18.3)', async () => {
    const { gateway, phone } = await setUp();
    phone.socket.send(requestText({ contentLength: '50', body: 'short' }), gateway.port('udp'), '127.0.0.1');
    expect(await phone.nextText()).toMatch(/^SIP\/2.0 400 Bad Request/);
    phone.socket.send(`${requestText({ body: 'abc' })}ignored`, gateway.port('udp'), '127.0.0.1');
    const { message } = await gateway.user.requests.next();
    expect(Buffer.from(message.body).toString()).toBe('abc');
    expect(gateway.layer.stats().transports.udp.parseErrors).toEqual({ truncated: 1 });
  });

  it('never answers a malformed ACK or response', async () => {
    const { gateway, phone } = await setUp();
    phone.socket.send(requestText({ method: 'ACK', cseq: 'x ACK' }), gateway.port('udp'), '127.0.0.1');
    phone.socket.send('SIP/2.0 200 OK\r\nnonsense\r\n\r\n', gateway.port('udp'), '127.0.0.1');
    phone.socket.send(requestText(), gateway.port('udp'), '127.0.0.1');
    expect(await phone.nextText()).toMatch(/^SIP\/2.0 200/);
  });

  it('stays silent on CRLF keepalives', async () => {
    const { gateway, phone } = await setUp();
    for (const keepalive of ['\r\n\r\n', '\r\n', '\0\0\0\0', '']) {
      phone.socket.send(keepalive, gateway.port('udp'), '127.0.0.1');
    }
    phone.socket.send(requestText(), gateway.port('udp'), '127.0.0.1');
    expect(await phone.nextText()).toMatch(/^SIP\/2.0 200/);
    expect(gateway.layer.stats().transports.udp).toMatchObject({
      keepalives: 4,
      messagesIn: 1,
      messagesOut: 1,
    });
  });

  it('answers a STUN Binding request on the SIP port with the mapped address (RFC 5626 §8)', async () => {
    const { gateway, phone, phonePort } = await setUp();
    const request = Buffer.from('000100002112a442b7e7a701bc34d686fa87dfae', 'hex');
    phone.socket.send(request, gateway.port('udp'), '127.0.0.1');
    const { data } = await phone.datagrams.next();
    expect(data.readUInt16BE(0)).toBe(0x0101);
    expect(data.subarray(4, 20)).toEqual(request.subarray(4, 20));
    expect(data.readUInt16BE(26) ^ 0x2112).toBe(phonePort);
    expect((data.readUInt32BE(28) ^ 0x2112a442) >>> 0).toBe(0x7f000001);
  });

  it('survives a user that throws, and counts it', async () => {
    const { gateway, phone } = await setUp();
    const { user } = gateway;
    const onRequest = user.onRequest.bind(user);
    let calls = 0;
    user.onRequest = (request, flow) => {
      calls++;
      if (calls === 1) throw new Error('a defect above');
      onRequest(request, flow);
    };
    phone.socket.send(requestText(), gateway.port('udp'), '127.0.0.1');
    phone.socket.send(requestText(), gateway.port('udp'), '127.0.0.1');
    expect(await phone.nextText()).toMatch(/^SIP\/2.0 200/);
    expect(gateway.layer.stats().transports.udp.userFailures).toBe(1);
  });

  it('works over IPv6', async () => {
    const gateway = await startLayer({ listen: [{ transport: 'udp', host: '::1', port: 0 }] });
    const phone = new UdpClient('udp6');
    opened.push(phone, gateway.layer);
    const phonePort = await phone.bind('::1');
    phone.socket.send(requestText({ via: 'SIP/2.0/UDP [2001:db8::1];rport' }), gateway.port('udp'), '::1');
    const { message, flow } = await gateway.user.requests.next();
    expect(message.via).toMatchObject({ received: '::1', rport: phonePort });
    expect(await phone.nextText()).toMatch(/^SIP\/2.0 200/);
    expect(gateway.layer.flow(flow.id)).toBe(flow);
  });
});
