import type { Command } from 'commander';
import { IdentityOverlay, localProver } from '../overlay/index.ts';
import { generateSigningKey } from '../tokens/index.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import type { Output } from './output.ts';
import type { Terminal } from './terminal.ts';

export function registerOverlayDemo(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'demo',
    summary: 'two sensors behind one public address, told apart by their keys; touches no data of yours',
    example: 'overlay demo',
  }).action(async (options: CommonOptions) => {
    const { output } = openContext(terminal, options);
    let events = 0;
    const overlay = new IdentityOverlay({
      node: 'demo',
      onEvent: () => {
        events++;
      },
    });
    try {
      await tellStory(overlay, output, () => events);
    } finally {
      await overlay.close();
    }
  });
}

async function tellStory(overlay: IdentityOverlay, output: Output, events: () => number): Promise<void> {
  const step = (what: string, result: string): void => {
    if (output.json) output.jsonLine({ step: what, result });
    else output.text(`${what.padEnd(58)}${result}`);
  };
  const place = { behindNat: true, capabilities: ['mqtt'] };
  const first = await overlay.register('sensor-01', { ip: '203.0.113.1', port: 44_321, ...place });
  const second = await overlay.register('sensor-02', { ip: '203.0.113.1', port: 44_322, ...place });
  step('sensor-01 and sensor-02 register from the same public address', '');
  step('  fingerprint of jis:sensor-01', first.identity.fingerprint);
  step('  fingerprint of jis:sensor-02', second.identity.fingerprint);

  const proof = await overlay.verify('jis:sensor-01');
  step(
    'jis:sensor-01 proves its key by a fresh challenge',
    proof.verified ? 'verified' : `refused: ${proof.fault}`,
  );
  step('  trust before and after', `${proof.trustScore.toFixed(2)}, ${(await trustOf(overlay)).toFixed(2)}`);

  overlay.attachProver(first.identity.fingerprint, localProver(generateSigningKey()));
  const forged = await overlay.verify('jis:sensor-01');
  overlay.detachProver(first.identity.fingerprint);
  step(
    'somebody at the same address answers with another key',
    forged.verified ? 'verified' : `refused: ${forged.fault}`,
  );

  step('jis:sensor-01 resolves to', (await overlay.resolve('jis:sensor-01')).endpoint ?? 'nothing');
  const moved = await overlay.signEndpoint('jis:sensor-01', { ip: '198.51.100.7', port: 61_000, ...place });
  await overlay.updateEndpoint(moved);
  step(
    'it moves to another network, and resolves to',
    (await overlay.resolve('jis:sensor-01')).endpoint ?? 'nothing',
  );
  const replayed = await overlay.updateEndpoint(moved).then(
    () => 'accepted',
    () => 'refused',
  );
  step('the same signed record a second time', replayed);

  const holders = await overlay.findByCapability('mqtt');
  step('who can do mqtt', holders.map(({ id }) => id).join(', '));
  step('every step left an event for the audit log', `${events()} events`);
}

async function trustOf(overlay: IdentityOverlay): Promise<number> {
  return (await overlay.lookup('jis:sensor-01'))?.trustScore ?? 0;
}
