import { join } from 'node:path';
import type { StoredRecord } from '../../src/provenance/index.ts';
import { readTrail } from '../support/audit-trail.ts';
import { type GatewayProcess, startGateway } from '../support/processes.ts';
import { addStockPhones } from '../support/stock-phones.ts';
import { until } from '../support/until.ts';
import { gatewayAddress, LabNetwork, type NetworkOptions, type Place } from './network.ts';
import { startBaresip } from './phones/baresip.ts';
import { startLinphone } from './phones/linphone.ts';
import type { LabPhone, PhoneOptions } from './phones/phone.ts';
import type { Sandbox } from './sandbox.ts';

/** Tones that no phone takes for another's, within what a telephone carries. */
const firstToneHertz = 400;
const toneStepHertz = 170;
const maxTones = 16;
/** Phones look at their network every few seconds only. */
const registerMs = 20_000;

export const labDomain = 'lab.example';

export type PhoneProgram = 'baresip' | 'linphone';

const start: Readonly<Record<PhoneProgram, (sandbox: Sandbox, options: PhoneOptions) => LabPhone>> = {
  baresip: startBaresip,
  linphone: startLinphone,
};

export interface LabOptions {
  readonly network?: NetworkOptions;
  /** Who has a stock phone with minted credentials. */
  readonly users: readonly string[];
  /** Further settings of the gateway. */
  readonly set?: readonly string[];
}

/** The network with a gateway in its public segment, and phones where they are put. */
export class Lab {
  readonly network: LabNetwork;
  readonly dataDir: string;
  readonly #gateway: GatewayProcess;
  readonly #passwords: ReadonlyMap<string, string>;
  readonly #phones = new Map<string, LabPhone>();
  /** How many there have been: each has a tone of its own. */
  #tones = 0;

  private constructor(network: LabNetwork, gateway: GatewayProcess, passwords: ReadonlyMap<string, string>) {
    this.network = network;
    this.dataDir = gateway.dataDir;
    this.#gateway = gateway;
    this.#passwords = passwords;
  }

  static async open(options: LabOptions): Promise<Lab> {
    const network = await LabNetwork.build(options.network);
    try {
      const dataDir = join(network.sandbox.directory, 'data');
      const stock = await addStockPhones(dataDir, options.users, labDomain);
      const gateway = await startGateway({
        dataDir,
        launcher: network.sandbox.launcher('gateway'),
        set: [
          `domain=${labDomain}`,
          `listen=udp://${gatewayAddress}:5060, tcp://${gatewayAddress}:5060`,
          ...(options.set ?? []),
        ],
      });
      return new Lab(network, gateway, new Map(stock.map(({ user, password }) => [user, password])));
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  /** A phone that has registered; who is there already, stays where it is. */
  async phone(
    program: PhoneProgram,
    name: string,
    place: Place,
    options: Partial<PhoneOptions> = {},
  ): Promise<LabPhone> {
    const present = this.#phones.get(name);
    if (present !== undefined) return present;
    const password = this.password(name);
    await this.network.addPhone(name, place);
    const phone = start[program](this.network.sandbox, {
      name,
      password,
      domain: labDomain,
      gateway: `${gatewayAddress}:5060`,
      toneHertz: firstToneHertz + toneStepHertz * (this.#tones++ % maxTones),
      ...options,
    });
    this.#phones.set(name, phone);
    await this.registered(name).catch((error: unknown) => {
      throw new Error(`${phone.story()}\n${this.log()}`, { cause: error });
    });
    return phone;
  }

  /** A phone that is not needed any more. */
  async leave(phone: LabPhone): Promise<void> {
    this.#phones.delete(phone.name);
    await phone.stop();
  }

  /** Resolves once somebody has registered from `times` different places; returns the newest registration's record. */
  async registered(name: string, times = 1): Promise<StoredRecord> {
    let newest: StoredRecord | undefined;
    const enough = async (): Promise<boolean> => {
      const found = await this.#registrations(name);
      newest = found.at(-1);
      return new Set(found.map(sourceOf)).size >= times;
    };
    await until(`${name} has registered from ${times} places`, enough, registerMs);
    if (newest === undefined) throw new Error('no registration');
    return newest;
  }

  /** From how many places somebody has registered. */
  async places(name: string): Promise<number> {
    return new Set((await this.#registrations(name)).map(sourceOf)).size;
  }

  password(name: string): string {
    const password = this.#passwords.get(name);
    if (password === undefined) throw new Error(`${name} has no credentials`);
    return password;
  }

  /** What the gateway has on record, all or of one kind of event. */
  async records(event?: string): Promise<readonly StoredRecord[]> {
    return (await readTrail(this.dataDir)).filter((record) => event === undefined || record.event === event);
  }

  async #registrations(name: string): Promise<readonly StoredRecord[]> {
    return (await this.records()).filter(
      ({ event, erin }) =>
        (event === 'registration.added' || event === 'registration.refreshed') &&
        erin['identity'] === `jis:${name}`,
    );
  }

  log(): string {
    return this.#gateway.log();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#phones.values()].map((phone) => phone.stop()));
    await this.#gateway.stop();
    await this.network.close();
  }
}

/** The outside address and port, as the gateway saw it. */
export function sourceOf({ eromheen }: StoredRecord): string {
  return String(eromheen['source']);
}
