import { type Clock, epochSeconds, type Random } from '../base/index.ts';
import {
  decodeIdentityToken,
  decodeSuccession,
  decodeTombstone,
  type Fingerprint,
  type IdentityToken,
  TokenError,
  type Tombstone,
} from '../tokens/index.ts';
import { createDeviceIdentity } from './device.ts';
import type { DeviceBook, DeviceCredential } from './device-book.ts';
import type { CredentialDocument, Custody } from './documents.ts';
import { OverlayError } from './errors.ts';
import type { IdentityDirectory } from './identity-directory.ts';
import type { IdentityEndings } from './identity-endings.ts';
import type { IdentityRecord } from './identity-record.ts';
import type { EventReporter, OverlayEventKind } from './overlay-event.ts';
import type { EnrolmentPolicy, EnrolOptions, EnrolResult } from './overlay-options.ts';

export interface EnrolmentDeskOptions {
  readonly directory: IdentityDirectory;
  readonly endings: IdentityEndings;
  readonly devices: DeviceBook;
  readonly reporter: EventReporter;
  readonly clock: Clock;
  readonly random: Random;
  readonly policy: EnrolmentPolicy;
}

/** A stock phone as the operator knows it. */
export interface StockDevice {
  readonly identity: IdentityRecord;
  readonly credential: CredentialDocument;
}

/** Takes identities in and out, gives them aliases, and sets stock phones up; each leaves an event. */
export class EnrolmentDesk {
  readonly #options: EnrolmentDeskOptions;

  constructor(options: EnrolmentDeskOptions) {
    this.#options = options;
  }

  /** Refusals are values. An identity that is known already, token and all, leaves no event. */
  async enrol(
    source: IdentityToken | Uint8Array,
    custody: Custody,
    { policy = this.#options.policy, intent }: EnrolOptions,
  ): Promise<EnrolResult> {
    const { directory, reporter, clock } = this.#options;
    let token: IdentityToken | undefined;
    try {
      token = source instanceof Uint8Array ? decodeIdentityToken(source) : source;
      const status = policy === 'open' ? 'active' : 'pending';
      const { record, outcome } = await directory.enrol(token, { status, custody, nowMs: clock.now() });
      if (outcome !== 'known')
        reporter.done('enrolment', {
          asked: token.subject,
          identity: record,
          facts: { change: outcome, custody, status: record.status },
          evidence: [token.bytes],
          intent: intent ?? `take part as ${token.subject}`,
        });
      return { kind: 'enrolled', identity: record, outcome };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const asked = token?.subject ?? 'an unreadable token';
      reporter.refused('enrolment', error.code, {
        asked,
        facts: token ? { fingerprint: token.fingerprint } : {},
        evidence: [source instanceof Uint8Array ? source : source.bytes],
        intent: intent ?? `take part as ${asked}`,
      });
      return { kind: 'refused', code: error.code, error };
    }
  }

  approve(fingerprint: Fingerprint, intent = 'let the identity take part'): Promise<IdentityRecord> {
    const approved = this.#options.directory.approve(fingerprint);
    return this.#reported('approval', fingerprint, {}, intent, approved);
  }

  revoke(fingerprint: Fingerprint, intent = 'trust this key no longer'): Promise<IdentityRecord> {
    const revoked = this.#options.endings.revoke(fingerprint, this.#options.clock.now());
    return this.#reported('revocation', fingerprint, {}, intent, revoked);
  }

  /** Takes in what a key says of its own end; throws TokenError for what it has not signed. */
  async bury(bytes: Uint8Array): Promise<Tombstone> {
    const { endings, reporter, clock } = this.#options;
    const tombstone = decodeTombstone(bytes);
    await endings.bury(tombstone, clock.now());
    const { token, reason } = tombstone;
    reporter.done('revocation', {
      asked: token.fingerprint,
      identity: { fingerprint: token.fingerprint, name: token.subject },
      facts: { by: 'the key itself' },
      evidence: [bytes],
      intent: reason,
    });
    return tombstone;
  }

  /** Lets an identity take the place of the one that has named it; `succession` and token are signed by both. */
  async succeed(
    succession: Uint8Array,
    token: Uint8Array | IdentityToken,
    intent = 'go on under a new key',
  ): Promise<IdentityRecord> {
    const { endings, reporter, clock } = this.#options;
    const next = token instanceof Uint8Array ? decodeIdentityToken(token) : token;
    const { from } = decodeSuccession(succession);
    const evidence = [succession, next.bytes];
    const facts = { from, to: next.fingerprint };
    try {
      const identity = await endings.succeed(decodeSuccession(succession), next, clock.now());
      reporter.done('succession', { asked: next.subject, identity, facts, evidence, intent });
      return identity;
    } catch (error) {
      if (isRefusal(error))
        reporter.refused('succession', error.code, { asked: next.subject, facts, evidence, intent });
      throw error;
    }
  }

  addAlias(
    fingerprint: Fingerprint,
    alias: string,
    intent = `be reached as ${alias}`,
  ): Promise<IdentityRecord> {
    const added = this.#options.directory.addAlias(fingerprint, alias);
    return this.#reported('alias', fingerprint, { alias, change: 'added' }, intent, added);
  }

  removeAlias(
    fingerprint: Fingerprint,
    alias: string,
    intent = `no longer be reached as ${alias}`,
  ): Promise<IdentityRecord> {
    const removed = this.#options.directory.removeAlias(fingerprint, alias);
    return this.#reported('alias', fingerprint, { alias, change: 'removed' }, intent, removed);
  }

  /**
   * Sets a stock phone up: an identity whose key the gateway holds, digest credentials, an extension. Again for the
   * same name it changes credentials and adds the extension. Throws OverlayError; the key is stored first, so that
   * no identity is enrolled whose key is lost.
   */
  async addDevice(options: {
    readonly name: string;
    readonly credential: DeviceCredential;
    readonly extension?: string;
  }): Promise<StockDevice> {
    const { name, credential, extension } = options;
    const { directory, devices, reporter } = this.#options;
    let identity = await this.#custodial(name);
    const holder = await devices.find(credential.username);
    if (holder && holder.fingerprint !== identity?.fingerprint)
      throw new OverlayError(
        'username-taken',
        `the user name ${credential.username} belongs to another identity`,
      );
    identity ??= await this.#createCustodial(name);
    if (extension !== undefined) identity = await directory.addAlias(identity.fingerprint, extension);
    const stored = await devices.save(identity.fingerprint, credential);
    reporter.done('device', {
      asked: name,
      identity,
      facts: {
        change: 'added',
        username: credential.username,
        ...(extension !== undefined && { extension }),
      },
      intent: `let a stock phone take part as ${name}`,
    });
    return { identity, credential: stored };
  }

  /** Takes a phone's credentials away; its identity stays, for other phones and for the record. */
  async removeDevice(username: string): Promise<CredentialDocument | undefined> {
    const { directory, devices, reporter } = this.#options;
    const removed = await devices.remove(username);
    if (!removed) return undefined;
    reporter.done('device', {
      asked: username,
      identity: await directory.byFingerprint(removed.fingerprint),
      facts: { change: 'removed', username },
      intent: `let the phone ${username} no longer take part`,
    });
    return removed;
  }

  /** The identity of a name when the gateway holds its key; throws `name-taken` when a device does. */
  async #custodial(name: string): Promise<IdentityRecord | undefined> {
    const identity = await this.#options.directory.lookup(name);
    if (identity?.name !== name) return undefined;
    if (identity.custody !== 'gateway')
      throw new OverlayError('name-taken', `${name} belongs to a device that has its own key`);
    return identity;
  }

  async #createCustodial(name: string): Promise<IdentityRecord> {
    const { devices, clock, random } = this.#options;
    const { token, key } = createDeviceIdentity(name, epochSeconds(clock), random);
    await devices.keepKey(token.fingerprint, key);
    const result = await this.enrol(token, 'gateway', { policy: 'open' });
    if (result.kind === 'refused') await devices.forgetKey(token.fingerprint);
    return enrolled(result);
  }

  async #reported<Result>(
    kind: OverlayEventKind,
    fingerprint: Fingerprint,
    facts: Readonly<Record<string, string>>,
    intent: string,
    work: Promise<Result>,
  ): Promise<Result> {
    const { directory, reporter } = this.#options;
    try {
      const result = await work;
      const identity = await directory.byFingerprint(fingerprint);
      reporter.done(kind, { asked: fingerprint, identity, facts, intent });
      return result;
    } catch (error) {
      if (isRefusal(error)) reporter.refused(kind, error.code, { asked: fingerprint, facts, intent });
      throw error;
    }
  }
}

/** The identity, or the refusal thrown, for callers that can do nothing without it. */
export function enrolled(result: EnrolResult): IdentityRecord {
  if (result.kind === 'enrolled') return result.identity;
  throw result.error;
}

/** Refused by a rule; a store that fails is no refusal. */
export function isRefusal(error: unknown): error is OverlayError | TokenError {
  if (error instanceof TokenError) return true;
  return error instanceof OverlayError && !error.code.startsWith('store-');
}
