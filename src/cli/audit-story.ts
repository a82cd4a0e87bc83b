import type { Command } from 'commander';
import type { AuditReader, StoredRecord } from '../provenance/index.ts';
import type { ToldRecord } from '../verify/index.ts';
import { mustGet, withLog } from './audit-access.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { printable } from './output.ts';
import type { Terminal } from './terminal.ts';

/** What happened, in sentences: the same ones that an auditor's verifier tells. */
export function registerAuditStory(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'story <id>',
    summary: 'tell a call (by its id, its SIP Call-ID or one of its records) or a record in plain sentences',
    example: 'audit story k5dwq3zs6cxm',
  }).action(async (id: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const { tellStory } = await import('../verify/index.ts');
    const records = await withLog(config(), (log) => storyOf(log, id));
    for (const line of tellStory(records.map(told)))
      if (output.json) output.jsonLine(line);
      else output.text(printable(`${line.time ?? 'at a time that was erased'}  ${line.text}`));
  });
}

async function storyOf(log: AuditReader, id: string): Promise<readonly StoredRecord[]> {
  const call = await callOf(log, id);
  if (call.length > 0) return call;
  const record = await mustGet(log, id);
  return record.call === undefined ? [record] : callOf(log, record.call.id);
}

async function callOf(log: AuditReader, id: string): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const record of log.query({ callId: id })) records.push(record);
  return records;
}

function told({ redacted, event, timeMs, erachter, signed, erin, parties }: StoredRecord): ToldRecord {
  return {
    event: redacted.includes('erin') ? undefined : event,
    time: redacted.includes('eromheen') ? undefined : new Date(timeMs).toISOString(),
    intent: redacted.includes('erachter') ? undefined : erachter,
    signed: signed !== undefined,
    erin,
    parties,
  };
}
