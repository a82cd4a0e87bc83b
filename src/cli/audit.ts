import type { Command } from 'commander';
import { registerAuditChecking } from './audit-check.ts';
import { registerAuditErasure } from './audit-erase.ts';
import { registerAuditExport } from './audit-export.ts';
import { registerAuditKeys } from './audit-keys.ts';
import { registerAuditProving } from './audit-prove.ts';
import { registerAuditReading } from './audit-read.ts';
import { registerAuditReceipts } from './audit-receipts.ts';
import { registerAuditStory } from './audit-story.ts';
import { addGroup } from './command.ts';
import { registerCheckLink } from './link-proofs.ts';
import type { Terminal } from './terminal.ts';
import { registerVerifyToken } from './verify-token.ts';

export function registerAudit(program: Command, terminal: Terminal): void {
  const group = addGroup(program, 'audit', 'the record of calls and identities: read it, check it, prove it');
  registerAuditReading(group, terminal);
  registerAuditExport(group, terminal);
  registerAuditStory(group, terminal);
  registerAuditProving(group, terminal);
  registerAuditChecking(group, terminal);
  registerAuditErasure(group, terminal);
  registerAuditReceipts(group, terminal);
  registerAuditKeys(group, terminal);
  registerVerifyToken(group, terminal);
  registerCheckLink(group, terminal);
}
