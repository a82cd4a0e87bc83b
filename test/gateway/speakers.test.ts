import { describe, expect, it } from 'vitest';
import { Speakers } from '../../src/gateway/speakers.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const network = new MemoryTransport();
const open = (transport: 'udp' | 'tcp') => network.connect(transport, () => {});

describe('who has proved itself on a flow', () => {
  it('is forgotten with the flow, and for the newest when too many speak on one', () => {
    const speakers = new Speakers({ maxPerFlow: 2, maxUdpFlows: 1 });
    const flow = open('tcp');
    for (const who of ['a', 'b', 'a', 'c']) speakers.add(flow, who, 1);
    expect(['a', 'b', 'c'].map((who) => speakers.assuranceOf(flow, who))).toEqual([1, undefined, 1]);
    speakers.forget(flow);
    expect(speakers.on(flow)).toBe(false);
  });

  it('is remembered for so many UDP flows, which never close, and for every connection', () => {
    const speakers = new Speakers({ maxPerFlow: 2, maxUdpFlows: 2 });
    const flows = [open('udp'), open('udp'), open('udp')];
    const connections = [open('tcp'), open('tcp'), open('tcp')];
    for (const flow of [...flows, ...connections]) speakers.add(flow, 'a', 1);
    expect(flows.map((flow) => speakers.on(flow))).toEqual([false, true, true]);
    expect(connections.every((flow) => speakers.on(flow))).toBe(true);
  });

  it('is silenced on every flow, alone there or among others', () => {
    const speakers = new Speakers({ maxPerFlow: 3, maxUdpFlows: 2 });
    const [alone, shared] = [open('tcp'), open('tcp')];
    speakers.add(alone, 'a', 1);
    for (const who of ['a', 'b']) speakers.add(shared, who, 2);
    expect([...speakers.all()]).toEqual(['a', 'a', 'b']);
    speakers.silence('a');
    expect([...speakers.all()]).toEqual(['b']);
    expect(speakers.assuranceOf(shared, 'b')).toBe(2);
    expect(speakers.assuranceOf(alone, 'a')).toBeUndefined();
  });
});
