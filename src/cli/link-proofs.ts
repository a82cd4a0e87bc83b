import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { decodeBase64Url, encodeBase64Url, epochSeconds, systemClock } from '../base/index.ts';
import { type LinkProof, proveLink, proveMemberLink, verifyLinkProof } from '../tokens/index.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { openIdentity, type PassphraseOptions, passphraseHelp, readPublicToken } from './identity-source.ts';
import { formatTime, type Output } from './output.ts';
import type { Terminal } from './terminal.ts';

interface ProveOptions extends CommonOptions, PassphraseOptions {
  readonly pseudonym: string;
  readonly parent?: string;
  readonly realm?: string;
  readonly members?: string;
  readonly auditor: string;
  readonly out?: string;
}

/** The owner's or the realm's side: whose pseudonym it is, told to one auditor. */
export function registerProveLink(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'prove-link',
    summary:
      'prove to an auditor whose pseudonym it is, as its parent or as the realm that knows its members',
    example:
      'identity prove-link --parent alice.json --pseudonym night-shift.json --auditor "case 17" --out night-shift.link',
  })
    .requiredOption('--pseudonym <file>', 'the pseudonym: its identity file or public token')
    .option('--parent <file>', "its parent's identity file")
    .option('--realm <file>', "or its realm's identity file")
    .option('--members <file>', "with --realm: the realm's members, who say which person it is")
    .requiredOption('--auditor <text>', 'for whom and what for; it stands in the proof')
    .option('--out <file>', 'file for the proof (else it is printed)')
    .option('--passphrase-file <file>', passphraseHelp)
    .action(async (options: ProveOptions) => {
      const { output } = openContext(terminal, options);
      const proof = await prove(terminal, options);
      const text = encodeBase64Url(proof.bytes);
      if (options.out !== undefined) writeFileSync(options.out, `${text}\n`, { flag: 'wx', mode: 0o600 });
      showProof(output, proof, { file: options.out, proof: text });
    });
}

/** The auditor's side. */
export function registerCheckLink(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'check-link <file>',
    summary: 'check a proof of whose pseudonym it is; works offline',
    example: 'audit check-link night-shift.link --auditor "case 17"',
  })
    .option('--auditor <text>', 'what the proof must have been made for')
    .option('--witness <file>', 'the parent or realm as the auditor knows it: its public token')
    .action((file: string, options: CommonOptions & { auditor?: string; witness?: string }) => {
      const { output } = openContext(terminal, options);
      const bytes = decodeBase64Url(readFileSync(file, 'utf8').trim());
      if (bytes === undefined) throw new CliError('usage', `${file} holds no proof`);
      const proof = verifyLinkProof(bytes);
      if (options.auditor !== undefined && options.auditor !== proof.auditor)
        throw new CliError('refused', `the proof was made for "${proof.auditor}"`);
      if (
        options.witness !== undefined &&
        readPublicToken(options.witness).fingerprint !== proof.witness.fingerprint
      )
        throw new CliError('refused', 'the proof is signed by another witness');
      showProof(output, proof, {});
      output.note(`its calls: tibet-sip audit list --identity ${proof.pseudonym.fingerprint}`);
    });
}

async function prove(terminal: Terminal, options: ProveOptions): Promise<LinkProof> {
  const { auditor } = options;
  const pseudonym = readPublicToken(options.pseudonym);
  const asked = { pseudonym, auditor, now: epochSeconds(systemClock) };
  if (options.parent !== undefined && options.realm === undefined) {
    const { key, token } = await openIdentity(terminal, options.parent, options);
    return proveLink({ ...asked, parent: { key, token, fingerprint: token.fingerprint } });
  }
  if (options.realm === undefined || options.members === undefined || options.parent !== undefined)
    throw new CliError('usage', 'name either --parent FILE, or --realm FILE with --members FILE');
  // Loaded late, with the HTTP server that is beside it.
  const { MemberBook } = await import('../admission/index.ts');
  const person = new MemberBook(options.members).find(pseudonym.fingerprint)?.person;
  if (person === undefined)
    throw new CliError(
      'notFound',
      `${options.members} does not say who ${pseudonym.subject} is`,
      'note it with: tibet-sip realm add --person',
    );
  return proveMemberLink({ ...asked, realm: await openIdentity(terminal, options.realm, options), person });
}

function showProof(
  output: Output,
  { by, pseudonym, witness, person, auditor, issuedAt }: LinkProof,
  more: { readonly file?: string | undefined; readonly proof?: string },
): void {
  const signed = formatTime(issuedAt);
  output.document(
    {
      pseudonym: pseudonym.fingerprint,
      name: pseudonym.subject,
      person,
      by,
      witness: witness.fingerprint,
      witnessName: witness.subject,
      auditor,
      signed,
      ...more,
    },
    [
      ['pseudonym', `${pseudonym.subject} (${pseudonym.fingerprint})`],
      ['belongs to', by === 'parent' ? `${witness.subject} (${person})` : person],
      [
        'says',
        by === 'parent' ? 'the identity itself' : `its realm ${witness.subject} (${witness.fingerprint})`,
      ],
      ['made for', auditor],
      ['signed', signed],
      ['file', more.file],
      ['proof', more.file === undefined ? more.proof : undefined],
    ],
  );
}
