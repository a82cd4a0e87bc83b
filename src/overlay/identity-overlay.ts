import {
  type Clock,
  type Logger,
  silentLogger,
  systemClock,
  systemRandom,
  type Timer,
} from '../base/index.ts';
import {
  type Fingerprint,
  type IdentityToken,
  nameOfSipUser,
  type SeededSigningKey,
} from '../tokens/index.ts';
import { isAlias } from './address.ts';
import type { Binding, BindingChange } from './binding.ts';
import { CachedStore } from './cached-store.ts';
import { type Challenge, ChallengeBook, type Prover } from './challenge.ts';
import type { Device } from './device.ts';
import { DeviceBook, type DeviceCredential } from './device-book.ts';
import type { CredentialDocument } from './documents.ts';
import { EndpointBook } from './endpoint-book.ts';
import { EndpointDesk } from './endpoint-desk.ts';
import { EnrolmentDesk, type StockDevice } from './enrolment-desk.ts';
import { chain, type Eventual } from './eventual.ts';
import { IdentityDirectory } from './identity-directory.ts';
import type { IdentityRecord } from './identity-record.ts';
import { type Annotate, type BindingUpdate, LocationBook, type LostBinding } from './location-book.ts';
import { EventReporter } from './overlay-event.ts';
import {
  type CapabilityHolder,
  defaultOverlayLimits,
  type EndpointOptions,
  type EnrolOptions,
  type EnrolResult,
  type OverlayLimits,
  type OverlayOptions,
  type Registration,
  type Resolution,
} from './overlay-options.ts';
import { ProofDesk, type Verification } from './proof-desk.ts';
import type { ListOptions, StorePage } from './store.ts';

/**
 * Who there is, by which names, and where each can be reached. Whatever answers an `Eventual` answers at once when
 * it is cached or the store is embedded. Everything fails with OverlayError `store-unavailable` while a shared store
 * is gone and the cache does not know.
 */
export class IdentityOverlay {
  readonly node: string;
  readonly #store: CachedStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #limits: OverlayLimits;
  readonly #reporter: EventReporter;
  readonly #directory: IdentityDirectory;
  readonly #locations: LocationBook;
  readonly #devices: DeviceBook;
  readonly #proofs: ProofDesk;
  readonly #enrolment: EnrolmentDesk;
  readonly #endpoints: EndpointDesk;
  #sweepTimer: Timer | undefined;
  #sweeping: Promise<unknown> = Promise.resolve();

  constructor(options: OverlayOptions) {
    const { node, clock = systemClock, random = systemRandom, logger = silentLogger } = options;
    const limits = { ...defaultOverlayLimits, ...options.limits };
    const store = new CachedStore(options.store, clock, limits.cache);
    const directory = new IdentityDirectory(store);
    const devices = new DeviceBook(store, clock);
    const reporter = new EventReporter(clock, node, options.onEvent ?? (() => {}));
    const challenges = new ChallengeBook({
      clock,
      random,
      lifetimeMs: limits.challengeLifetimeMs,
      maxOpen: limits.maxOpenChallenges,
    });
    const findProver = options.findProver ?? (() => undefined);
    const proofs = new ProofDesk({ directory, devices, challenges, reporter, clock, findProver });
    const policy = options.enrolment ?? 'open';
    const enrolment = new EnrolmentDesk({ directory, devices, reporter, clock, random, policy });
    const endpoints = new EndpointBook(store, directory, clock, limits.endpoint);
    this.node = node;
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#limits = limits;
    this.#reporter = reporter;
    this.#directory = directory;
    this.#locations = new LocationBook(store, clock, node);
    this.#devices = devices;
    this.#proofs = proofs;
    this.#enrolment = enrolment;
    this.#endpoints = new EndpointDesk({
      directory,
      devices,
      endpoints,
      enrolment,
      proofs,
      reporter,
      clock,
      random,
    });
  }

  /** Begins to take out what expires. */
  start(): void {
    this.#sweepTimer = this.#clock.setTimer(this.#limits.sweepIntervalMs, () => {
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
    await this.#store.close();
  }

  /** By fingerprint, whole name, bare name or alias. Leaves no event: the call path has its own record. */
  lookup(address: string): Eventual<IdentityRecord | undefined> {
    return this.#directory.lookup(address);
  }

  /** Whether a SIP user part is one of the identity's own addresses, so that it may call and register as it. */
  isAddressOf(identity: IdentityRecord, user: string): boolean {
    if (user === identity.fingerprint || user === identity.name) return true;
    // Somebody else may have had the number before `jis:<number>` came.
    if (isAlias(user)) return identity.aliases.includes(user);
    return nameOfSipUser(user)?.text === identity.name;
  }

  /** Takes in a token whose holder has proved its key. Refusals are values. */
  enrol(token: IdentityToken | Uint8Array, options: EnrolOptions = {}): Promise<EnrolResult> {
    return this.#enrolment.enrol(token, 'device', options);
  }

  approve(fingerprint: Fingerprint, intent?: string): Promise<IdentityRecord> {
    return this.#enrolment.approve(fingerprint, intent);
  }

  revoke(fingerprint: Fingerprint, intent?: string): Promise<IdentityRecord> {
    return this.#enrolment.revoke(fingerprint, intent);
  }

  addAlias(fingerprint: Fingerprint, alias: string, intent?: string): Promise<IdentityRecord> {
    return this.#enrolment.addAlias(fingerprint, alias, intent);
  }

  removeAlias(fingerprint: Fingerprint, alias: string, intent?: string): Promise<IdentityRecord> {
    return this.#enrolment.removeAlias(fingerprint, alias, intent);
  }

  identities(options: ListOptions): Promise<StorePage<IdentityRecord>> {
    return this.#directory.list(options);
  }

  /** Sets a stock phone up, or changes it; throws OverlayError. The password's hashes are the caller's work. */
  addDevice(device: {
    readonly name: string;
    readonly credential: DeviceCredential;
    readonly extension?: string;
  }): Promise<StockDevice> {
    return this.#enrolment.addDevice(device);
  }

  /** Undefined when there is no such user name. */
  removeDevice(username: string): Promise<CredentialDocument | undefined> {
    return this.#enrolment.removeDevice(username);
  }

  devices(options: ListOptions): Eventual<StorePage<CredentialDocument>> {
    return this.#devices.list(options);
  }

  devicesOf(fingerprint: Fingerprint): Promise<readonly CredentialDocument[]> {
    return this.#devices.of(fingerprint);
  }

  /** What a digest answer is checked against; undefined for a user name that this realm does not know. */
  credential(username: string, realm: string): Eventual<CredentialDocument | undefined> {
    return chain(this.#devices.find(username), (found) => (found?.realm === realm ? found : undefined));
  }

  /** Whose phone it is that has this user name. */
  deviceIdentity(username: string): Eventual<IdentityRecord | undefined> {
    return chain(
      this.#devices.find(username),
      (found) => found && this.#directory.byFingerprint(found.fingerprint),
    );
  }

  /** The key of an identity in the gateway's custody, for what the gateway signs in its place. */
  custodialKey(fingerprint: Fingerprint): Promise<SeededSigningKey | undefined> {
    return this.#devices.key(fingerprint);
  }

  /** The live ones, newest first. */
  bindings(fingerprint: Fingerprint): Eventual<readonly Binding[]> {
    return this.#locations.bindings(fingerprint);
  }

  /** All or none; returns once stored. Leaves no event: who took the REGISTER knows its token and records it. */
  updateBindings<Update extends BindingUpdate>(
    fingerprint: Fingerprint,
    decide: (current: readonly Binding[]) => Update,
    annotate?: Annotate,
  ): Promise<Update> {
    return this.#locations.update(fingerprint, decide, annotate);
  }

  async saveBindings(
    fingerprint: Fingerprint,
    changes: readonly BindingChange[],
    annotate?: Annotate,
  ): Promise<void> {
    await this.#locations.update(fingerprint, () => ({ changes }), annotate);
  }

  /** Takes the phones on a closed flow of this node out of routing; each leaves an event. */
  removeBindingsOfFlow(flowId: string): Promise<readonly LostBinding[]> {
    return this.#lost(this.#locations.removeFlow(flowId), 'flow-lost');
  }

  /** After a start: takes out what this node held on connections that have not outlived it. */
  removeDeadFlows(isAlive: (binding: Binding) => boolean): Promise<readonly LostBinding[]> {
    return this.#lost(this.#locations.removeDeadFlows(isAlive), 'flow-lost');
  }

  /** Takes out what has expired; returns what this call has taken out. */
  sweep(): Promise<readonly LostBinding[]> {
    return this.#lost(this.#locations.sweep(this.#limits.maxSweptIdentities), 'expired');
  }

  /** Enrols a device with where it is. It proves the key that it brings; without one it gets one. */
  register(name: string, endpoint: EndpointOptions, device?: Device): Promise<Registration> {
    return this.#endpoints.register(name, endpoint, device);
  }

  /** Asks the identity's device to prove its key now, by a fresh challenge. */
  verify(address: string, intent = `make sure that it is ${address}`): Promise<Verification> {
    return this.#proofs.verify(address, intent);
  }

  /** The question for a device that proves itself unasked; undefined for identities that cannot. */
  challenge(address: string): Promise<Challenge | undefined> {
    return this.#proofs.challenge(address);
  }

  answerChallenge(challenge: Challenge, signature: Uint8Array, intent?: string): Promise<Verification> {
    return this.#proofs.answer(challenge, signature, intent ?? `prove to be ${challenge.id}`);
  }

  attachProver(fingerprint: Fingerprint, prover: Prover): void {
    this.#proofs.attach(fingerprint, prover);
  }

  detachProver(fingerprint: Fingerprint): void {
    this.#proofs.detach(fingerprint);
  }

  resolve(address: string, intent?: string): Promise<Resolution> {
    return this.#endpoints.resolve(address, intent);
  }

  findByCapability(capability: string): Promise<readonly CapabilityHolder[]> {
    return this.#endpoints.findByCapability(capability);
  }

  /** Takes in a newer record that the identity has signed; throws OverlayError for any other. */
  updateEndpoint(
    signedRecord: Uint8Array,
  ): Promise<{ readonly identity: IdentityRecord; readonly sequence: bigint }> {
    return this.#endpoints.update(signedRecord);
  }

  /** The next record of an identity whose key the gateway holds, for `updateEndpoint`. */
  signEndpoint(address: string, endpoint: EndpointOptions): Promise<Uint8Array> {
    return this.#endpoints.sign(address, endpoint);
  }

  async #lost(
    removal: Promise<readonly LostBinding[]>,
    cause: 'flow-lost' | 'expired',
  ): Promise<readonly LostBinding[]> {
    const lost = await removal;
    for (const { fingerprint, binding } of lost) {
      const identity = await this.#directory.byFingerprint(fingerprint);
      const { contactUri, flowId, transport } = binding;
      this.#reporter.done('deregistration', {
        asked: identity?.name ?? fingerprint,
        identity,
        facts: { cause, contact: contactUri, flow: flowId, transport },
        intent: 'route no calls to a phone that is gone',
      });
    }
    return lost;
  }
}
