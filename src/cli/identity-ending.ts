import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { decodeBase64Url, encodeBase64Url, epochSeconds, systemClock } from '../base/index.ts';
import {
  type Attribute,
  claimAttributePrefix,
  createIdentityToken,
  createTombstone,
  decodeTombstone,
  encodeSuccession,
  generateSigningKey,
  saveIdentity,
  signSuccession,
} from '../tokens/index.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import {
  expiryAfter,
  openIdentity,
  type PassphraseOptions,
  parentFor,
  passphraseHelp,
  passphraseOf,
  positiveDays,
} from './identity-source.ts';
import { showIdentity } from './identity-view.ts';
import { formatTime } from './output.ts';
import { withOverlay } from './overlay-access.ts';
import type { Terminal } from './terminal.ts';

interface RevokeOptions extends CommonOptions, PassphraseOptions {
  readonly reason: string;
  readonly out?: string;
}

interface RotateOptions extends CommonOptions, PassphraseOptions {
  readonly out: string;
  readonly days: number;
  readonly parent?: string;
}

/** How an identity ends: for good, or by handing its place to a new key. */
export function registerEnding(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'revoke <file>',
    summary: 'end an identity for good: its own key signs a tombstone, which the overlay honours',
    example: 'identity revoke alice.json --reason "phone stolen"',
  })
    .option('--reason <text>', 'why; it is recorded', 'not to be used any more')
    .option(
      '--out <file>',
      'only write the tombstone: to keep it in a safe place, or to hand it to an operator',
    )
    .option('--passphrase-file <file>', passphraseHelp)
    .action(async (file: string, options: RevokeOptions) => {
      const { output, config } = openContext(terminal, options);
      const { key, token } = await openIdentity(terminal, file, options);
      const tombstone = createTombstone({
        key,
        token,
        reason: options.reason,
        now: epochSeconds(systemClock),
      });
      if (options.out === undefined)
        await withOverlay(config(), (overlay) => overlay.revokeSigned(tombstone.bytes));
      else writeFileSync(options.out, `${encodeBase64Url(tombstone.bytes)}\n`, { flag: 'wx', mode: 0o600 });
      const state = options.out === undefined ? 'revoked' : 'not revoked yet: the tombstone is only written';
      output.document({ name: token.subject, fingerprint: token.fingerprint, state, file: options.out }, [
        ['name', token.subject],
        ['fingerprint', token.fingerprint],
        ['state', state],
        ['tombstone', options.out],
      ]);
    });

  addCommand(group, {
    usage: 'rotate <file>',
    summary:
      'go on under a new key: the old identity names it, both sign, and calls to name and fingerprint follow',
    example: 'identity rotate alice.json --out alice-2.json',
  })
    .requiredOption('--out <file>', 'file for the new identity; never overwritten')
    .option('--days <n>', 'days of validity', positiveDays, 365)
    .option('--parent <file>', 'the parent identity, for a pseudonym')
    .option('--passphrase-file <file>', passphraseHelp)
    .action(async (file: string, options: RotateOptions) => {
      const old = await openIdentity(terminal, file, options);
      const parent = await parentFor(terminal, old.token, file, options.parent);
      const key = generateSigningKey();
      // A claim is about one fingerprint: under the new one it would be somebody else's.
      const [claims, attributes] = partition(old.attributes);
      const { now, expires } = expiryAfter(options.days);
      const { subject, realm } = old.token;
      const token = createIdentityToken({
        key,
        subject,
        ...(realm === undefined ? {} : { realm }),
        ...(parent && (old.token.issuerHidden ? { hiddenIssuer: parent } : { issuer: parent })),
        notBefore: now,
        expires,
        now,
        attributes,
      });
      const succession = encodeSuccession(signSuccession(old, { key, token }, now));
      const content = { token, seed: key.seed, attributes, succession };
      const passphrase = old.encrypted ? passphraseOf(terminal, options) : undefined;
      await saveIdentity(options.out, content, passphrase);
      const { output } = openContext(terminal, options);
      showIdentity(output, token, options.out);
      if (claims.length > 0)
        output.note(
          `claims are about the old fingerprint: have them made anew for ${options.out} (${claims.join(', ')})`,
        );
      output.note(`a phone that runs with ${options.out} takes the place of ${file} when it registers`);
    });
}

/** The names of the claims among them, and what is none. */
function partition(attributes: readonly Attribute[]): readonly [string[], readonly Attribute[]] {
  const isClaim = ({ name }: Attribute): boolean => name.startsWith(claimAttributePrefix);
  const claims = attributes.filter(isClaim).map(({ name }) => name.slice(claimAttributePrefix.length));
  return [claims, attributes.filter((attribute) => !isClaim(attribute))];
}

/** The operator's side of both. */
export function registerHonouring(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'tombstone <file>',
    summary: 'honour a tombstone that an identity has signed',
    example: 'overlay tombstone alice.tombstone',
  }).action(async (file: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const bytes = decodeBase64Url(readFileSync(file, 'utf8').trim());
    if (bytes === undefined)
      throw new CliError(
        'usage',
        `${file} holds no tombstone`,
        'make one with: tibet-sip identity revoke FILE --out TOMBSTONE',
      );
    const { token, reason, issuedAt } = decodeTombstone(bytes);
    await withOverlay(config(), (overlay) => overlay.revokeSigned(bytes));
    const signed = formatTime(issuedAt);
    output.document(
      { name: token.subject, fingerprint: token.fingerprint, state: 'revoked', reason, signed },
      [
        ['name', token.subject],
        ['fingerprint', token.fingerprint],
        ['state', 'revoked'],
        ['reason', reason],
        ['signed', signed],
      ],
    );
  });

  addCommand(group, {
    usage: 'succeed <file>',
    summary: 'let a rotated identity take its place now; its phone does so by itself when it registers',
    example: 'overlay succeed alice-2.json',
  }).action(async (file: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const member = existsSync(file) ? memberOf(readFileSync(file, 'utf8')) : undefined;
    const [succession, token] = [member?.('succession'), member?.('token')];
    if (succession === undefined || token === undefined)
      throw new CliError('usage', `${file} takes nobody's place`, 'make it with: tibet-sip identity rotate');
    const identity = await withOverlay(config(), (overlay) => overlay.succeed(succession, token));
    const { name, fingerprint, predecessors } = identity;
    output.document({ name, fingerprint, predecessors }, [
      ['name', name],
      ['fingerprint', fingerprint],
      ['in place of', predecessors.join(' ')],
    ]);
  });
}

/** Reads base64url members of an identity file; its secret stays closed. */
function memberOf(json: string): (name: string) => Uint8Array | undefined {
  const file: unknown = JSON.parse(json);
  const members = new Map<string, unknown>(
    typeof file === 'object' && file !== null ? Object.entries(file) : [],
  );
  return (name) => {
    const text = members.get(name);
    return typeof text === 'string' ? decodeBase64Url(text) : undefined;
  };
}
