import type { Command } from 'commander';
import { epochSeconds, systemClock } from '../base/index.ts';
import { formatListenAddress } from '../config/index.ts';
import { checkValidity, type LoadedIdentity, loadIdentity } from '../tokens/index.ts';
import { addCommand, type CommonOptions, collect, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { attributeHelp, parseAttribute } from './identity-attributes.ts';
import { type PassphraseOptions, passphraseHelp, passphraseOf } from './identity-source.ts';
import { keys, PhoneSession } from './phone-session.ts';
import { ReceiptBook } from './receipt-book.ts';
import type { Terminal } from './terminal.ts';

interface PhoneOptions extends CommonOptions, PassphraseOptions {
  readonly identity: string;
  readonly gateway?: string;
  readonly domain?: string;
  readonly call?: string;
  readonly intent?: string;
  readonly answer?: boolean;
  readonly hangUpAfter?: string;
  readonly topic?: string;
  readonly nodeAttribute?: readonly string[];
  readonly receipts?: string;
}

export function registerPhone(program: Command, terminal: Terminal): void {
  addCommand(program, {
    usage: 'phone',
    summary: 'a softphone for the terminal (signalling only; it carries no sound yet)',
    example:
      'phone --identity alice.json --gateway ws://127.0.0.1:5080 --call jis:bob --intent "callback, ticket 4711"',
  })
    .requiredOption('--identity <file>', 'identity file made by "identity new"')
    .option(
      '--gateway <url>',
      'ws:// or wss:// address of the gateway (else the first one of the configuration)',
    )
    .option('--domain <domain>', 'SIP domain (else the host of --gateway)')
    .option(
      '--call <whom>',
      'call once registered, and end when that call ends: jis:bob, 1007, a fingerprint',
    )
    .option('--intent <text>', 'what the call is about; it is signed and recorded')
    .option('--answer', 'answer every call')
    .option(
      '--topic <text>',
      'calls are about this: the callee sees its hash; with --answer only such calls are taken',
    )
    .option(
      '--node-attribute <name=value>',
      `of this run, beside those of the identity: ${attributeHelp}`,
      collect,
    )
    .option('--receipts <file>', 'keep the receipts of the records about this identity there')
    .option('--passphrase-file <file>', passphraseHelp)
    .option('--hang-up-after <seconds>', 'end an answered call after this time')
    .action(async (options: PhoneOptions) => {
      const { output, config } = openContext(terminal, options);
      const hangUpAfterMs = hangUpAfter(options.hangUpAfter);
      const gateway = options.gateway ?? webSocketOf(config().listen.map(formatListenAddress));
      if (!/^wss?:\/\/[^/]/.test(gateway) || !URL.canParse(gateway))
        throw new CliError('usage', `--gateway ${gateway} is not a ws:// or wss:// address`);
      const identity = await loadIdentity(options.identity, passphraseOf(terminal, options));
      for (const warning of warningsOf(identity, options.identity)) terminal.err(`tibet-sip: ${warning}`);
      // Loaded late: SIP.js is large, and no other command needs it.
      const { Softphone } = await import('../softphone/index.ts');
      const session = new PhoneSession({ ...options, hangUpAfterMs }, output);
      const phone = new Softphone({
        token: identity.token,
        key: identity.key,
        gateway,
        attributes: identity.attributes,
        nodeAttributes: (options.nodeAttribute ?? []).map(parseAttribute),
        succession: identity.succession,
        ...(options.domain === undefined ? {} : { domain: options.domain }),
        ...(options.receipts === undefined
          ? {}
          : {
              receipts: new ReceiptBook(options.receipts, identity.token.fingerprint, (receipt) =>
                session.kept(receipt),
              ),
            }),
        onEvent: (event) => session.on(event),
      });
      output.note(`${identity.token.subject} at ${gateway} (${keys})`);
      await session.run(phone, terminal);
    });
}

function hangUpAfter(seconds: string | undefined): number | undefined {
  if (seconds === undefined) return undefined;
  if (!/^\d{1,6}(\.\d+)?$/.test(seconds))
    throw new CliError('usage', `--hang-up-after ${seconds} is not a number of seconds`);
  return Number(seconds) * 1000;
}

function warningsOf({ token, exposed }: LoadedIdentity, file: string): readonly string[] {
  const validity = checkValidity(token, epochSeconds(systemClock));
  return [
    ...(exposed ? [`other users of this machine can read the secret key in ${file}; chmod 600 it`] : []),
    ...(validity === 'valid'
      ? []
      : [`this identity is ${validity.replaceAll('-', ' ')}, by this machine's clock`]),
  ];
}

function webSocketOf(addresses: readonly string[]): string {
  const found = addresses.find((address) => address.startsWith('ws'));
  if (found !== undefined) return found;
  throw new CliError(
    'usage',
    'the configuration has no ws:// or wss:// listener',
    'name the gateway with --gateway',
  );
}
