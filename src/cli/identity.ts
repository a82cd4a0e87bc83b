import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { encodeBase64Url } from '../base/index.ts';
import {
  type Attribute,
  createIdentityToken,
  generateSigningKey,
  type IdentityToken,
  type IdentityTokenOptions,
  renewIdentityToken,
  replaceIdentity,
  saveIdentity,
} from '../tokens/index.ts';
import { claimAsAttribute, registerAttest } from './attest.ts';
import { addCommand, addGroup, type CommonOptions, collect, openContext } from './command.ts';
import { attributeHelp, parseAttribute } from './identity-attributes.ts';
import { registerEnding } from './identity-ending.ts';
import {
  expiryAfter,
  fileArgument,
  fingerprintOf,
  openIdentity,
  type PassphraseOptions,
  parentFor,
  passphraseHelp,
  passphraseOf,
  positiveDays,
  readPublicToken,
  subjectOf,
} from './identity-source.ts';
import { showIdentity } from './identity-view.ts';
import { registerProveLink } from './link-proofs.ts';
import type { Terminal } from './terminal.ts';

interface NewOptions extends CommonOptions, PassphraseOptions {
  readonly name: string;
  readonly out: string;
  readonly days: number;
  readonly realm?: string;
  readonly attribute?: readonly string[];
}

interface FileOptions extends CommonOptions, PassphraseOptions {
  readonly identity?: string;
}

const defaultDays = 365;

export function registerIdentity(program: Command, terminal: Terminal): void {
  const group = addGroup(
    program,
    'identity',
    'make and look at identities: the keys that phones and people hold',
  );

  addNewOptions(
    addCommand(group, {
      usage: 'new',
      summary: 'make an identity: a key and its token, in one file of mode 0600',
      example: 'identity new --name jis:alice --out alice.json',
    }),
  ).action(async (options: NewOptions) => {
    await createIdentity(terminal, options);
  });

  addNewOptions(
    addCommand(group, {
      usage: 'pseudonym',
      summary: 'make an identity for somebody who has one already, which does not tell whose it is',
      example: 'identity pseudonym --parent alice.json --name jis:night-shift --out night-shift.json',
    }),
  )
    .requiredOption('--parent <file>', 'whose pseudonym it is; its passphrase is TIBET_SIP_PASSPHRASE')
    .option('--show-parent', 'let everybody see whose it is, with its approval; else only "prove-link" tells')
    .action(async (options: NewOptions & { readonly parent: string; readonly showParent?: boolean }) => {
      const { key, token } = await openIdentity(terminal, options.parent, {});
      const parent = { key, fingerprint: token.fingerprint };
      await createIdentity(
        terminal,
        options,
        options.showParent ? { issuer: parent } : { hiddenIssuer: parent },
      );
    });

  addCommand(group, {
    usage: 'show [file]',
    summary: 'print name, fingerprint and validity; needs no passphrase',
    example: 'identity show alice.json',
  })
    .option('--identity <file>', 'the file, as an option')
    .action((file: string | undefined, options: FileOptions) => {
      const token = readPublicToken(fileArgument(file, options.identity));
      showIdentity(openContext(terminal, options).output, token);
    });

  addCommand(group, {
    usage: 'renew [file]',
    summary: 'extend the validity in place; the fingerprint stays',
    example: 'identity renew alice.json --days 365',
  })
    .option('--identity <file>', 'the file, as an option')
    .option('--days <n>', 'days from now', positiveDays, defaultDays)
    .option('--parent <file>', 'the approving identity, for a pseudonym')
    .option('--attribute <name=value>', `${attributeHelp}; replaces all earlier ones`, collect)
    .option('--claim <file>', 'add a statement that a third party has signed (repeatable)', collect)
    .option('--passphrase-file <file>', passphraseHelp)
    .action(async (argument: string | undefined, options: FileOptions & Partial<RenewOptions>) => {
      const file = fileArgument(argument, options.identity);
      const token = await renewFile(terminal, file, options);
      showIdentity(openContext(terminal, options).output, token, file);
    });

  addCommand(group, {
    usage: 'public <file>',
    summary: 'write the public token alone: what others may have',
    example: 'identity public acme.json --out acme.pub',
  })
    .option('--out <file>', 'file to write (else it is printed)')
    .action((file: string, options: CommonOptions & { readonly out?: string }) => {
      const { output } = openContext(terminal, options);
      const text = encodeBase64Url(readPublicToken(file).bytes);
      if (options.out === undefined) output.text(text);
      else {
        writeFileSync(options.out, `${text}\n`, { flag: 'wx' });
        output.note(`${options.out} may be given to anybody`);
      }
    });

  registerAttest(group, terminal);
  registerProveLink(group, terminal);
  registerEnding(group, terminal);
}

interface RenewOptions {
  readonly days: number;
  readonly parent: string;
  readonly attribute: readonly string[];
  readonly claim: readonly string[];
}

function addNewOptions(command: Command): Command {
  return command
    .requiredOption('--name <name>', 'what it is called: jis:alice, or any scheme:text')
    .requiredOption('--out <file>', 'file to write; never overwritten')
    .option('--days <n>', 'days of validity', positiveDays, defaultDays)
    .option('--realm <who>', 'realm that it belongs to: a fingerprint or an identity file')
    .option('--attribute <name=value>', attributeHelp, collect)
    .option('--passphrase-file <file>', passphraseHelp);
}

async function createIdentity(
  terminal: Terminal,
  options: NewOptions,
  parent: Pick<IdentityTokenOptions, 'issuer' | 'hiddenIssuer'> = {},
): Promise<void> {
  const { output } = openContext(terminal, options);
  const key = generateSigningKey();
  const { now, expires } = expiryAfter(options.days);
  const attributes = parseAttributes(options.attribute) ?? [];
  const token = createIdentityToken({
    key,
    subject: subjectOf(options.name),
    ...parent,
    ...(options.realm === undefined ? {} : { realm: fingerprintOf(options.realm) }),
    notBefore: now,
    expires,
    now,
    attributes,
  });
  await saveIdentity(options.out, { token, seed: key.seed, attributes }, passphraseOf(terminal, options));
  showIdentity(output, token, options.out);
}

async function renewFile(
  terminal: Terminal,
  file: string,
  options: FileOptions & Partial<RenewOptions>,
): Promise<IdentityToken> {
  const present = await openIdentity(terminal, file, options);
  // One that hides its parent needs nobody's leave.
  const parent = present.token.issuerHidden
    ? undefined
    : await parentFor(terminal, present.token, file, options.parent);
  const { now, expires } = expiryAfter(options.days ?? defaultDays);
  const claims = (options.claim ?? []).map((path) => claimAsAttribute(readFileSync(path, 'utf8')));
  const attributes = [
    ...(parseAttributes(options.attribute) ?? present.attributes).filter(
      ({ name }) => !claims.some((claim) => claim.name === name),
    ),
    ...claims,
  ];
  const token = renewIdentityToken(present.token, {
    key: present.key,
    ...(parent && { issuer: parent }),
    notBefore: now,
    expires,
    now,
    attributes,
  });
  const passphrase = present.encrypted ? passphraseOf(terminal, options) : undefined;
  const { succession } = present;
  await replaceIdentity(file, { token, seed: present.key.seed, attributes, succession }, passphrase);
  return token;
}

function parseAttributes(texts: readonly string[] | undefined): readonly Attribute[] | undefined {
  return texts?.map(parseAttribute);
}
