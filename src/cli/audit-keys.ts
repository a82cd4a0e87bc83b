import type { Command } from 'commander';
import { silentLogger } from '../base/index.ts';
import { type Config, dataPaths } from '../config/index.ts';
import { rotateCheckpointKey } from '../gateway/index.ts';
import { DiskStorage, nodeRevocationEvent, nodeStartEvent, readSuccessions } from '../provenance/index.ts';
import { isFingerprint } from '../tokens/index.ts';
import { withLog } from './audit-access.ts';
import { askOfLog } from './audit-erase.ts';
import { addCommand, addGroup, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import type { Terminal } from './terminal.ts';

interface NodeRun {
  readonly node: string;
  readonly since: string;
  readonly software: string;
  readonly revoked: boolean;
}

/** The keys under which the log was made: the log's own, one after another, and one of each run of the gateway. */
export function registerAuditKeys(audit: Command, terminal: Terminal): void {
  const group = addGroup(audit, 'keys', 'the keys under which the log was made');
  addCommand(group, {
    usage: 'list',
    summary: "the log's keys with their hand-overs, and the node of each run",
    example: 'audit keys list',
  }).action(async (options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const loaded = config();
    const successions = await readSuccessions(new DiskStorage(dataPaths(loaded.dataDir).log));
    const nodes = await runsOf(loaded);
    const keys = successions.map(({ from, to, reason, size }) => ({ from, to, reason, size }));
    if (output.json) return output.document({ successions: keys, nodes }, []);
    for (const { from, to, reason, size } of keys)
      output.text(`${from}\n  ${reason} after ${size} records, followed by ${to}`);
    output.list(
      nodes,
      [
        { title: 'NODE', value: ({ node }) => node },
        { title: 'SINCE', value: ({ since }) => since },
        { title: 'SOFTWARE', value: ({ software }) => software },
        { title: '', value: ({ revoked }) => (revoked ? 'REVOKED' : '') },
      ],
      'no runs',
    );
  });

  addCommand(group, {
    usage: 'rotate',
    summary: 'make a new checkpoint key and hand the log over to it; stop the gateway before',
    example: 'audit keys rotate',
  })
    .option('--compromised', 'the old key is in other hands: its signature counts for no later checkpoint')
    .action(async (options: CommonOptions & { readonly compromised?: boolean }) => {
      const { output, config } = openContext(terminal, options);
      const reason = options.compromised === true ? 'compromised' : 'rotated';
      const { from, to } = await rotateCheckpointKey(config(), reason, silentLogger);
      output.document({ from, to, reason }, [
        ['old key', from],
        ['new key', to],
        ['tell auditors', 'verification with the old key goes on: it follows the hand-over in public/keys'],
      ]);
    });

  addCommand(group, {
    usage: 'revoke <node>',
    summary: "say that what a node's key signs from now on does not count",
    example: 'audit keys revoke k5dwq3zs6cxm…',
  })
    .option('--reason <text>', 'goes into the record, for everybody to read')
    .action(async (node: string, options: CommonOptions & { readonly reason?: string }) => {
      const { output, config } = openContext(terminal, options);
      const loaded = config();
      if (!isFingerprint(node)) throw new CliError('usage', `${node} is no node: see audit keys list`);
      if (!(await runsOf(loaded)).some((run) => run.node === node))
        throw new CliError('notFound', `the log knows no node ${node}`);
      const { reason } = options;
      await askOfLog(loaded, { revokeNode: node, ...(reason === undefined ? {} : { reason }) });
      output.document({ revoked: node }, [
        ['revoked', node],
        ['remember', 'a gateway that still runs under it must be restarted: each start makes a new key'],
      ]);
    });
}

async function runsOf(config: Config): Promise<readonly NodeRun[]> {
  return withLog(config, async (log) => {
    const revoked = new Set<unknown>();
    for await (const { erin } of log.query({ event: nodeRevocationEvent })) revoked.add(erin['node']);
    const runs: NodeRun[] = [];
    for await (const { node, timeMs, eromheen } of log.query({ event: nodeStartEvent }))
      runs.push({
        node,
        since: new Date(timeMs).toISOString(),
        software: typeof eromheen['softwareHash'] === 'string' ? eromheen['softwareHash'] : 'unknown',
        revoked: revoked.has(node),
      });
    return runs;
  });
}
