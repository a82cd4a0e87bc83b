import { type Clock, type Logger, silentLogger, systemClock, type Timer } from '../base/index.ts';
import {
  type Fingerprint,
  type IdentityToken,
  jisPrefix,
  nameOfSipUser,
  type SeededSigningKey,
  type Tombstone,
} from '../tokens/index.ts';
import { isAlias } from './address.ts';
import type { Binding, BindingChange } from './binding.ts';
import type { Challenge, Prover } from './challenge.ts';
import type { Device } from './device.ts';
import type { DeviceCredential } from './device-book.ts';
import { type CredentialDocument, dayOf, type HomeDocument } from './documents.ts';
import type { StockDevice } from './enrolment-desk.ts';
import { chain, type Eventual } from './eventual.ts';
import type { ForeignBook } from './foreign-book.ts';
import type { Predecessor } from './identity-endings.ts';
import { type IdentityRecord, standingKey } from './identity-record.ts';
import type { Annotate, BindingUpdate, LostBinding } from './location-book.ts';
import type { NodeAnnouncement, NodeRecord } from './node-book.ts';
import {
  type CapabilityHolder,
  defaultNode,
  type EndpointOptions,
  type EnrolOptions,
  type EnrolResult,
  type OverlayOptions,
  type Page,
  type Registration,
  type Resolution,
} from './overlay-options.ts';
import { buildParts, type OverlayParts } from './overlay-parts.ts';
import type { Verification } from './proof-desk.ts';
import { keep, type ListOptions } from './store.ts';

/**
 * Who there is, by which names, and where each can be reached. Whatever answers an `Eventual` answers at once when
 * it is cached or the store is embedded. Everything fails with OverlayError `store-unavailable` while a shared store
 * is gone and the cache does not know.
 */
export class IdentityOverlay {
  readonly node: string;
  /** Identities of other operators. */
  readonly foreign: ForeignBook;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #parts: OverlayParts;
  #sweepTimer: Timer | undefined;
  #sweeping: Promise<unknown> = Promise.resolve();

  constructor(options: OverlayOptions = {}) {
    this.node = options.node ?? defaultNode;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#parts = buildParts(options);
    this.foreign = this.#parts.foreign;
  }

  /** Begins to take out what expires. */
  start(): void {
    this.#sweepTimer = this.#clock.setTimer(this.#parts.limits.sweepIntervalMs, () => {
      this.#sweeping = this.sweep()
        .catch((error: unknown) => this.#logger.error({ error }, 'expired bindings could not be removed'))
        .finally(() => {
          if (this.#sweepTimer) this.start();
        });
    });
  }

  /** Returns once everything that was accepted is stored. */
  async close(): Promise<void> {
    this.#sweepTimer?.cancel();
    this.#sweepTimer = undefined;
    await this.#sweeping;
    await this.#parts.store.close();
  }

  /** By fingerprint, whole name, bare name or alias. Leaves no event: the call path has its own record. */
  lookup(address: string): Eventual<IdentityRecord | undefined> {
    return this.#parts.directory.lookup(address);
  }

  /** The one of this fingerprint, also when another has taken its place. */
  identity(fingerprint: Fingerprint): Eventual<IdentityRecord | undefined> {
    return this.#parts.directory.byFingerprint(fingerprint);
  }

  /** Whether a SIP user part is one of the identity's own addresses, so that it may call and register as it. */
  isAddressOf(identity: IdentityRecord, user: string): boolean {
    if (user === identity.fingerprint || user === identity.name) return true;
    if (identity.predecessors.includes(user)) return true;
    // Somebody else may have had the number before `jis:<number>` came.
    if (isAlias(user)) return identity.aliases.includes(user);
    // Most names are written as they are: then nothing has to be parsed.
    return identity.name === jisPrefix + user || nameOfSipUser(user)?.text === identity.name;
  }

  /** Takes in a token whose holder has proved its key. Refusals are values. */
  enrol(token: IdentityToken | Uint8Array, options: EnrolOptions = {}): Promise<EnrolResult> {
    return this.#parts.enrolment.enrol(token, 'device', options);
  }

  approve(fingerprint: Fingerprint, intent?: string): Promise<IdentityRecord> {
    return this.#parts.enrolment.approve(fingerprint, intent);
  }

  revoke(fingerprint: Fingerprint, intent?: string): Promise<IdentityRecord> {
    return this.#parts.enrolment.revoke(fingerprint, intent);
  }

  /** The same by the key's own word, a tombstone; throws TokenError for one that the key has not signed. */
  revokeSigned(tombstone: Uint8Array): Promise<Tombstone> {
    return this.#parts.enrolment.bury(tombstone);
  }

  /** The public keys that were revoked since yesterday, in base64url: what ends calls and registrations in progress. */
  lateRevocations(): Promise<readonly string[]> {
    return this.#parts.endings.revokedAround(dayOf(this.#clock.now()));
  }

  /** Whether a key was revoked here; it need not be anybody's who is enrolled. */
  isRevoked(publicKey: Uint8Array): Eventual<boolean> {
    return this.#parts.endings.isRevoked(publicKey);
  }

  /** Whose place an identity has taken, the latest first. */
  predecessorsOf({ predecessors }: IdentityRecord): Promise<readonly Predecessor[]> {
    return this.#parts.endings.predecessors(predecessors);
  }

  /** Lets an identity take the place of the one that has named it as its successor; throws OverlayError, TokenError. */
  succeed(
    succession: Uint8Array,
    token: Uint8Array | IdentityToken,
    intent?: string,
  ): Promise<IdentityRecord> {
    return this.#parts.enrolment.succeed(succession, token, intent);
  }

  addAlias(fingerprint: Fingerprint, alias: string, intent?: string): Promise<IdentityRecord> {
    return this.#parts.enrolment.addAlias(fingerprint, alias, intent);
  }

  removeAlias(fingerprint: Fingerprint, alias: string, intent?: string): Promise<IdentityRecord> {
    return this.#parts.enrolment.removeAlias(fingerprint, alias, intent);
  }

  identities(options: ListOptions): Promise<Page<IdentityRecord>> {
    return this.#parts.directory.list(options);
  }

  /** Sets a stock phone up, or changes it; throws OverlayError. The password's hashes are the caller's work. */
  addDevice(device: {
    readonly name: string;
    readonly credential: DeviceCredential;
    readonly extension?: string;
  }): Promise<StockDevice> {
    return this.#parts.enrolment.addDevice(device);
  }

  /** Undefined when there is no such user name. */
  removeDevice(username: string): Promise<CredentialDocument | undefined> {
    return this.#parts.enrolment.removeDevice(username);
  }

  devices(options: ListOptions): Promise<Page<CredentialDocument>> {
    return this.#parts.devices.list(options);
  }

  devicesOf(fingerprint: Fingerprint): Promise<readonly CredentialDocument[]> {
    return this.#parts.devices.of(fingerprint);
  }

  /** What a digest answer is checked against; undefined for a user name that this realm does not know. */
  credential(username: string, realm: string): Eventual<CredentialDocument | undefined> {
    return chain(this.#parts.devices.find(username), (found) => (found?.realm === realm ? found : undefined));
  }

  /** Whose phone it is that has this user name. */
  deviceIdentity(username: string): Eventual<IdentityRecord | undefined> {
    return chain(
      this.#parts.devices.find(username),
      (found) => found && this.#parts.directory.byFingerprint(found.fingerprint),
    );
  }

  /** The key of an identity in the gateway's custody, for what the gateway signs in its place. */
  custodialKey(fingerprint: Fingerprint): Promise<SeededSigningKey | undefined> {
    return this.#parts.devices.key(fingerprint);
  }

  /** The live ones, newest first. */
  bindings(fingerprint: Fingerprint): Eventual<readonly Binding[]> {
    return this.#parts.locations.bindings(fingerprint);
  }

  /** Where calls to an identity go: its own bindings, or while it has none those of the key whose place it took. */
  routes(fingerprint: Fingerprint): Eventual<readonly Binding[]> {
    const { locations, directory } = this.#parts;
    return chain(locations.bindings(fingerprint), (own) =>
      own.length > 0
        ? own
        : chain(directory.byFingerprint(fingerprint), (identity) =>
            identity === undefined || identity.predecessors.length === 0
              ? own
              : this.#bindingsOf(identity.predecessors),
          ),
    );
  }

  /** All or none; returns once stored. Leaves no event: who took the REGISTER knows its token and records it. */
  updateBindings<Update extends BindingUpdate>(
    fingerprint: Fingerprint,
    decide: (current: readonly Binding[]) => Update,
    annotate?: Annotate,
  ): Promise<Update> {
    return this.#parts.locations.update(fingerprint, decide, annotate);
  }

  async saveBindings(
    fingerprint: Fingerprint,
    changes: readonly BindingChange[],
    annotate?: Annotate,
  ): Promise<void> {
    await this.#parts.locations.update(fingerprint, () => ({ changes }), annotate);
  }

  /** Takes the phones on a closed flow of this node out of routing; each leaves an event. */
  removeBindingsOfFlow(flowId: string): Promise<readonly LostBinding[]> {
    return this.#lost(this.#parts.locations.removeFlow(flowId), 'flow-lost');
  }

  /** After a start: takes out, page by page, what this node held on connections that have not outlived it. */
  async removeDeadFlows(isAlive: (binding: Binding) => boolean, signal?: AbortSignal): Promise<void> {
    for await (const lost of this.#parts.locations.removeDeadFlows(isAlive)) {
      await this.#report(lost, 'flow-lost');
      if (signal?.aborted) return;
    }
  }

  /** Takes the phones of a revoked key out of routing; each leaves an event. */
  removeBindingsOf(fingerprint: Fingerprint): Promise<readonly LostBinding[]> {
    return this.#lost(this.#parts.locations.removeIdentity(fingerprint), 'revoked');
  }

  /** The identities that have phones at this node, in pages. */
  boundHere(): AsyncIterable<readonly Fingerprint[]> {
    return this.#parts.locations.identitiesOfNode();
  }

  /** Takes out what has expired; returns what this call has taken out. */
  sweep(): Promise<readonly LostBinding[]> {
    return this.#lost(this.#parts.locations.sweep(this.#parts.limits.maxSweptIdentities), 'expired');
  }

  /** Enrols a device with where it is. It proves the key that it brings; without one it gets one. */
  register(name: string, endpoint: EndpointOptions, device?: Device): Promise<Registration> {
    return this.#parts.endpoints.register(name, endpoint, device);
  }

  /** Asks the identity's device to prove its key now, by a fresh challenge. */
  verify(address: string, intent = `make sure that it is ${address}`): Promise<Verification> {
    return this.#parts.proofs.verify(address, intent);
  }

  /** The question for a device that proves itself unasked; undefined for identities that cannot. */
  challenge(address: string): Promise<Challenge | undefined> {
    return this.#parts.proofs.challenge(address);
  }

  answerChallenge(challenge: Challenge, signature: Uint8Array, intent?: string): Promise<Verification> {
    return this.#parts.proofs.answer(challenge, signature, intent ?? `prove to be ${challenge.id}`);
  }

  attachProver(fingerprint: Fingerprint, prover: Prover): void {
    this.#parts.proofs.attach(fingerprint, prover);
  }

  detachProver(fingerprint: Fingerprint): void {
    this.#parts.proofs.detach(fingerprint);
  }

  resolve(address: string, intent?: string): Promise<Resolution> {
    return this.#parts.endpoints.resolve(address, intent);
  }

  findByCapability(capability: string): Promise<readonly CapabilityHolder[]> {
    return this.#parts.endpoints.findByCapability(capability);
  }

  /** Takes in a newer record that the identity has signed; throws OverlayError for any other. */
  updateEndpoint(
    signedRecord: Uint8Array,
  ): Promise<{ readonly identity: IdentityRecord; readonly sequence: bigint }> {
    return this.#parts.endpoints.update(signedRecord);
  }

  /** The next record of an identity whose key the gateway holds, for `updateEndpoint`. */
  signEndpoint(address: string, endpoint: EndpointOptions): Promise<Uint8Array> {
    return this.#parts.endpoints.sign(address, endpoint);
  }

  /** Says where this gateway takes requests from those that share the store with it; to be repeated while it runs. */
  announceNode(node: NodeAnnouncement): Promise<void> {
    return this.#parts.nodes.announce(node);
  }

  /** Another gateway of the same store, checked; undefined for one that is not to be believed, or has ended. */
  nodeAt(fingerprint: Fingerprint): Eventual<NodeRecord | undefined> {
    return this.#parts.nodes.find(fingerprint);
  }

  /** True for the first who claims `id` among all gateways that share the store; at once where nobody shares it. */
  claimOnce(id: string, lifetimeMs: number): Eventual<boolean> {
    return this.#parts.store.claimOnce(id, lifetimeMs);
  }

  /** Keeps a device's word that its home is here, unless a newer one is known. */
  async saveHome(fingerprint: Fingerprint, token: string, issuedAt: number): Promise<void> {
    await this.#parts.store.update('home', fingerprint, (stored) =>
      stored !== undefined && stored.issuedAt >= issuedAt ? keep : { token, issuedAt },
    );
  }

  home(fingerprint: Fingerprint): Eventual<HomeDocument | undefined> {
    return this.#parts.store.get('home', fingerprint);
  }

  /** The key's own word that it is not to be trusted any more. */
  async tombstone(publicKey: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.#parts.store.get('standing', standingKey(publicKey)))?.tombstone;
  }

  async #bindingsOf(fingerprints: readonly Fingerprint[]): Promise<readonly Binding[]> {
    const found: Binding[] = [];
    for (const fingerprint of fingerprints) {
      const identity = await this.#parts.directory.byFingerprint(fingerprint);
      if (identity !== undefined && identity.status !== 'revoked')
        found.push(...(await this.#parts.locations.bindings(fingerprint)));
    }
    return found;
  }

  async #lost(
    removal: Promise<readonly LostBinding[]>,
    cause: 'flow-lost' | 'expired' | 'revoked',
  ): Promise<readonly LostBinding[]> {
    return this.#report(await removal, cause);
  }

  async #report(
    lost: readonly LostBinding[],
    cause: 'flow-lost' | 'expired' | 'revoked',
  ): Promise<readonly LostBinding[]> {
    for (const { fingerprint, binding } of lost) {
      const identity = await this.#parts.directory.byFingerprint(fingerprint);
      const { contactUri, flowId, transport } = binding;
      this.#parts.reporter.done('deregistration', {
        asked: identity?.name ?? fingerprint,
        identity,
        facts: { cause, contact: contactUri, flow: flowId, transport },
        intent: 'route no calls to a phone that is gone',
      });
    }
    return lost;
  }
}
