import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { registerAudit } from './audit.ts';
import { registerDemo } from './demo.ts';
import { registerDevice } from './device.ts';
import { type ExitReason, exitCodes, exitMeanings } from './exit-codes.ts';
import { explain } from './failure.ts';
import { registerFederation } from './federation.ts';
import { registerIdentity } from './identity.ts';
import { registerOverlay } from './overlay.ts';
import { registerPhone } from './phone.ts';
import { registerRealm } from './realm.ts';
import { registerServe } from './serve.ts';
import { registerStatus } from './status.ts';
import type { Terminal } from './terminal.ts';

/** Runs one command line and tells its exit code; prints to the terminal, never throws. */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = createProgram(terminal);
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    const { reason, lines } = explain(error);
    for (const line of lines) terminal.err(line);
    return exitCodes[reason];
  }
}

export function createProgram(terminal: Terminal): Command {
  const program = new Command('tibet-sip')
    .description('SIP gateway that routes calls to cryptographic identities')
    .version(packageVersion(), '--version')
    .showHelpAfterError('(tibet-sip help shows what there is)')
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    })
    .exitOverride()
    .addHelpText('after', exitCodeHelp());
  registerServe(program, terminal);
  registerIdentity(program, terminal);
  registerDemo(program, terminal, runCommandLine);
  registerPhone(program, terminal);
  registerDevice(program, terminal);
  registerOverlay(program, terminal);
  registerFederation(program, terminal);
  registerAudit(program, terminal);
  registerRealm(program, terminal);
  registerStatus(program, terminal);
  return program;
}

function exitCodeHelp(): string {
  const lines = (Object.keys(exitCodes) as ExitReason[]).map(
    (reason) => `  ${String(exitCodes[reason]).padEnd(4)} ${exitMeanings[reason]}`,
  );
  return `\nExit codes:\n${lines.join('\n')}`;
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
