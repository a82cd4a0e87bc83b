import type { Command } from 'commander';
import { type Config, loadConfig } from '../config/index.ts';
import { Output } from './output.ts';
import type { Terminal } from './terminal.ts';

/** The options that every command takes. */
export interface CommonOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly set?: readonly string[];
  readonly json?: boolean;
}

/** What a running command works with. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly output: Output;
  /** Loads the configuration on demand: a command that needs none doesn't fail over a broken one. */
  config(): Config;
}

export interface CommandDefinition {
  /** As in `show <file>`. */
  readonly usage: string;
  readonly summary: string;
  /** Whole command line after `tibet-sip`. */
  readonly example: string;
}

/** Adds a command with the common options and an example under its help. */
export function addCommand(parent: Command, definition: CommandDefinition): Command {
  return parent
    .command(definition.usage)
    .description(definition.summary)
    .addHelpText('after', `\nExample:\n  tibet-sip ${definition.example}`)
    .option('--config <file>', 'YAML configuration (else TIBET_SIP_CONFIG, else the defaults)')
    .option('--set <path=value>', 'override one configuration key (repeatable)', collect)
    .option('--data-dir <dir>', "the gateway's data directory (as --set dataDir=DIR)")
    .option('--json', 'print JSON for programs');
}

/** A command that only holds others. */
export function addGroup(parent: Command, name: string, summary: string): Command {
  return parent.command(name).description(summary);
}

export function openContext(terminal: Terminal, options: CommonOptions): CommandContext {
  return {
    terminal,
    output: new Output(terminal, options.json ?? false),
    config: () =>
      loadConfig({
        file: options.config ?? terminal.env['TIBET_SIP_CONFIG'],
        env: terminal.env,
        overrides: [
          ...(options.set ?? []),
          ...(options.dataDir === undefined ? [] : [`dataDir=${JSON.stringify(options.dataDir)}`]),
        ],
      }),
  };
}

/** For options that may be given more than once. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value];
}
