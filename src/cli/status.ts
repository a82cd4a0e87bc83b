import type { Command } from 'commander';
import type { MediaView, PeerView, StatusView } from '../admin/index.ts';
import { askAdmin } from './admin-client.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { formatTable } from './output.ts';
import type { Terminal } from './terminal.ts';

export function registerStatus(program: Command, terminal: Terminal): void {
  addCommand(program, {
    usage: 'status',
    summary: 'what the running gateway does: addresses, flows, calls, health of the audit log',
    example: 'status --admin http://127.0.0.1:8060',
  })
    .option('--admin <url>', 'admin address of the gateway (else from the configuration)')
    .action(async (options: CommonOptions & { readonly admin?: string }) => {
      if (options.admin !== undefined && !URL.canParse(options.admin))
        throw new CliError('usage', `--admin takes a URL like http://127.0.0.1:8060, not "${options.admin}"`);
      const { output, config } = openContext(terminal, options);
      const status = (await askAdmin(options.admin ?? config().admin.listen, '/status')) as StatusView;
      const flows = Object.entries(status.flows).map(([transport, count]) => `${count} ${transport}`);
      output.document(status, [
        ['domain', status.domain],
        ['software', `${status.software}, up since ${status.startedAt}`],
        ['node', status.node],
        ['addresses', status.addresses.join(' ')],
        ['flows', flows.join(', ') || 'none'],
        ['transactions', String(status.transactions)],
        [
          'audit log',
          status.audit.healthy
            ? `${status.audit.records} records, healthy`
            : 'TAKES NO RECORDS: new calls get 503',
        ],
        ...(status.media === undefined ? [] : [['media', mediaText(status.media)] as const]),
        ['calls up', String(status.callsUp)],
      ]);
      if (status.peers.length > 0)
        output.note(
          formatTable(status.peers, [
            { title: 'PEER', value: (peer) => peer.name },
            { title: 'ROLE', value: (peer) => peer.role },
            { title: 'STATE', value: (peer) => (peer.state === 'down' ? 'DOWN' : peer.state) },
            { title: 'SINCE', value: (peer) => peer.since },
            { title: 'TARGET', value: (peer) => peer.target },
            { title: 'REGISTRATIONS', value: registrationsText },
          ]),
        );
      if (status.calls.length > 0)
        output.note(
          formatTable(status.calls, [
            { title: 'CALLER', value: (call) => call.caller },
            { title: 'CALLEE', value: (call) => call.callee },
            { title: 'STATE', value: (call) => call.state },
            { title: 'SINCE', value: (call) => call.since },
            { title: 'INTENT', value: (call) => call.intent },
          ]),
        );
    });
}

function mediaText({ up, detail }: MediaView): string {
  return up ? detail : `DOWN: ${detail}`;
}

function registrationsText({ registrations }: PeerView): string {
  if (registrations === undefined) return '';
  const { registered, pending, refused } = registrations;
  return [
    `${registered} registered`,
    ...(pending > 0 ? [`${pending} pending`] : []),
    ...(refused > 0 ? [`${refused} REFUSED`] : []),
  ].join(', ');
}
