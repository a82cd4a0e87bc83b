import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { encodeBase64Url, encodeHex } from '../base/index.ts';
import {
  type Attribute,
  createIdentityToken,
  generateSigningKey,
  type IdentityToken,
  renewIdentityToken,
  replaceIdentity,
  saveIdentity,
  sipUserOf,
} from '../tokens/index.ts';
import { claimAsAttribute, registerAttest } from './attest.ts';
import { addCommand, addGroup, type CommonOptions, collect, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { attributeHelp, formatAttributes, parseAttribute, showValue } from './identity-attributes.ts';
import {
  describeValidity,
  expiryAfter,
  fileArgument,
  openIdentity,
  type PassphraseOptions,
  passphraseHelp,
  passphraseOf,
  positiveDays,
  readPublicToken,
  subjectOf,
} from './identity-source.ts';
import { formatTime, type Output } from './output.ts';
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
      summary: 'make an identity that a parent identity approves',
      example: 'identity pseudonym --parent alice.json --name jis:night-shift --out night-shift.json',
    }),
  )
    .requiredOption('--parent <file>', 'the identity that approves; its passphrase is TIBET_SIP_PASSPHRASE')
    .action(async (options: NewOptions & { readonly parent: string }) => {
      const parent = await openIdentity(terminal, options.parent, {});
      await createIdentity(terminal, options, { key: parent.key, fingerprint: parent.token.fingerprint });
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

  registerAttest(group, terminal);
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
    .option('--realm <fingerprint>', 'realm that it belongs to')
    .option('--attribute <name=value>', attributeHelp, collect)
    .option('--passphrase-file <file>', passphraseHelp);
}

async function createIdentity(
  terminal: Terminal,
  options: NewOptions,
  issuer?: { readonly key: Parameters<typeof createIdentityToken>[0]['key']; readonly fingerprint: string },
): Promise<void> {
  const { output } = openContext(terminal, options);
  const key = generateSigningKey();
  const { now, expires } = expiryAfter(options.days);
  const attributes = parseAttributes(options.attribute) ?? [];
  const token = createIdentityToken({
    key,
    subject: subjectOf(options.name),
    ...(issuer && { issuer }),
    ...(options.realm === undefined ? {} : { realm: options.realm }),
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
  const isPseudonym = present.token.issuerProof !== undefined;
  if (isPseudonym && options.parent === undefined)
    throw new CliError('usage', `${file} is a pseudonym`, 'name the approving identity with --parent FILE');
  const parent =
    isPseudonym && options.parent !== undefined
      ? await openIdentity(terminal, options.parent, {})
      : undefined;
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
    ...(parent && { issuer: { key: parent.key, fingerprint: parent.token.fingerprint } }),
    notBefore: now,
    expires,
    now,
    attributes,
  });
  const passphrase = present.encrypted ? passphraseOf(terminal, options) : undefined;
  await replaceIdentity(file, { token, seed: present.key.seed, attributes }, passphrase);
  return token;
}

function parseAttributes(texts: readonly string[] | undefined): readonly Attribute[] | undefined {
  return texts?.map(parseAttribute);
}

function showIdentity(output: Output, token: IdentityToken, file?: string): void {
  const validity = describeValidity(token);
  const pseudonymOf = token.issuerProof === undefined ? undefined : token.issuer;
  const value = {
    name: token.subject,
    fingerprint: token.fingerprint,
    extendedFingerprint: token.extendedFingerprint,
    validity,
    notBefore: formatTime(token.notBefore),
    expires: formatTime(token.expires),
    realm: token.realm,
    pseudonymOf,
    publicKey: encodeHex(token.publicKey),
    attributes: token.attributes.map(({ name, value: v, level }) => ({ name, value: showValue(v), level })),
    token: encodeBase64Url(token.bytes),
    file,
  };
  output.document(value, [
    ['name', token.subject],
    ['fingerprint', token.fingerprint],
    ['validity', `${validity}, ${formatTime(token.notBefore)} to ${formatTime(token.expires)}`],
    ['realm', token.realm],
    ['pseudonym of', pseudonymOf],
    ['attributes', formatAttributes(token.attributes)],
    ['public key', value.publicKey],
    ['SIP user', token.subject.startsWith('jis:') ? sipUserOf(token.subject) : token.fingerprint],
    ['file', file],
  ]);
}
