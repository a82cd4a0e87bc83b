import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { decodeBase64Url, encodeBase64Url } from '../base/index.ts';
import { type Attribute, claimAttribute, decodeClaim, issueClaim } from '../tokens/index.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import {
  expiryAfter,
  fingerprintOf,
  openIdentity,
  type PassphraseOptions,
  passphraseHelp,
  positiveDays,
} from './identity-source.ts';
import { formatTime } from './output.ts';
import type { Terminal } from './terminal.ts';

interface AttestOptions extends CommonOptions, PassphraseOptions {
  readonly identity: string;
  readonly subject: string;
  readonly name: string;
  readonly value: string;
  readonly days: number;
  readonly out?: string;
}

export function registerAttest(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'attest',
    summary: 'sign a statement about another identity, which it can then show',
    example:
      'identity attest --identity notary.json --subject alice.json --name over18 --value true --out over18.claim',
  })
    .requiredOption('--identity <file>', 'who signs')
    .requiredOption('--subject <who>', 'whom it is about: a fingerprint or an identity file')
    .requiredOption('--name <name>', 'what is stated')
    .requiredOption('--value <value>', 'true, false, a number or text')
    .option('--days <n>', 'days of validity', positiveDays, 365)
    .option('--out <file>', 'file for the claim (else it is printed)')
    .option('--passphrase-file <file>', passphraseHelp)
    .action(async (options: AttestOptions) => {
      const { output } = openContext(terminal, options);
      const signer = await openIdentity(terminal, options.identity, options);
      const { now, expires } = expiryAfter(options.days);
      const claim = issueClaim({
        key: signer.key,
        issuer: signer.token.fingerprint,
        subject: fingerprintOf(options.subject),
        name: options.name,
        value: claimValue(options.value),
        expires,
        now,
      });
      const text = encodeBase64Url(claim.bytes);
      if (options.out !== undefined) writeFileSync(options.out, `${text}\n`, { flag: 'wx' });
      const { issuer, subject, name, value } = claim;
      output.document(
        { issuer, subject, name, value, expires: formatTime(expires), claim: text, file: options.out },
        [
          ['issuer', issuer],
          ['subject', subject],
          ['claim', `${name} = ${String(value)}, until ${formatTime(expires)}`],
          ['file', options.out],
          ['text', options.out === undefined ? text : undefined],
        ],
      );
      output.note('its subject shows it with: tibet-sip identity renew FILE --claim CLAIM');
    });
}

/** A claim as an attribute of its subject, shown wherever the identity is. */
export function claimAsAttribute(text: string): Attribute {
  const bytes = decodeBase64Url(text.trim());
  if (!bytes)
    throw new CliError(
      'usage',
      'the claim is not base64url text',
      'give the file that "identity attest" wrote',
    );
  return claimAttribute(decodeClaim(bytes), 'identity+message');
}

function claimValue(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}
