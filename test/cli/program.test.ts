import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { exitCodes, exitMeanings } from '../../src/cli/exit-codes.ts';
import { CliError, explain } from '../../src/cli/failure.ts';
import { formatTable, printable } from '../../src/cli/output.ts';
import { createProgram } from '../../src/cli/program.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { ConfigError } from '../../src/config/index.ts';
import { runCli } from './recorded-terminal.ts';

const silentTerminal: Terminal = {
  env: {},
  out: () => undefined,
  err: () => undefined,
  onSignal: () => () => undefined,
  onHangup: () => () => undefined,
};

/** Every command that does something, with the words that call it. */
function leafCommands(
  command: Command,
  words: readonly string[] = [],
): readonly (readonly [string, Command])[] {
  if (command.commands.length === 0) return [[words.join(' '), command]];
  return command.commands.flatMap((inner) => leafCommands(inner, [...words, inner.name()]));
}

describe('every command', () => {
  it.each(leafCommands(createProgram(silentTerminal)))(
    '%s has an example, --config, --data-dir and --json',
    async (words, command) => {
      const options = command.options.map((option) => option.long);
      expect(options).toEqual(expect.arrayContaining(['--config', '--set', '--data-dir', '--json']));
      const { code, out } = await runCli([...words.split(' '), '--help']);
      expect(code).toBe(exitCodes.ok);
      expect(out).toContain(`Example:\n  tibet-sip ${words}`);
    },
  );
});

describe('the command line', () => {
  it('lists commands and exit codes in its help', async () => {
    const { code, out } = await runCli(['--help']);
    expect(code).toBe(0);
    expect(out).toContain('serve');
    for (const meaning of Object.values(exitMeanings)) expect(out).toContain(meaning);
  });

  it('has a different exit code for each reason', () => {
    expect(new Set(Object.values(exitCodes)).size).toBe(Object.keys(exitCodes).length);
  });

  it.each([[['serv']], [['serve', '--colour']], [['serve', 'now']], [['identity', 'new']], [[]]])(
    'answers wrong usage %j with exit code 2',
    async (args) => {
      expect((await runCli(args)).code).toBe(exitCodes.usage);
    },
  );

  it('prints its version', async () => {
    expect((await runCli(['--version'])).out).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe('explaining failures', () => {
  const systemError = (code: string, more: object): Error =>
    Object.assign(new Error(`${code}: x`), { code, ...more });

  it.each([
    [
      new CliError('notFound', 'no such record', 'list them'),
      'notFound',
      'tibet-sip: no such record; list them',
    ],
    [
      systemError('EADDRINUSE', { address: '::1', port: 5060 }),
      'unavailable',
      'tibet-sip: [::1]:5060 is in use by another program; stop it, or configure another address',
    ],
    [systemError('EACCES', { path: '/etc/shadow' }), 'storage', 'tibet-sip: permission denied: /etc/shadow'],
    [systemError('ENOENT', { path: 'a.json' }), 'notFound', 'tibet-sip: no such file: a.json'],
    [systemError('ECONNREFUSED', {}), 'unavailable', 'tibet-sip: cannot connect: ECONNREFUSED: x'],
    [new Error('first line\nsecond line'), 'failure', 'tibet-sip: first line'],
    ['a text', 'failure', 'tibet-sip: a text'],
  ] as const)('%s', (error, reason, line) => {
    expect(explain(error)).toEqual({ reason, lines: [line] });
  });

  it('prints each problem of a configuration on its own line', () => {
    const error = new ConfigError([
      { path: 'domain', message: 'must be given', source: undefined },
      { path: 'peers[0].role', message: 'must be given', source: 'a.yaml' },
    ]);
    expect(explain(error)).toEqual({
      reason: 'config',
      lines: [
        'tibet-sip: config: domain: must be given',
        'tibet-sip: config: peers[0].role: must be given (from a.yaml)',
      ],
    });
  });
});

describe('tables', () => {
  it('align their columns without trailing spaces', () => {
    const columns = [
      { title: 'A', value: (row: readonly string[]) => row[0] ?? '' },
      { title: 'B', value: (row: readonly string[]) => row[1] ?? '' },
    ];
    expect(
      formatTable(
        [
          ['long cell', 'x'],
          ['y', ''],
        ],
        columns,
      ),
    ).toBe('A          B\nlong cell  x\ny');
  });

  it('show control characters from the network as a replacement, not to the terminal', () => {
    expect(printable('a\u001b[31mb\r\n\u009bc')).toBe('a\ufffd[31mb\ufffd\ufffd\ufffdc');
  });
});
