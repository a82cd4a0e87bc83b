import { type Clock, epochSeconds, type Random } from '../base/index.ts';
import { decodeIdentityToken, type Fingerprint, jisPrefix } from '../tokens/index.ts';
import { createDeviceIdentity, type Device, localDevice } from './device.ts';
import type { DeviceBook } from './device-book.ts';
import { type EndpointBook, endpointText } from './endpoint-book.ts';
import {
  checkEndpointClaim,
  decodeEndpointRecord,
  type EndpointClaim,
  signEndpointRecord,
} from './endpoint-record.ts';
import { type EnrolmentDesk, enrolled, isRefusal } from './enrolment-desk.ts';
import { OverlayError } from './errors.ts';
import type { IdentityDirectory } from './identity-directory.ts';
import type { IdentityRecord } from './identity-record.ts';
import type { EventReporter } from './overlay-event.ts';
import type { CapabilityHolder, EndpointOptions, Registration, Resolution } from './overlay-options.ts';
import type { ProofDesk } from './proof-desk.ts';

export interface EndpointDeskOptions {
  readonly directory: IdentityDirectory;
  readonly devices: DeviceBook;
  readonly endpoints: EndpointBook;
  readonly enrolment: EnrolmentDesk;
  readonly proofs: ProofDesk;
  readonly reporter: EventReporter;
  readonly clock: Clock;
  readonly random: Random;
}

const defaultLifetimeSeconds = 3_600;

/** Registers devices with where they are, follows them when they move, and finds them; each leaves an event. */
export class EndpointDesk {
  readonly #options: EndpointDeskOptions;

  constructor(options: EndpointDeskOptions) {
    this.#options = options;
  }

  /**
   * Enrols a device under a name and publishes where it is. A device that brings its key has to prove it by a fresh
   * challenge; one that brings none gets a key, which the gateway then holds. Throws OverlayError or TokenError.
   */
  async register(name: string, options: EndpointOptions, device?: Device): Promise<Registration> {
    const { reporter } = this.#options;
    const id = name.includes(':') ? name : jisPrefix + name;
    const intent = `be reached as ${id}`;
    const facts = { endpoint: endpointText({ address: options.ip, port: options.port }) };
    try {
      // Before the name is taken: a bad address or lifetime must not leave a name behind.
      const wanted = this.#claim('', 0n, options);
      checkEndpointClaim(wanted);
      this.#options.endpoints.checkLifetime(wanted);
      const { owner, identity } = device ? await this.#admitOwnKey(id, device) : await this.#admitNewKey(id);
      const { fingerprint } = identity;
      const claim = await this.#nextClaim(fingerprint, options);
      const { sequence } = claim;
      const record = await owner.signEndpoint(claim);
      await this.#publish(record, fingerprint);
      reporter.done('registration', {
        asked: name,
        identity,
        facts: { ...facts, sequence: String(sequence), behindNat: options.behindNat ?? false },
        evidence: [identity.token, record],
        intent,
      });
      return { id, identity, endpoint: facts.endpoint, sequence };
    } catch (error) {
      if (isRefusal(error)) reporter.refused('registration', error.code, { asked: name, facts, intent });
      throw error;
    }
  }

  /** Takes in a record that a device has signed; throws OverlayError for one that is not newer, or not its own. */
  async update(
    record: Uint8Array,
  ): Promise<{ readonly identity: IdentityRecord; readonly sequence: bigint }> {
    const { endpoints, reporter } = this.#options;
    try {
      const { identity, record: accepted } = await endpoints.publish(record);
      const { sequence } = accepted;
      reporter.done('endpoint', {
        asked: identity.name,
        identity,
        facts: { endpoint: endpointText(accepted), sequence: String(sequence) },
        evidence: [record],
        intent: `be reached at a new place as ${identity.name}`,
      });
      return { identity, sequence };
    } catch (error) {
      if (isRefusal(error))
        reporter.refused('endpoint', error.code, {
          asked: 'a signed endpoint record',
          evidence: [record],
          intent: 'be reached at a new place',
        });
      throw error;
    }
  }

  /** The next record of an identity whose key the gateway holds. Throws OverlayError for any other. */
  async sign(address: string, options: EndpointOptions): Promise<Uint8Array> {
    const { directory, devices } = this.#options;
    const identity = await directory.lookup(address);
    if (!identity) throw new OverlayError('unknown-identity', 'there is no such identity');
    const key = await devices.key(identity.fingerprint);
    if (!key) throw new OverlayError('proof-failed', 'the device holds its own key and has to sign itself');
    return signEndpointRecord(key, await this.#nextClaim(identity.fingerprint, options));
  }

  async resolve(address: string, intent = `reach ${address}`): Promise<Resolution> {
    const { directory, endpoints, reporter, clock } = this.#options;
    const identity = await directory.lookup(address);
    const usable = identity?.status === 'active' && identity.expires * 1000 > clock.now();
    const live = usable ? await endpoints.live(identity.fingerprint) : undefined;
    if (!live) {
      const code = !identity ? 'unknown-identity' : usable ? 'not-reachable' : 'not-active';
      reporter.refused('resolution', code, { asked: address, identity, intent });
      return { resolved: false, endpoint: undefined, behindNat: undefined, capabilities: [], identity };
    }
    const endpoint = endpointText(live);
    reporter.done('resolution', {
      asked: address,
      identity,
      facts: { endpoint, source: live.source },
      intent,
    });
    const { behindNat, capabilities } = live;
    return { resolved: true, endpoint, behindNat, capabilities, identity };
  }

  /** Exactly the live, active ones, by name. */
  async findByCapability(capability: string): Promise<readonly CapabilityHolder[]> {
    const { directory, endpoints, clock } = this.#options;
    const found: CapabilityHolder[] = [];
    for (const fingerprint of await endpoints.holders(capability)) {
      const identity = await directory.byFingerprint(fingerprint);
      if (identity?.status !== 'active' || identity.expires * 1000 <= clock.now()) continue;
      const live = await endpoints.live(fingerprint);
      if (live) found.push({ id: identity.name, identity, endpoint: endpointText(live) });
    }
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async #admitOwnKey(id: string, device: Device): Promise<{ owner: Device; identity: IdentityRecord }> {
    const { enrolment, proofs } = this.#options;
    const token = decodeIdentityToken(device.token);
    if (token.subject !== id)
      throw new OverlayError('name-invalid', 'the identity token is for another name');
    if (!(await proofs.holdsKey(token, device)))
      throw new OverlayError('proof-failed', 'the device did not prove that it holds the key of its token');
    const identity = enrolled(await enrolment.enrol(token, 'device', {}));
    proofs.attach(identity.fingerprint, device);
    return { owner: device, identity };
  }

  /** The key is stored first: no identity is enrolled whose key a crash has lost. */
  async #admitNewKey(id: string): Promise<{ owner: Device; identity: IdentityRecord }> {
    const { enrolment, devices, clock, random } = this.#options;
    const { token, key } = createDeviceIdentity(id, epochSeconds(clock), random);
    await devices.keepKey(token.fingerprint, key);
    const result = await enrolment.enrol(token, 'gateway', {});
    if (result.kind === 'refused') await devices.forgetKey(token.fingerprint);
    return { owner: localDevice(token.bytes, key), identity: enrolled(result) };
  }

  async #publish(record: Uint8Array, fingerprint: Fingerprint): Promise<void> {
    if (decodeEndpointRecord(record).fingerprint !== fingerprint)
      throw new OverlayError('record-signature', 'the device signed for another identity');
    await this.#options.endpoints.publish(record);
  }

  /** What a device can do goes along to where it moves; only who names capabilities changes them. */
  async #nextClaim(fingerprint: Fingerprint, options: EndpointOptions): Promise<EndpointClaim> {
    const newest = await this.#options.endpoints.newest(fingerprint);
    const { capabilities = newest?.capabilities ?? [] } = options;
    return this.#claim(fingerprint, (newest?.sequence ?? 0n) + 1n, { ...options, capabilities });
  }

  #claim(fingerprint: Fingerprint, sequence: bigint, options: EndpointOptions): EndpointClaim {
    const issuedAt = epochSeconds(this.#options.clock);
    return {
      fingerprint,
      sequence,
      issuedAt,
      expires: issuedAt + (options.lifetimeSeconds ?? defaultLifetimeSeconds),
      address: options.ip,
      port: options.port,
      behindNat: options.behindNat ?? false,
      capabilities: options.capabilities ?? [],
    };
  }
}
