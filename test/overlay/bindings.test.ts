import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OverlayLocation, type RegisteredBinding } from '../../src/overlay/index.ts';
import type { LocationService } from '../../src/sip/index.ts';
import { OverlayFixture } from './overlay-fixture.ts';
import { sampleBinding, sampleIdentity, startMs } from './samples.ts';

let fixture: OverlayFixture;
let alice: string;
let bob: string;

async function enrol(name: string): Promise<string> {
  const result = await fixture.overlay.enrol(sampleIdentity(name).token);
  if (result.kind === 'refused') throw result.error;
  return result.identity.fingerprint;
}

beforeEach(async () => {
  fixture = new OverlayFixture();
  alice = await enrol('jis:alice');
  bob = await enrol('jis:bob');
  fixture.takeEvents();
});
afterEach(() => fixture.dispose());

function bind(fingerprint: string, changes: Partial<RegisteredBinding> = {}): Promise<void> {
  return fixture.overlay.saveBindings(fingerprint, [{ kind: 'added', binding: sampleBinding(changes) }]);
}

describe('bindings', () => {
  it('are there at once, with what the node adds', async () => {
    const { overlay } = fixture;
    const binding = sampleBinding();
    await overlay.saveBindings(alice, [{ kind: 'added', binding }], () => ({
      assurance: 3,
      capabilities: ['video'],
    }));
    expect(overlay.bindings(alice)).toEqual([
      { ...binding, node: 'node-1', assurance: 3, capabilities: ['video'], sequence: 1 },
    ]);
    expect(overlay.bindings(bob)).toEqual([]);
    expect((await overlay.findByCapability('video')).map(({ id }) => id)).toEqual(['jis:alice']);
    expect(await overlay.resolve('alice')).toMatchObject({ resolved: true, endpoint: '203.0.113.1:44321' });
  });

  it('survive a restart, and their sequence goes on, also when all had gone', async () => {
    await bind(alice);
    await bind(alice, { id: 'contact-2' });
    let overlay = await fixture.restart();
    expect(await overlay.bindings(alice)).toMatchObject([{ sequence: 2 }, { sequence: 1 }]);
    await overlay.updateBindings(alice, (current) => ({
      changes: current.map((binding) => ({ kind: 'removed', binding, cause: 'unregistered' })),
    }));
    expect(await overlay.bindings(alice)).toEqual([]);
    overlay = await fixture.restart();
    await bind(alice);
    expect(await overlay.bindings(alice)).toMatchObject([{ sequence: 3 }]);
  });

  it('end with their time, swept or not, and the sweep says so once', async () => {
    const { overlay, clock } = fixture;
    await bind(alice, { expiresAtMs: startMs + 1_000 });
    await bind(alice, { id: 'contact-2', expiresAtMs: startMs + 9_000 });
    clock.advance(1_000);
    expect(overlay.bindings(alice)).toMatchObject([{ id: 'contact-2' }]);
    expect(await overlay.sweep()).toMatchObject([{ fingerprint: alice, binding: { id: 'contact-1' } }]);
    expect(await overlay.sweep()).toEqual([]);
    expect(fixture.takeEvents()).toEqual(['deregistration done']);
  });

  it('are swept by the clock while the overlay runs, and no longer after it has closed', async () => {
    const { overlay, clock, events } = fixture;
    await bind(alice, { expiresAtMs: startMs + 1_000 });
    overlay.start();
    clock.advance(10_000);
    await expect.poll(() => events.map(({ facts }) => facts['cause'])).toEqual(['expired']);
    await fixture.restart();
    expect(clock.pendingTimers).toBe(0);
  });

  it('go with their flow, those of others on other flows stay (RFC 5626 §5.3)', async () => {
    const { overlay } = fixture;
    await bind(alice, { flowId: 'ws-1' });
    await bind(alice, { id: 'contact-2', flowId: 'ws-2' });
    await bind(bob, { flowId: 'ws-1' });
    const lost = await overlay.removeBindingsOfFlow('ws-1');
    expect(lost.map(({ fingerprint }) => fingerprint).toSorted()).toEqual([alice, bob].toSorted());
    expect(await overlay.bindings(alice)).toMatchObject([{ flowId: 'ws-2' }]);
    expect(await overlay.bindings(bob)).toEqual([]);
    expect(fixture.takeEvents()).toEqual(['deregistration done', 'deregistration done']);
    expect(await overlay.removeBindingsOfFlow('ws-1')).toEqual([]);
  });

  it('of connections that did not outlive the node are taken out after a start', async () => {
    await bind(alice, { flowId: 'udp-1', transport: 'udp' });
    await bind(alice, { id: 'contact-2', flowId: 'ws-1', transport: 'ws' });
    const overlay = await fixture.restart();
    await overlay.removeDeadFlows(({ transport }) => transport === 'udp');
    expect(await overlay.bindings(alice)).toMatchObject([{ flowId: 'udp-1' }]);
  });

  it('lose none of many registrations at the same moment', async () => {
    const { overlay } = fixture;
    await Promise.all(Array.from({ length: 10 }, (_, at) => bind(alice, { id: `contact-${at}` })));
    const bindings = await overlay.bindings(alice);
    expect(bindings).toHaveLength(10);
    expect(new Set(bindings.map(({ sequence }) => sequence)).size).toBe(10);
  });
});

describe('OverlayLocation', () => {
  it("is the registrar's location service (RFC 3261 §10)", async () => {
    const { overlay } = fixture;
    const annotated: string[] = [];
    const location: LocationService = new OverlayLocation({
      overlay,
      annotate: (fingerprint) => {
        annotated.push(fingerprint);
        return { assurance: 1, capabilities: [] };
      },
    });
    const binding = sampleBinding();
    const update = await location.update(alice, (current) => ({
      changes: [{ kind: 'added', binding }],
      seen: current.length,
    }));
    expect(update.seen).toBe(0);
    expect(await location.list(alice)).toMatchObject([{ id: 'contact-1', assurance: 1 }]);
    expect(annotated).toEqual([alice]);
    const removal = await location.update(alice, (current) => ({
      changes: current.map((gone) => ({ kind: 'removed', binding: gone, cause: 'unregistered' })),
      seen: current.length,
    }));
    expect(removal.seen).toBe(1);
    expect(await location.list(alice)).toEqual([]);
  });

  it('stores nothing when nothing was decided', async () => {
    const location = new OverlayLocation({ overlay: fixture.overlay });
    expect(await location.update(alice, () => ({ changes: [], refusal: 423 }))).toMatchObject({
      refusal: 423,
    });
    expect(await location.list(alice)).toEqual([]);
  });
});
